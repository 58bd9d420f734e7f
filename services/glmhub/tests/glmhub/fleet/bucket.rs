//! A bucket of S3 of a test's own, served beside the test: a test stands still at times.

use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use s3s::{
    auth::SimpleAuth,
    service::{S3Service, S3ServiceBuilder},
};
use s3s_fs::FileSystem;
use std::{fs, net::TcpListener};
use tempfile::TempDir;
use tokio::runtime::{self, Runtime};

/// Its name.
pub const BUCKET: &str = "blobs";
/// Who may use it.
pub const ACCESS: &str = "glmhub";
pub const SECRET: &str = "a-secret-of-tests";

/// See the module's text.
pub struct Bucket {
    address: String,
    serving: Option<Runtime>,
    _folder: TempDir,
}

impl Bucket {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(BUCKET)).unwrap();
        let mut builder = S3ServiceBuilder::new(FileSystem::new(folder.path()).unwrap());
        builder.set_auth(SimpleAuth::from_single(ACCESS, SECRET));
        let service = builder.build();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let serving = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        serving.spawn(serve(listener, service));
        Self {
            address,
            serving: Some(serving),
            _folder: folder,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.shutdown_background();
        }
    }
}

async fn serve(listener: TcpListener, service: S3Service) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    while let Ok((socket, _)) = listener.accept().await {
        let service = service.clone();
        tokio::spawn(async move {
            let server = Builder::new(TokioExecutor::new());
            // A client that goes away in the middle is no fault of the server.
            let _ = server.serve_connection(TokioIo::new(socket), service).await;
        });
    }
}
