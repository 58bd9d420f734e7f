//! Files that others put into the bucket by links.

use super::{tests::Server, *};
use crate::blobs::{UploadLink, read};
use tokio::{io::AsyncReadExt as _, net::TcpStream};

const PLENTY: u64 = 1 << 20;
const LATER: OffsetDateTime = OffsetDateTime::UNIX_EPOCH.saturating_add(time::Duration::days(100_000));

pub(super) fn what(bytes: &[u8]) -> Stored {
    Stored {
        sha256: Sha256::of(bytes),
        bytes: bytes.len() as u64,
    }
}

pub(super) async fn store(server: &Server) -> S3Blobs {
    let uploads = Some(Links {
        lifetime: Duration::from_secs(120),
        endpoint: None,
    });
    let settings = S3Settings {
        uploads,
        ..server.settings()
    };
    S3Blobs::open(settings).await.unwrap()
}

async fn link(store: &S3Blobs, place: &str, what: Stored) -> UploadLink {
    store.upload_link(place, what).await.unwrap().unwrap()
}

/// The status that the server gives somebody without a key who puts `bytes` with these headers.
pub(super) async fn put(link: &UploadLink, bytes: &[u8]) -> u16 {
    let rest = link.url.strip_prefix("http://").unwrap();
    let (address, path) = rest.split_once('/').unwrap();
    let mut head = format!("PUT /{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    for (name, value) in &link.headers {
        if name != "content-length" && name != "host" {
            head += &format!("{name}: {value}\r\n");
        }
    }
    head += &format!("content-length: {}\r\n\r\n", bytes.len());
    let mut line = TcpStream::connect(address).await.unwrap();
    line.write_all(head.as_bytes()).await.unwrap();
    line.write_all(bytes).await.unwrap();
    let mut said = String::new();
    line.read_to_string(&mut said).await.unwrap();
    said.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn what_was_put_by_a_link_becomes_a_blob_and_is_not_one_before() {
    let server = Server::start().await;
    let (store, what) = (store(&server).await, what(b"a scanned page"));
    let link = link(&store, "bat_1", what).await;
    assert!(link.url.contains("X-Amz-Expires=120") && !link.url.contains("a-secret-of-tests"));
    let absent = store.take_in("bat_1", what).await;
    assert!(matches!(absent, Err(BlobError::Absent(_))), "{absent:?}");
    assert_eq!(put(&link, b"a scanned page").await, 200);
    assert_eq!(store.size(what.sha256).await.unwrap(), None);
    // Another place is another upload: nobody takes in what others have put.
    let elsewhere = store.take_in("bat_2", what).await;
    assert!(matches!(elsewhere, Err(BlobError::Absent(_))), "{elsewhere:?}");
    store.take_in("bat_1", what).await.unwrap();
    assert_eq!(
        read(&store, what.sha256, PLENTY).await.unwrap(),
        b"a scanned page"
    );
    let again = store.take_in("bat_1", what).await;
    assert!(
        matches!(again, Err(BlobError::Absent(_))),
        "it was removed: {again:?}"
    );
}

#[tokio::test]
async fn a_link_takes_only_the_bytes_that_were_declared() {
    let server = Server::start().await;
    let (store, what) = (store(&server).await, what(b"a scanned page"));
    let signed = link(&store, "bat_1", what).await;
    for header in ["content-length", "x-amz-checksum-sha256"] {
        assert!(
            signed.url.contains(header),
            "{header} is not signed: {}",
            signed.url
        );
    }
    assert!(put(&signed, b"a longer page than was said").await >= 400);
    assert!(put(&signed, b"a scanned cat!").await >= 400);
    let mut other = signed.clone();
    for (name, value) in &mut other.headers {
        if name == "x-amz-checksum-sha256" {
            *value = sending::base64_of(Sha256::of(b"a scanned cat!"));
        }
    }
    assert_eq!(put(&other, b"a scanned cat!").await, 403);
    let longer = UploadLink {
        url: signed.url.replace("X-Amz-Expires=120", "X-Amz-Expires=9000"),
        ..signed.clone()
    };
    assert_eq!(put(&longer, b"a scanned page").await, 403);
    // This server leaves bytes there that it refused; nothing comes of them.
    let taken = store.take_in("bat_1", what).await;
    assert!(
        matches!(taken, Err(BlobError::Absent(_) | BlobError::Damaged(_))),
        "{taken:?}"
    );
    assert_eq!(store.size(what.sha256).await.unwrap(), None);
}

#[tokio::test]
async fn a_server_that_takes_anything_deceives_nobody() {
    let server = Server::start().await;
    let store = store(&server).await;
    let declared = what(b"a scanned page");
    for other in [&b"a scanned cat!"[..], b"a", b"much more than was declared"] {
        let key = store.key(&format!("uploads/bat_1/{}", declared.sha256));
        let put = store.client.put_object().bucket(&store.bucket).key(key);
        put.body(primitives::ByteStream::from(other.to_vec()))
            .send()
            .await
            .unwrap();
        let taken = store.take_in("bat_1", declared).await;
        assert!(matches!(taken, Err(BlobError::Damaged(_))), "{taken:?}");
        for sha256 in [declared.sha256, Sha256::of(other)] {
            assert_eq!(store.size(sha256).await.unwrap(), None, "nothing was kept");
        }
        let gone = store.take_in("bat_1", declared).await;
        assert!(matches!(gone, Err(BlobError::Absent(_))), "{gone:?}");
    }
}

#[tokio::test]
async fn what_was_put_and_never_taken_is_given_up_and_blobs_stay() {
    let server = Server::start().await;
    let (store, what) = (store(&server).await, what(b"left behind"));
    let blob = store
        .put(crate::blobs::one_piece("a blob"), PLENTY)
        .await
        .unwrap();
    assert_eq!(put(&link(&store, "bat_1", what).await, b"left behind").await, 200);
    assert_eq!(store.give_up_put(OffsetDateTime::UNIX_EPOCH).await.unwrap(), 0);
    assert_eq!(store.give_up_put(LATER).await.unwrap(), 1);
    let gone = store.take_in("bat_1", what).await;
    assert!(matches!(gone, Err(BlobError::Absent(_))), "{gone:?}");
    assert_eq!(store.size(blob.sha256).await.unwrap(), Some(blob.bytes));
}

#[tokio::test]
async fn a_store_that_gives_out_no_upload_links_takes_none_in() {
    let server = Server::start().await;
    let (store, what) = (server.store().await, what(b"a scanned page"));
    assert!(store.upload_link("bat_1", what).await.unwrap().is_none());
    let taken = store.take_in("bat_1", what).await;
    assert!(matches!(taken, Err(BlobError::Absent(_))), "{taken:?}");
}
