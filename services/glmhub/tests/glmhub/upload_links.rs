//! Documents that their tenant puts into the bucket itself.

use crate::{
    client::Client,
    fleet::bucket::{ACCESS, BUCKET, Bucket, SECRET},
    hub::Hub,
    jobs::{MODEL, completed, open, page, submit, tiny},
};
use domain::digest::Sha256;
use serde_json::{Value, json};

fn hub_on(bucket: &Bucket, more: &[(&str, &str)]) -> Hub {
    let hub = started_on(&format!("http://{}", bucket.address()), BUCKET, more);
    hub.import(MODEL, &tiny());
    hub
}

/// A hub without models whose blobs are in a bucket of the server at `endpoint`.
pub fn started_on(endpoint: &str, bucket: &str, more: &[(&str, &str)]) -> Hub {
    let mut settings = vec![
        ("GLMHUB_BLOBS__BUCKET", bucket),
        ("GLMHUB_BLOBS__ENDPOINT", endpoint),
        ("GLMHUB_BLOBS__PATH_STYLE", "true"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_ACCESS_KEY_ID", ACCESS),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
    ];
    settings.extend(more);
    Hub::start_with(&settings)
}

pub const ON: (&str, &str) = ("GLMHUB_BLOBS__UPLOAD_LINK_SECONDS", "90");

fn declared(bytes: &[u8]) -> Value {
    json!({ "sha256": Sha256::of(bytes), "bytes": bytes.len(), "media_type": "image/png", "name": "page.png" })
}

async fn link(client: &Client, batch: &str, declared: &Value) -> Value {
    let answer = client.post(&format!("{batch}/upload-links"), declared).await;
    answer.expect(201).json()
}

/// The status that the bucket gives whoever puts `bytes` at a link.
pub async fn put(link: &Value, bytes: Vec<u8>) -> u16 {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut put = client.put(link["url"].as_str().unwrap()).body(bytes);
    for (name, value) in link["headers"].as_object().unwrap() {
        if name != "content-length" {
            put = put.header(name, value.as_str().unwrap());
        }
    }
    put.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_document_goes_past_the_hub_and_is_answered() {
    let bucket = Bucket::start();
    let hub = hub_on(&bucket, &[ON]);
    let client = hub.client("acme", &["submitter"]);
    let batch = open(&client, &["What is it?"]).await;
    let (documents, declared) = (format!("{batch}/documents"), declared(&page(7)));
    let link = link(&client, &batch, &declared).await;
    let url = link["url"].as_str().unwrap();
    assert!(url.contains("X-Amz-Expires=90") && !url.contains(SECRET), "{url}");
    client
        .post(&documents, &declared)
        .await
        .refused(409, "upload_missing");
    assert_eq!(put(&link, page(7)).await, 200);
    // It counts only when it was added.
    submit(&client, &batch)
        .await
        .refused(409, "batch_without_documents");
    let added = client.post(&documents, &declared).await.expect(201).json();
    let document = &added["data"][0];
    assert_eq!(
        (&document["sha256"], &document["bytes"]),
        (&declared["sha256"], &declared["bytes"])
    );
    assert_eq!(
        (&document["name"], &document["state"]),
        (&json!("page.png"), &json!("received"))
    );
    client
        .post(&documents, &declared)
        .await
        .refused(409, "upload_missing");
    submit(&client, &batch).await.expect(200);
    assert_eq!(completed(&client, &batch).await["jobs"]["answered"], 1);
}

#[tokio::test]
async fn what_is_not_what_was_declared_is_not_taken() {
    let bucket = Bucket::start();
    let hub = hub_on(&bucket, &[ON, ("GLMHUB_WORK__MOST_DOCUMENT_BYTES", "1000000")]);
    let client = hub.client("acme", &["submitter"]);
    let batch = open(&client, &["What is it?"]).await;
    let (links, documents) = (format!("{batch}/upload-links"), format!("{batch}/documents"));
    let honest = declared(&page(7));
    let link = link(&client, &batch, &honest).await;
    assert!(put(&link, page(8)).await >= 400);
    assert!(put(&link, b"more bytes, or fewer".to_vec()).await >= 400);
    // The bucket may leave there what it refused.
    let taking = client.post(&documents, &honest).await;
    assert!([409, 422].contains(&taking.status), "{}", taking.text());
    client
        .post(&documents, &honest)
        .await
        .refused(409, "upload_missing");
    let with = |name: &str, value: Value| {
        let mut changed = honest.clone();
        changed[name] = value;
        changed
    };
    assert_eq!(put(&link, page(7)).await, 200);
    let smaller = with("bytes", json!(3));
    client
        .post(&documents, &smaller)
        .await
        .refused(422, "upload_differs");
    client
        .post(&documents, &honest)
        .await
        .refused(409, "upload_missing");
    let refusals = [
        ("bytes", json!(0), 400, "empty_document"),
        ("bytes", json!(1_000_001), 413, "document_too_large"),
        ("media_type", json!("text/html"), 415, "content_type_wrong"),
        ("name", json!("a\nb"), 400, "document_name_malformed"),
        ("sha256", json!("abc"), 400, "json_malformed"),
        ("url", json!("https://example.com/"), 400, "json_malformed"),
    ];
    for (name, value, status, code) in refusals {
        let wrong = with(name, value);
        for path in [&links, &documents] {
            client.post(path, &wrong).await.refused(status, code);
        }
    }
    client
        .post(&links, &with("bytes", json!(1_000_000)))
        .await
        .expect(201);
    // Nobody else puts anything into the batch, nor takes what lies there.
    let other = hub.client("rival", &["submitter"]);
    other.post(&links, &honest).await.refused(404, "not_found");
    hub.client("acme", &["auditor"])
        .post(&links, &honest)
        .await
        .refused(403, "missing_role");
    hub.stranger()
        .post(&links, &honest)
        .await
        .refused(401, "token_missing");
    let theirs = open(&other, &["What is it?"]).await;
    assert_eq!(put(&link, page(7)).await, 200);
    let taking = other.post(&format!("{theirs}/documents"), &honest).await;
    taking.refused(409, "upload_missing");
    client.post(&documents, &honest).await.expect(201);
    submit(&client, &batch).await.expect(200);
    client.post(&links, &honest).await.refused(409, "batch_state");
}

#[tokio::test]
async fn a_hub_without_upload_links_says_so() {
    let bucket = Bucket::start();
    let (folder, silent) = (Hub::start(), hub_on(&bucket, &[]));
    folder.import(MODEL, &tiny());
    for hub in [&folder, &silent] {
        let client = hub.client("acme", &["submitter"]);
        let batch = open(&client, &["What is it?"]).await;
        let asked = client
            .post(&format!("{batch}/upload-links"), &declared(&page(7)))
            .await;
        asked.refused(409, "no_upload_links");
    }
}
