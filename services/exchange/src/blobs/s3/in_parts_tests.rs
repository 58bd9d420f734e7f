//! Files that others put into the bucket in parts, by links.

use super::{
    tests::Server,
    upload_tests::{put, store, what},
    *,
};
use crate::blobs::{
    in_parts::{InParts, TakesParts},
    read,
};
use domain::model_upload::{LEAST_PART, Part, parts};

const PLACE: &str = "mup_1";
const PLENTY: u64 = 64 << 20;

/// Bytes that are no two parts alike.
fn large() -> Vec<u8> {
    (0..2 * LEAST_PART + 12_345).map(|n| (n % 251) as u8).collect()
}

async fn begun(taking: &dyn TakesParts, what: Stored) -> InParts {
    InParts {
        place: PLACE.into(),
        what,
        id: taking.begin(PLACE, what.sha256).await.unwrap(),
    }
}

/// Puts a part of `bytes`; gives the status.
async fn put_part(taking: &dyn TakesParts, file: &InParts, part: Part, bytes: &[u8]) -> u16 {
    let start = (part.number - 1) as usize * LEAST_PART as usize;
    let link = taking.link(file, part).await.unwrap();
    put(&link, &bytes[start..start + part.bytes as usize]).await
}

#[tokio::test]
async fn a_file_that_is_put_in_parts_is_a_blob_when_it_was_read_and_kept() {
    let server = Server::start().await;
    let store = store(&server).await;
    let (bytes, folder) = (large(), tempfile::tempdir().unwrap());
    let (taking, what) = (store.in_parts().unwrap(), what(&bytes));
    let (file, to) = (begun(&*taking, what).await, folder.path().join("front"));
    let parts = parts(what.bytes, LEAST_PART);
    assert_eq!(parts.len(), 3);
    // In any order, and one of them twice.
    for place in [2, 0, 0] {
        assert_eq!(put_part(&*taking, &file, parts[place], &bytes).await, 200);
    }
    assert_eq!(taking.parts(&file).await.unwrap(), [parts[0], parts[2]]);
    assert!(!taking.join(&file, &parts).await.unwrap());
    let absent = taking.read(PLACE, what, &to, PLENTY).await;
    assert!(matches!(absent, Err(BlobError::Absent(_))), "{absent:?}");
    assert_eq!(put_part(&*taking, &file, parts[1], &bytes).await, 200);
    assert!(taking.join(&file, &parts).await.unwrap());
    assert!(taking.join(&file, &parts).await.unwrap(), "it was done before");
    // Links to its parts lead nowhere any more.
    assert!(put_part(&*taking, &file, parts[2], &bytes).await >= 400);
    let state = taking.read(PLACE, what, &to, 1000).await.unwrap();
    let front = fs::read(&to).unwrap();
    assert_eq!((front.len() as u64, &front[..1000]), (what.bytes, &bytes[..1000]));
    assert!(
        front[1000..].iter().all(|byte| *byte == 0),
        "the rest is left out"
    );
    assert_eq!(store.size(what.sha256).await.unwrap(), None);
    taking.keep(PLACE, what, &state).await.unwrap();
    taking.keep(PLACE, what, &state).await.unwrap();
    taking.give_up(PLACE, what.sha256, None).await.unwrap();
    assert!(read(&store, what.sha256, PLENTY).await.unwrap() == bytes);
    let gone = taking.read(PLACE, what, &to, PLENTY).await;
    assert!(matches!(gone, Err(BlobError::Absent(_))), "{gone:?}");
}

#[tokio::test]
async fn what_is_larger_than_one_copy_is_copied_in_several() {
    let server = Server::start().await;
    let store = store(&server).await;
    let (bytes, folder) = (large(), tempfile::tempdir().unwrap());
    let (what, to) = (what(&bytes), folder.path().join("front"));
    let linking = store.uploading.clone().unwrap();
    let taking = Parted {
        copied_at_once: LEAST_PART,
        ..Parted::new(store.clone(), linking)
    };
    let (file, parts) = (begun(&taking, what).await, parts(what.bytes, LEAST_PART));
    for part in &parts {
        assert_eq!(put_part(&taking, &file, *part, &bytes).await, 200);
    }
    assert!(taking.join(&file, &parts).await.unwrap());
    let state = taking.read(PLACE, what, &to, PLENTY).await.unwrap();
    assert!(fs::read(&to).unwrap() == bytes);
    taking.keep(PLACE, what, &state).await.unwrap();
    assert!(read(&store, what.sha256, PLENTY).await.unwrap() == bytes);
}

#[tokio::test]
async fn what_is_not_what_was_declared_is_found_when_it_is_read() {
    let (server, folder) = (Server::start().await, tempfile::tempdir().unwrap());
    let store = store(&server).await;
    let (taking, to) = (store.in_parts().unwrap(), folder.path().join("front"));
    let (honest, part) = (what(b"weights"), Part { number: 1, bytes: 7 });
    let file = begun(&*taking, honest).await;
    let link = taking.link(&file, part).await.unwrap();
    assert!(put(&link, b"more than was signed").await >= 400);
    assert_eq!(put(&link, b"WEIGHTS").await, 200);
    assert!(taking.join(&file, &[part]).await.unwrap());
    let other = taking.read(PLACE, honest, &to, PLENTY).await;
    assert!(matches!(other, Err(BlobError::Damaged(_))), "{other:?}");
    let longer = Stored { bytes: 8, ..honest };
    let longer = taking.read(PLACE, longer, &to, PLENTY).await;
    assert!(matches!(longer, Err(BlobError::Damaged(_))), "{longer:?}");
    // Nothing of the place is left.
    taking.give_up(PLACE, honest.sha256, None).await.unwrap();
    assert!(matches!(
        taking.read(PLACE, honest, &to, PLENTY).await,
        Err(BlobError::Absent(_))
    ));
}

#[tokio::test]
async fn parts_that_are_given_up_are_gone() {
    let server = Server::start().await;
    let store = store(&server).await;
    let taking = store.in_parts().unwrap();
    let (what, part) = (what(b"weights"), Part { number: 1, bytes: 7 });
    let file = begun(&*taking, what).await;
    let link = taking.link(&file, part).await.unwrap();
    assert_eq!(put(&link, b"weights").await, 200);
    assert_eq!(taking.parts(&file).await.unwrap(), [part]);
    taking.give_up(PLACE, what.sha256, Some(&file.id)).await.unwrap();
    assert!(taking.parts(&file).await.unwrap().is_empty());
    assert!(put(&link, b"weights").await >= 400);
    assert!(!taking.join(&file, &[part]).await.unwrap());
}

#[tokio::test]
async fn a_bucket_without_links_takes_no_parts() {
    let server = Server::start().await;
    assert!(server.store().await.in_parts().is_none());
}
