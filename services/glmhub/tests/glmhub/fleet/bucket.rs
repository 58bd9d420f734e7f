//! A bucket of S3 of a test's own, served beside the test: a test stands still at times.

use futures_util::stream;
use hyper::{Method, StatusCode, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use s3s::{
    Body, HttpError, HttpResponse,
    auth::SimpleAuth,
    dto::StreamingBlob,
    service::{S3Service, S3ServiceBuilder},
};
use s3s_fs::FileSystem;
use std::{
    fs, io,
    net::TcpListener,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;
use tokio::runtime::{self, Runtime};

/// Its name.
pub const BUCKET: &str = "blobs";
/// Who may use it.
pub const ACCESS: &str = "glmhub";
pub const SECRET: &str = "a-secret-of-tests";

/// The most bytes of an object.
const MOST: usize = 64 << 20;
/// How late answers come where it is slow: later than a hub waits that is asked whether it is well.
const LATE: Duration = Duration::from_secs(3);

/// How it answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Well,
    /// With 500.
    Failing,
    /// After [`LATE`].
    Slow,
    /// Objects break off in the middle.
    CuttingShort,
}

struct Shared {
    mood: Mutex<Mood>,
    cut_short: AtomicUsize,
}

/// See the module's text.
pub struct Bucket {
    address: String,
    shared: Arc<Shared>,
    serving: Option<Runtime>,
    folder: TempDir,
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
        let shared = Arc::new(Shared {
            mood: Mutex::new(Mood::Well),
            cut_short: AtomicUsize::new(0),
        });
        serving.spawn(serve(listener, service, shared.clone()));
        Self {
            address,
            shared,
            serving: Some(serving),
            folder,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The names of all objects and parts that lie there and contain `word`.
    pub fn names(&self, word: &str) -> Vec<String> {
        let (mut folders, mut names) = (vec![self.folder.path().to_owned()], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => folders.push(path),
                    false => names.push(
                        path.strip_prefix(self.folder.path())
                            .unwrap()
                            .display()
                            .to_string(),
                    ),
                }
            }
        }
        names.retain(|name| name.contains(word));
        names
    }

    /// Answers like this from now on.
    pub fn turn(&self, mood: Mood) {
        *self.shared.mood.lock().unwrap() = mood;
    }

    /// How many objects broke off so far.
    pub fn cut_short(&self) -> usize {
        self.shared.cut_short.load(Ordering::SeqCst)
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.shutdown_background();
        }
    }
}

async fn serve(listener: TcpListener, service: S3Service, shared: Arc<Shared>) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    while let Ok((socket, _)) = listener.accept().await {
        let (service, shared) = (service.clone(), shared.clone());
        let answer = service_fn(move |request| answer(service.clone(), shared.clone(), request));
        tokio::spawn(async move {
            let server = Builder::new(TokioExecutor::new());
            // A client that goes away in the middle is no fault of the server.
            let _ = server.serve_connection(TokioIo::new(socket), answer).await;
        });
    }
}

async fn answer(
    service: S3Service,
    shared: Arc<Shared>,
    request: hyper::Request<Incoming>,
) -> Result<HttpResponse, HttpError> {
    let (mood, reads) = (*shared.mood.lock().unwrap(), request.method() == Method::GET);
    match mood {
        Mood::Failing => {
            let mut response = HttpResponse::new(Body::empty());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            return Ok(response);
        }
        Mood::Slow => tokio::time::sleep(LATE).await,
        Mood::Well | Mood::CuttingShort => {}
    }
    let mut response = service.call(request.map(Body::from)).await?;
    if mood == Mood::CuttingShort && reads && response.status().is_success() {
        let whole = response.body_mut().store_all_limited(MOST).await.unwrap();
        let half = Ok(whole.slice(..whole.len() / 2));
        let end = Err(io::Error::other("the line went dead"));
        *response.body_mut() = Body::from(StreamingBlob::wrap(stream::iter([half, end])));
        shared.cut_short.fetch_add(1, Ordering::SeqCst);
    }
    Ok(response)
}
