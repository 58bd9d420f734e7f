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
        keys: Some(Keys {
            access: "glmhub".into(),
            secret: "a-secret-of-tests".into(),
        }),
        links: None,
        uploads: None,
        encryption: None,
        scratch: scratch.path().to_owned(),
    })
    .await
    .unwrap();
    let make = store.client.create_bucket().bucket(&store.bucket);
    make.send().await.unwrap();
    Some((store, scratch))
}

blob_contract!(empty_bucket);

#[tokio::test]
async fn parts_that_nobody_knows_of_any_more_are_given_up() {
    let Some((mut store, _scratch)) = empty_bucket().await else {
        return;
    };
    store.uploading = Some(Linking::new(store.client.clone(), Duration::from_secs(60)));
    let sha256 = Sha256::of(b"left");
    store.in_parts().unwrap().begin("mup_1", sha256).await.unwrap();
    let later = OffsetDateTime::UNIX_EPOCH + time::Duration::days(100_000);
    assert_eq!(store.give_up_unfinished(later).await.unwrap(), 1);
}

#[tokio::test]
async fn a_bucket_may_be_part_of_the_servers_name() {
    let Some((store, _scratch)) = empty_bucket().await else {
        return;
    };
    let url = std::env::var_os("GLMHUB_TEST_S3_URL")
        .unwrap()
        .into_string()
        .unwrap();
    let port = url.trim_end_matches('/').rsplit(':').next().unwrap().to_owned();
    named::reads_and_writes(&store.bucket, &port).await;
}

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

#[tokio::test]
async fn what_is_stored_is_encrypted_as_the_settings_say() {
    let Some((mut store, _scratch)) = empty_bucket().await else {
        return;
    };
    let key = Some("arn:aws:kms:us-east-1:111122223333:key/1".to_owned());
    for (encryption, told) in [
        (Encryption::OwnKeys, "AES256"),
        (Encryption::KeyService(key.clone()), "aws:kms"),
    ] {
        store.encryption = Some(encryption);
        store.ping().await.unwrap();
        // One in a single request, one in parts.
        for bytes in [
            told.as_bytes().to_vec(),
            told.repeat(2 * PART / told.len()).into_bytes(),
        ] {
            let stored = store.put(one_piece(bytes), PLENTY).await.unwrap();
            let head = store.client.head_object().bucket(&store.bucket);
            let there = head.key(store.key_of(stored.sha256)).send().await.unwrap();
            let how = there.server_side_encryption().map(|how| how.as_str());
            assert_eq!(how, Some(told), "{} bytes", stored.bytes);
            assert_eq!(
                there.ssekms_key_id().map(str::to_owned),
                key.clone().filter(|_| told == "aws:kms")
            );
        }
    }
}

#[tokio::test]
async fn uploads_that_were_begun_and_left_are_given_up_unless_they_are_of_others() {
    let Some((store, _scratch)) = empty_bucket().await else {
        return;
    };
    let begin = async |key: String| {
        let begin = store.client.create_multipart_upload().bucket(&store.bucket);
        begin.key(key).send().await.unwrap();
    };
    begin(store.key_of(Sha256::of(b"left"))).await;
    begin("somebody/else".to_owned()).await;
    // Nothing was begun before there was a clock.
    let ever = store.give_up_unfinished(OffsetDateTime::UNIX_EPOCH).await;
    assert_eq!(ever.unwrap(), 0);
    let later = OffsetDateTime::UNIX_EPOCH + time::Duration::days(100_000);
    assert_eq!(store.give_up_unfinished(later).await.unwrap(), 1);
    assert_eq!(store.give_up_unfinished(later).await.unwrap(), 0);
    let begun = store.client.list_multipart_uploads().bucket(&store.bucket);
    let begun = begun.send().await.unwrap();
    let keys: Vec<_> = begun.uploads().iter().filter_map(|one| one.key()).collect();
    assert_eq!(keys, ["somebody/else"]);
}
