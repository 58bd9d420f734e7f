//! Input that is wrong: a stable code, a hub that lives on, and nothing half-written.

use crate::{
    client::Client,
    hub::{Hub, eventually},
    jobs::{MODEL, call, completed, hub_with_model, new_batch, open, page, submit, upload},
};
use futures_util::stream;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use std::{fs, io::Write as _, net::TcpStream, path::Path};

fn files_below(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| if path.is_dir() { files_below(&path) } else { 1 })
        .sum()
}

fn blobs(hub: &Hub) -> usize {
    files_below(&hub.data().join("blobs"))
}

#[tokio::test]
async fn a_batch_out_of_its_limits_is_refused_by_field_and_at_the_limit_it_is_not() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    let refused = |body: Value, field: &'static str| {
        let client = client.clone();
        async move {
            let problem = client.post("/v1/batches", &body).await.expect(400).json();
            assert_eq!(problem["field"], field, "{problem}");
        }
    };
    let long = "字".repeat(8_000);
    client
        .post("/v1/batches", &new_batch(&vec![long.as_str(); 64]))
        .await
        .expect(201);
    refused(new_batch(&[]), "questions").await;
    refused(new_batch(&["a"; 65]), "questions").await;
    refused(new_batch(&["a", &format!("{long}字")]), "questions[1].text").await;
    refused(new_batch(&[" "]), "questions[0].text").await;
    let mut hot = new_batch(&["a"]);
    hot["questions"][0]["parameters"]["temperature"] = json!(5.5);
    refused(hot, "questions[0].parameters.temperature").await;
    let mut talkative = new_batch(&["a"]);
    talkative["metadata"] = json!({ "key": "v".repeat(512) });
    client.post("/v1/batches", &talkative).await.expect(201);
    talkative["metadata"] = json!({ "key": "v".repeat(513) });
    refused(talkative, "metadata").await;
}

#[tokio::test]
async fn bodies_that_are_not_what_they_should_be_are_refused_with_stable_codes() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    let raw = |media_type: &'static str, body: &'static str| {
        move |request: reqwest::RequestBuilder| request.header("content-type", media_type).body(body)
    };
    client
        .send("POST", "/v1/batches", raw("application/json", "{\"model\":"))
        .await
        .refused(400, "json_malformed");
    client
        .send("POST", "/v1/batches", raw("text/plain", "{}"))
        .await
        .refused(415, "content_type_wrong");
    let mut unknown = new_batch(&["a"]);
    unknown["colour"] = json!("red");
    client
        .post("/v1/batches", &unknown)
        .await
        .refused(400, "json_malformed");
    let mut foreign = new_batch(&["a"]);
    foreign["model"] = json!("nobody/nothing");
    client
        .post("/v1/batches", &foreign)
        .await
        .refused(404, "model_unknown");
    client
        .get("/v1/batches?limit=0")
        .await
        .refused(400, "limit_out_of_range");
    client
        .get("/v1/batches?limit=101")
        .await
        .refused(400, "limit_out_of_range");
    client.get("/v1/batches?limit=100").await.expect(200);
    client
        .get("/v1/jobs?state=lost")
        .await
        .refused(400, "query_malformed");
    client
        .get("/v1/jobs/job_nonsense")
        .await
        .refused(404, "not_found");
}

#[tokio::test]
async fn a_method_that_a_path_does_not_have_is_told_from_a_path_that_is_not_there() {
    let hub = Hub::start();
    let client = hub.client("acme", &["submitter"]);
    for (path, status, code) in [
        ("/v1/batches", 405, "method_not_allowed"),
        ("/v1/bunches", 404, "not_found"),
    ] {
        let answer = client.send_unjudged("PUT", path, |request| request).await;
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (status, &json!(code)),
            "{path}"
        );
    }
}

#[tokio::test]
async fn documents_that_are_not_taken_leave_nothing() {
    let limit = page(0).len();
    let hub = hub_with_model(&[
        ("GLMHUB_WORK__MOST_DOCUMENT_BYTES", &limit.to_string()),
        ("GLMHUB_WORK__MOST_DOCUMENTS", "2"),
    ]);
    let client = hub.client("acme", &["submitter"]);
    let batch = open(&client, &["What is it?"]).await;
    let before = blobs(&hub);
    let larger = vec![7; limit + 1];
    upload(&client, &batch, vec![], "image/png")
        .await
        .refused(400, "empty_document");
    upload(&client, &batch, page(0), "text/html")
        .await
        .refused(415, "content_type_wrong");
    upload(&client, &batch, larger.clone(), "image/png")
        .await
        .refused(413, "document_too_large");
    let path = format!("{batch}/documents");
    let pieces: Vec<Result<Vec<u8>, std::io::Error>> =
        larger.chunks(50).map(|piece| Ok(piece.to_vec())).collect();
    let body = reqwest::Body::wrap_stream(stream::iter(pieces));
    let chunked = |request: reqwest::RequestBuilder| request.header("content-type", "image/png").body(body);
    client
        .send("POST", &path, chunked)
        .await
        .refused(413, "document_too_large");
    let form = |name: &'static str, bytes: Vec<u8>| {
        let part = Part::bytes(bytes)
            .file_name("a.png")
            .mime_str("image/png")
            .unwrap();
        move |request: reqwest::RequestBuilder| request.multipart(Form::new().part(name, part))
    };
    client
        .send("POST", &path, form("document", larger))
        .await
        .refused(413, "document_too_large");
    client
        .send("POST", &path, form("picture", page(0)))
        .await
        .refused(400, "part_unknown");
    client
        .send("POST", &path, form("document", vec![]))
        .await
        .refused(400, "empty_document");
    assert_eq!(blobs(&hub), before);
    upload(&client, &batch, page(0), "image/png").await.expect(201);
    upload(&client, &batch, page(0), "image/png").await.expect(201);
    upload(&client, &batch, page(0), "image/png")
        .await
        .refused(409, "too_many_documents");
    assert_eq!(
        client.get(&path).await.json()["data"].as_array().unwrap().len(),
        2
    );
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    let batch = open(&client, &["What is it?"]).await;
    let before = blobs(&hub);
    let token = hub.token("acme", &["submitter"]);
    let address = hub.url().strip_prefix("http://").unwrap();
    let mut connection = TcpStream::connect(address).unwrap();
    write!(
        connection,
        "POST {batch}/documents HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
         content-type: image/png\r\ncontent-length: 1000000\r\n\r\n"
    )
    .unwrap();
    // More than a hub holds in memory: it has begun to store it before it breaks off.
    connection.write_all(&[1; 400_000]).unwrap();
    eventually("the upload to begin", || async {
        (blobs(&hub) > before).then_some(())
    })
    .await;
    drop(connection);
    eventually("the upload to be cleared away", || async {
        (blobs(&hub) == before).then_some(())
    })
    .await;
    assert_eq!(
        client.get(&format!("{batch}/documents")).await.json()["data"],
        json!([])
    );
}

#[tokio::test]
async fn bad_documents_fail_alone_and_the_batch_goes_on() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    let batch = open(&client, &["What is it?"]).await;
    let whole = page(3);
    let bomb = bomb();
    for bytes in [
        &whole[..whole.len() / 2],
        b"GIF89a, said the letter",
        b"no image at all",
        &bomb,
        &whole,
    ] {
        upload(&client, &batch, bytes.to_vec(), "image/png")
            .await
            .expect(201);
    }
    submit(&client, &batch).await.expect(200);
    let seen = completed(&client, &batch).await;
    assert_eq!(
        (&seen["documents"]["failed"], &seen["jobs"]["answered"]),
        (&json!(4), &json!(1))
    );
    let listed = client.get(&format!("{batch}/documents")).await.json();
    let codes: Vec<&str> = listed["data"].as_array().unwrap()[..4]
        .iter()
        .map(|document| document["fault"]["code"].as_str().unwrap())
        .collect();
    assert_eq!(
        (codes[0], codes[2], codes[3]),
        ("image_truncated", "unsupported_format", "image_too_large")
    );
}

#[tokio::test]
async fn a_batch_whose_every_document_failed_completes_without_jobs() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    let batch = open(&client, &["What is it?"]).await;
    upload(&client, &batch, b"no image".to_vec(), "image/png")
        .await
        .expect(201);
    submit(&client, &batch).await.expect(200);
    let seen = completed(&client, &batch).await;
    assert_eq!(
        (&seen["documents"]["failed"], &seen["jobs"]["total"]),
        (&json!(1), &json!(0))
    );
}

#[tokio::test]
async fn a_question_longer_than_the_context_fails_with_its_code_and_can_be_requeued() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    let long = "What is the total of all? ".repeat(300);
    let batch = open(&client, &[&long, "What is it?"]).await;
    upload(&client, &batch, page(3), "image/png").await.expect(201);
    submit(&client, &batch).await.expect(200);
    let seen = completed(&client, &batch).await;
    assert_eq!(
        (&seen["jobs"]["failed"], &seen["jobs"]["answered"]),
        (&json!(1), &json!(1))
    );
    let failed = client.get("/v1/jobs?state=failed").await.expect(200).json();
    assert_eq!(failed["data"][0]["fault"]["code"], "question_too_long");
    assert_eq!(
        client.get("/v1/jobs?state=dead").await.expect(200).json()["data"],
        json!([])
    );
    let job = format!("/v1/jobs/{}", failed["data"][0]["id"].as_str().unwrap());
    let again = client
        .send("POST", &format!("{job}/requeue"), |request| request)
        .await
        .expect(200)
        .json();
    assert_eq!(again["attempts_failed"], 0);
    let look = || async { Some(client.get(&job).await.json()).filter(|job| job["state"] == "failed") };
    let faults = eventually("the job to fail again", look).await["faults"].clone();
    assert_eq!(
        (&faults[0]["attempt"], &faults[1]["attempt"]),
        (&json!(1), &json!(2))
    );
    client
        .send("POST", &format!("{job}/cancel"), |request| request)
        .await
        .refused(409, "job_state");
}

#[tokio::test]
async fn a_purpose_that_the_license_does_not_allow_leaves_nothing() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    let before = blobs(&hub);
    let mut new = new_batch(&["What is it?"]);
    new["purpose"] = json!("commercial");
    let problem = client
        .post("/v1/batches", &new)
        .await
        .refused(403, "license_not_accepted");
    assert!(problem["decision_id"].as_str().unwrap().starts_with("dec_"));
    let image = Part::bytes(page(3))
        .file_name("a.png")
        .mime_str("image/png")
        .unwrap();
    let form = Form::new()
        .text("model", MODEL)
        .text("purpose", "commercial")
        .text("question", "What?");
    ask(&client, form.part("image", image))
        .await
        .refused(403, "license_not_accepted");
    assert_eq!(client.get("/v1/batches").await.json()["data"], json!([]));
    assert_eq!(blobs(&hub), before);
}

#[tokio::test]
async fn one_call_names_what_is_wrong_with_it() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    let whole = page(3);
    ask(&client, call(whole[..whole.len() / 2].to_vec()))
        .await
        .refused(422, "image_truncated");
    ask(&client, call(vec![])).await.refused(400, "empty_document");
    ask(&client, call(whole.clone()).text("question", "Again?"))
        .await
        .refused(400, "part_repeated");
    ask(&client, call(whole.clone()).text("colour", "red"))
        .await
        .refused(400, "part_unknown");
    ask(&client, Form::new().text("model", MODEL))
        .await
        .refused(400, "part_missing");
    ask(&client, Form::new().text("purpose", "fun"))
        .await
        .refused(400, "part_invalid");
    let plain = |request: reqwest::RequestBuilder| request.header("content-type", "image/png").body(whole);
    client
        .send("POST", "/v1/jobs", plain)
        .await
        .refused(415, "content_type_wrong");
    assert_eq!(client.get("/v1/batches").await.json()["data"], json!([]));
}

async fn ask(client: &Client, form: Form) -> crate::client::Answer {
    client
        .send("POST", "/v1/jobs", |request| request.multipart(form))
        .await
}

/// A PNG of a few bytes whose header claims 60,000 by 60,000 pixels.
fn bomb() -> Vec<u8> {
    let mut bytes = page(0);
    let side = 60_000u32.to_be_bytes();
    bytes[16..20].copy_from_slice(&side);
    bytes[20..24].copy_from_slice(&side);
    let sum = crc(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&sum.to_be_bytes());
    bytes
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| {
            if sum & 1 == 1 {
                sum >> 1 ^ 0xEDB8_8320
            } else {
                sum >> 1
            }
        })
    })
}
