//! The contract of blobs on a server of S3 that others wrote, which `GLMHUB_TEST_S3_URL` names.

use super::*;
use crate::blobs::{contract::blob_contract, one_piece, read};
use tempfile::TempDir;

const PLENTY: u64 = 64 << 20;

/// A bucket of its own there; without a server, says what is not tested.
async fn empty_bucket() -> Option<(S3Blobs, TempDir)> {
    let Some(url) = std::env::var_os("GLMHUB_TEST_S3_URL") else {
        eprintln!("GLMHUB_TEST_S3_URL is not set: blobs were not tested on another server of S3");
        return None;
    };
    let random = std::collections::hash_map::RandomState::new();
    let scratch = tempfile::tempdir().unwrap();
    let store = S3Blobs::open(S3Settings {
        bucket: format!("blobs-{:x}", std::hash::BuildHasher::hash_one(&random, 0)),
        prefix: "hub".into(),
        region: "us-east-1".into(),
        endpoint: Some(url.into_string().unwrap()),
        path_style: true,
        access_key: "glmhub".into(),
        secret_key: "a-secret-of-tests".into(),
        scratch: scratch.path().to_owned(),
    })
    .unwrap();
    let make = store.client.create_bucket().bucket(&store.bucket);
    make.send().await.unwrap();
    Some((store, scratch))
}

blob_contract!(empty_bucket);

#[tokio::test]
async fn a_large_blob_goes_in_parts_and_leaves_no_upload_behind() {
    let Some((store, _scratch)) = empty_bucket().await else {
        return;
    };
    let bytes: Vec<u8> = (0..2 * PART + 12_345).map(|n| (n % 251) as u8).collect();
    let stored = store.put(one_piece(bytes.clone()), PLENTY).await.unwrap();
    assert_eq!(stored.sha256, Sha256::of(&bytes));
    assert!(read(&store, stored.sha256, PLENTY).await.unwrap() == bytes);
    let begun = store.client.list_multipart_uploads().bucket(&store.bucket);
    assert!(begun.send().await.unwrap().uploads().is_empty());
}

#[tokio::test]
async fn an_object_that_is_there_is_left_alone() {
    let Some((store, _scratch)) = empty_bucket().await else {
        return;
    };
    let stored = store.put(one_piece("first"), PLENTY).await.unwrap();
    let put = store.client.put_object().bucket(&store.bucket);
    let put = put.key(store.key_of(stored.sha256)).if_none_match("*");
    let refused = put
        .body(primitives::ByteStream::from_static(b"second"))
        .send()
        .await
        .unwrap_err();
    assert!(is_status(&refused, 412), "{refused}");
    assert_eq!(read(&store, stored.sha256, PLENTY).await.unwrap(), b"first");
}
