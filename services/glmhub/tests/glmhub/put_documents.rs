//! Documents that are put under a name, by curl among others.

use crate::{
    client::{Answer, Client},
    hub::Hub,
    jobs::{completed, hub_with_model, open, page, submit, upload},
    process::ended,
    tally::all,
};
use serde_json::{Value, json};
use std::{fs, path::Path, process::Command};

/// Puts a page in one grey.
async fn put(client: &Client, batch: &str, name: &str, grey: u8) -> Answer {
    let fill =
        |request: reqwest::RequestBuilder| request.header("content-type", "image/png").body(page(grey));
    client
        .send("PUT", &format!("{batch}/documents/{name}"), fill)
        .await
}

/// What `curl -T` is told, and the status.
fn curl(hub: &Hub, batch: &str, file: &Path, more: &[&str]) -> (Value, String) {
    let mut command = Command::new("curl");
    let token = hub.token("acme", &["submitter"]);
    command
        .args(["-sS", "-w", "\n%{http_code}", "-T"])
        .arg(file)
        .args(["-H", &format!("Authorization: Bearer {token}")])
        .args(more)
        .arg(format!("{}{batch}/documents/", hub.url()));
    let told = ended(command.output().unwrap()).well();
    let (body, status) = told.rsplit_once('\n').unwrap();
    (serde_json::from_str(body).unwrap(), status.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_curl_uploads_is_one_document_however_often_and_is_answered() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    let batch = open(&client, &["What is it?", "What is the total?"]).await;
    let folder = tempfile::tempdir().unwrap();
    let (name, chunked) = ("合同 (1).png", ["-H", "Transfer-Encoding: chunked"]);
    let file = folder.path().join(name);
    fs::write(&file, page(10)).unwrap();
    let (made, status) = curl(&hub, &batch, &file, &[]);
    assert_eq!((status.as_str(), &made["state"]), ("201", &json!("received")));
    // curl says no media type.
    assert_eq!(
        (&made["name"], &made["media_type"]),
        (&json!(name), &json!("image/png"))
    );
    for more in [&[][..], &chunked] {
        assert_eq!(curl(&hub, &batch, &file, more), (made.clone(), "200".to_owned()));
    }
    fs::write(&file, page(20)).unwrap();
    let (taken, status) = curl(&hub, &batch, &file, &chunked);
    assert_eq!(
        (status.as_str(), &taken["code"], &taken["document"]),
        ("409", &json!("document_name_taken"), &made["id"])
    );
    let encoded = "%E5%90%88%E5%90%8C%20(1).png";
    assert_eq!(put(&client, &batch, encoded, 10).await.expect(200).json(), made);
    submit(&client, &batch).await.expect(200);
    let seen = completed(&client, &batch).await;
    assert_eq!(
        (&seen["documents"]["total"], &seen["jobs"]["answered"]),
        (&json!(1), &json!(2))
    );
    put(&client, &batch, encoded, 10)
        .await
        .refused(409, "batch_state");
}

#[tokio::test]
async fn a_document_that_is_put_is_asked_what_its_query_says_and_no_other_is_meant_by_its_name() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    let batch = open(&client, &["What is it?", "What is the total?"]).await;
    let made = put(&client, &batch, "a.png?questions=1", 10)
        .await
        .expect(201)
        .json();
    assert_eq!((&made["questions"], &made["place"]), (&json!([1]), &json!(0)));
    let again = put(&client, &batch, "a.png?questions=1,1", 10).await;
    assert_eq!(again.expect(200).json(), made);
    for questions in ["", "?questions=0", "?questions=0,1"] {
        put(&client, &batch, &format!("a.png{questions}"), 10)
            .await
            .refused(409, "document_name_taken");
    }
    for (query, code) in [("questions=2", "question_unknown"), ("name=b", "query_malformed")] {
        put(&client, &batch, &format!("b.png?{query}"), 10)
            .await
            .refused(400, code);
    }
    // What was uploaded otherwise may have a name twice, and is the same document too.
    for grey in [20, 30] {
        let fill =
            |request: reqwest::RequestBuilder| request.header("content-type", "image/png").body(page(grey));
        client
            .send("POST", &format!("{batch}/documents?name=b.png"), fill)
            .await
            .expect(201);
    }
    assert_eq!(
        put(&client, &batch, "b.png", 30).await.expect(200).json()["place"],
        2
    );
    put(&client, &batch, "b.png", 40)
        .await
        .refused(409, "document_name_taken");
    let other = hub.client("other", &["submitter"]);
    put(&other, &batch, "a.png", 10).await.refused(404, "not_found");
    assert_eq!(all(&client, &format!("{batch}/documents")).await.len(), 3);
}

#[tokio::test]
async fn many_at_once_make_one_document() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    let batch = open(&client, &["What is it?"]).await;
    let puts = (0..8).map(|_| put(&client, &batch, "a.png", 10));
    let mut made: Vec<u16> = futures_util::future::join_all(puts)
        .await
        .iter()
        .map(|answer| answer.status)
        .collect();
    made.sort_unstable();
    assert_eq!(made, [200, 200, 200, 200, 200, 200, 200, 201]);
    assert_eq!(all(&client, &format!("{batch}/documents")).await.len(), 1);
}

#[tokio::test]
async fn what_cannot_be_put_leaves_nothing() {
    let limit = page(0).len().max(page(1).len());
    let hub = hub_with_model(&[
        ("GLMHUB_WORK__MOST_DOCUMENT_BYTES", &limit.to_string()),
        ("GLMHUB_WORK__MOST_DOCUMENTS", "2"),
    ]);
    let client = hub.client("acme", &["submitter"]);
    let batch = open(&client, &["What is it?"]).await;
    let send = |name: &str, media_type: &'static str, bytes: Vec<u8>| {
        let (client, path) = (client.clone(), format!("{batch}/documents/{name}"));
        async move {
            let fill =
                |request: reqwest::RequestBuilder| request.header("content-type", media_type).body(bytes);
            client.send("PUT", &path, fill).await
        }
    };
    let long = "a".repeat(256);
    // The name in GBK, one of control characters, one that is too long.
    for name in ["%BA%CF%CD%AC.pdf", "a%0Ab.png", &long] {
        send(name, "image/png", page(0))
            .await
            .refused(400, "document_name_malformed");
    }
    send("a.png", "image/png", Vec::new())
        .await
        .refused(400, "empty_document");
    send("a.png", "image/png", vec![7; limit + 1])
        .await
        .refused(413, "document_too_large");
    for media_type in ["text/html", "application/json", "multipart/form-data"] {
        send("a.png", media_type, page(0))
            .await
            .refused(415, "content_type_wrong");
    }
    assert!(all(&client, &format!("{batch}/documents")).await.is_empty());
    send(&long[1..], "image/png", page(0)).await.expect(201);
    upload(&client, &batch, page(1), "image/png").await.expect(201);
    send("b.png", "image/png", page(0))
        .await
        .refused(409, "too_many_documents");
    // What is there already is there, however many there may be.
    send(&long[1..], "image/png", page(0)).await.expect(200);
}
