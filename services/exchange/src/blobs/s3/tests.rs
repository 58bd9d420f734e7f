//! The contract of blobs on a server of S3 in this process, and what goes wrong between the two.

use super::*;
use crate::blobs::{contract::blob_contract, one_piece, read};
use bytes::Bytes;
use encrypted::Sent;
use futures_util::stream;
use hyper::{StatusCode, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use s3s::{
    Body, HttpError, HttpResponse, S3Result,
    auth::SimpleAuth,
    dto::StreamingBlob,
    host::{S3Host, VirtualHost},
    service::{S3Service, S3ServiceBuilder},
};
use s3s_fs::FileSystem;
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};
use tempfile::TempDir;
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};

mod encrypted;

const BUCKET: &str = "blobs";
const ACCESS: &str = "glmhub";
const SECRET: &str = "a-secret-of-tests";
/// More than any of these tests stores.
const PLENTY: u64 = 64 << 20;
/// Three parts, the last one short.
const LARGE: usize = 2 * PART + 12_345;

/// What goes wrong at the server, how often.
#[derive(Default)]
struct Faults {
    /// Requests that are answered with 500.
    broken: AtomicUsize,
    /// Blobs that end in the middle.
    cut: AtomicUsize,
    /// Requests that say how to encrypt.
    encrypting: Mutex<Vec<Sent>>,
}

/// A server of S3 with one bucket. It ends when it is dropped.
pub(super) struct Server {
    pub(super) address: String,
    faults: Arc<Faults>,
    folder: TempDir,
    serving: AbortHandle,
}

fn keys() -> Keys {
    Keys {
        access: ACCESS.into(),
        secret: SECRET.into(),
    }
}

impl Server {
    pub(super) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("objects").join(BUCKET)).unwrap();
        let mut builder = S3ServiceBuilder::new(FileSystem::new(folder.path().join("objects")).unwrap());
        builder.set_auth(SimpleAuth::from_single(ACCESS, SECRET));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        builder.set_host(Names(format!(
            "localhost:{}",
            listener.local_addr().unwrap().port()
        )));
        let (service, faults) = (builder.build(), Arc::new(Faults::default()));
        let told = faults.clone();
        let serving = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (service, faults) = (service.clone(), told.clone());
                let answer = service_fn(move |request| answer(service.clone(), faults.clone(), request));
                tokio::spawn(async move {
                    let server = Builder::new(TokioExecutor::new());
                    let _ = server.serve_connection(TokioIo::new(socket), answer).await;
                });
            }
        });
        Self {
            address,
            faults,
            folder,
            serving: serving.abort_handle(),
        }
    }

    pub(super) fn settings(&self) -> S3Settings {
        S3Settings {
            bucket: BUCKET.into(),
            prefix: "hub".into(),
            region: "us-east-1".into(),
            endpoint: Some(format!("http://{}", self.address)),
            path_style: true,
            keys: Some(keys()),
            links: None,
            uploads: None,
            encryption: None,
            scratch: self.scratch(),
        }
    }

    pub(super) async fn store(&self) -> S3Blobs {
        S3Blobs::open(self.settings()).await.unwrap()
    }

    /// The requests that said how to encrypt, since they were asked for.
    fn encrypting(&self) -> Vec<Sent> {
        std::mem::take(&mut self.faults.encrypting.lock().unwrap())
    }

    fn scratch(&self) -> PathBuf {
        self.folder.path().join("scratch")
    }

    /// The file in which the server keeps a blob.
    fn object(&self, sha256: Sha256) -> PathBuf {
        let name = sha256.to_string();
        let bucket = self.folder.path().join("objects").join(BUCKET);
        bucket.join("hub/sha256").join(&name[..2]).join(name)
    }
}

/// A bucket may be named before `localhost`; under any other name it is in the path.
struct Names(String);

impl S3Host for Names {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let bucket = host
            .strip_suffix(&self.0)
            .and_then(|before| before.strip_suffix('.'));
        let named = VirtualHost::new(host);
        Ok(match bucket {
            Some(bucket) => named.with_bucket(bucket),
            None => named,
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(
    service: S3Service,
    faults: Arc<Faults>,
    request: hyper::Request<Incoming>,
) -> Result<HttpResponse, HttpError> {
    if takes_one(&faults.broken) {
        let mut response = HttpResponse::new(Body::empty());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        return Ok(response);
    }
    faults.encrypting.lock().unwrap().extend(Sent::of(&request));
    let is_get = request.method() == hyper::Method::GET;
    let mut response = service.call(request.map(Body::from)).await?;
    if is_get && response.status().is_success() && takes_one(&faults.cut) {
        let whole = response
            .body_mut()
            .store_all_limited(PLENTY as usize)
            .await
            .unwrap();
        let half = Ok(whole.slice(..whole.len() / 2));
        let end = Err(io::Error::other("the line went dead"));
        *response.body_mut() = Body::from(StreamingBlob::wrap(stream::iter([half, end])));
    }
    Ok(response)
}

fn takes_one(count: &AtomicUsize) -> bool {
    let one_less = |left: usize| left.checked_sub(1);
    count
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less)
        .is_ok()
}

fn large() -> Vec<u8> {
    (0..LARGE).map(|n| (n % 251) as u8).collect()
}

/// `bytes` as a stream of small pieces.
fn in_pieces(bytes: &[u8]) -> ByteStream {
    let pieces: Vec<_> = bytes
        .chunks(99_999)
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect();
    stream::iter(pieces).boxed()
}

async fn empty_bucket() -> (S3Blobs, Server) {
    let server = Server::start().await;
    (server.store().await, server)
}

async fn some_empty_bucket() -> Option<(S3Blobs, Server)> {
    Some(empty_bucket().await)
}

blob_contract!(some_empty_bucket);

#[tokio::test]
async fn a_large_blob_goes_in_parts_and_leaves_nothing_here() {
    let (store, server) = empty_bucket().await;
    let bytes = large();
    let stored = store.put(in_pieces(&bytes), PLENTY).await.unwrap();
    assert_eq!((stored.sha256, stored.bytes), (Sha256::of(&bytes), LARGE as u64));
    assert!(read(&store, stored.sha256, PLENTY).await.unwrap() == bytes);
    assert_eq!(server.scratch().read_dir().unwrap().count(), 0);
    // The same as a file is there already; another one goes in parts too.
    let file = server.folder.path().join("weights");
    fs::write(&file, &bytes).unwrap();
    assert_eq!(store.put_file(&file).await.unwrap(), stored);
    fs::write(&file, &bytes[1..]).unwrap();
    let other = store.put_file(&file).await.unwrap();
    assert!(read(&store, other.sha256, PLENTY).await.unwrap() == bytes[1..]);
}

#[tokio::test]
async fn a_server_that_fails_now_and_then_is_asked_again() {
    let (store, server) = empty_bucket().await;
    server.faults.broken.store(2, Ordering::SeqCst);
    let stored = store.put(in_pieces(&large()), PLENTY).await.unwrap();
    server.faults.broken.store(2, Ordering::SeqCst);
    assert_eq!(store.size(stored.sha256).await.unwrap(), Some(LARGE as u64));
    assert_eq!(server.faults.broken.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_server_that_fails_every_time_is_a_fault_that_keeps_nothing() {
    let (store, server) = empty_bucket().await;
    server.faults.broken.store(usize::MAX, Ordering::SeqCst);
    let failed = store.put(one_piece("never"), PLENTY).await.unwrap_err();
    assert!(failed.to_string().contains("status 500"), "{failed}");
    assert!(store.ping().await.is_err());
    server.faults.broken.store(0, Ordering::SeqCst);
    assert_eq!(store.size(Sha256::of(b"never")).await.unwrap(), None);
}

#[tokio::test]
async fn a_blob_that_breaks_off_is_read_on_where_it_did() {
    let (store, server) = empty_bucket().await;
    let bytes = large();
    let stored = store.put(in_pieces(&bytes), PLENTY).await.unwrap();
    let place = server.folder.path().join("model/weights");
    server.faults.cut.store(3, Ordering::SeqCst);
    store.fetch(stored.sha256, &place).await.unwrap();
    assert!(fs::read(&place).unwrap() == bytes);
    assert_eq!(server.faults.cut.load(Ordering::SeqCst), 0);
    // One that always breaks off is a fault, not a damaged blob, and leaves what was there.
    server.faults.cut.store(usize::MAX, Ordering::SeqCst);
    let failed = store.fetch(stored.sha256, &place).await.unwrap_err();
    assert!(matches!(failed, BlobError::Io(_)), "{failed}");
    assert!(matches!(
        read(&store, stored.sha256, PLENTY).await,
        Err(BlobError::Io(_))
    ));
    assert_eq!(place.parent().unwrap().read_dir().unwrap().count(), 1);
}

#[tokio::test]
async fn a_blob_that_was_altered_at_the_server_is_damaged() {
    let (store, server) = empty_bucket().await;
    let stored = store.put(one_piece("weights"), PLENTY).await.unwrap();
    fs::write(server.object(stored.sha256), "weightz").unwrap();
    let place = server.folder.path().join("model/weights");
    let refused = store.fetch(stored.sha256, &place).await.unwrap_err();
    assert!(matches!(refused, BlobError::Damaged(name) if name == stored.sha256));
    assert!(!place.exists());
}

#[tokio::test]
async fn a_wrong_secret_is_refused_and_never_told() {
    let server = Server::start().await;
    let settings = S3Settings {
        keys: Some(Keys {
            secret: "hunter2".into(),
            ..keys()
        }),
        ..server.settings()
    };
    let refused = S3Blobs::open(settings)
        .await
        .unwrap()
        .ping()
        .await
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("SignatureDoesNotMatch") && !refused.contains("hunter2"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_bucket_may_be_part_of_the_servers_name() {
    let server = Server::start().await;
    let port = server.address.rsplit(':').next().unwrap().to_owned();
    named::reads_and_writes(BUCKET, &port).await;
    let folder = server.folder.path().join("objects").join(BUCKET).join("named");
    assert!(folder.join("sha256").is_dir());
}

/// The head and the body that the server gives for a path, to somebody without a key.
async fn read_as_stranger(server: &Server, path: &str) -> (String, String) {
    let mut line = TcpStream::connect(&server.address).await.unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
        server.address
    );
    line.write_all(request.as_bytes()).await.unwrap();
    let mut said = String::new();
    line.read_to_string(&mut said).await.unwrap();
    let (head, body) = said.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), body.to_owned())
}

#[tokio::test]
async fn a_link_reads_one_blob_for_a_while_without_a_key() {
    let server = Server::start().await;
    let links = Links {
        lifetime: Duration::from_secs(120),
        endpoint: None,
    };
    let store = S3Blobs::open(S3Settings {
        links: Some(links),
        ..server.settings()
    });
    let store = store.await.unwrap();
    let stored = store.put(one_piece("weights"), PLENTY).await.unwrap();
    let told = Linked {
        media_type: "application/pdf".into(),
        disposition: "attachment; filename=\"a b.pdf\"".into(),
    };
    let link = store.link(stored.sha256, &told).await.unwrap().unwrap();
    let path = link.strip_prefix(&format!("http://{}", server.address)).unwrap();
    assert!(
        path.contains("X-Amz-Expires=120") && !path.contains(SECRET),
        "{path}"
    );
    let (head, body) = read_as_stranger(&server, path).await;
    assert!(
        head.starts_with("http/1.1 200") && body.contains("weights"),
        "{head}\n{body}"
    );
    for said in [
        "content-type: application/pdf",
        "filename=\"a b.pdf\"",
        "cache-control: private, no-store",
    ] {
        assert!(head.contains(said), "{said} in {head}");
    }
    let other = store
        .put(one_piece("other"), PLENTY)
        .await
        .unwrap()
        .sha256
        .to_string();
    let of_other = path.replace(&stored.sha256.to_string(), &other);
    let of_other = of_other.replace(
        &format!("sha256/{}/", &stored.sha256.to_string()[..2]),
        &format!("sha256/{}/", &other[..2]),
    );
    for wrong in [
        of_other,
        path.replace("X-Amz-Expires=120", "X-Amz-Expires=9000"),
        path.split('?').next().unwrap().to_owned(),
    ] {
        let (head, _) = read_as_stranger(&server, &wrong).await;
        assert!(head.starts_with("http/1.1 403"), "{wrong}: {head}");
    }
    let none = server.store().await.link(stored.sha256, &told).await.unwrap();
    assert_eq!(none, None, "links are made where they are wanted");
}
