//! Files: kept for their tenant alone, listed in portions, and as many as the settings say.

use super::{BATCHES, FILES, form, opening, send_file, send_form, sent, until};
use crate::{
    client::{Answer, Client},
    hub::Hub,
    jobs::hub_with_model,
};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

fn ids(listed: &Answer) -> Vec<Value> {
    let listed = listed.json();
    let data = listed["data"].as_array().unwrap().iter();
    data.map(|one| one["id"].clone()).collect()
}

fn path(file: &Value) -> String {
    format!("{FILES}/{}", file["id"].as_str().unwrap())
}

/// All ids of a list, portion by portion.
async fn all(client: &Client, list: &str) -> Vec<Value> {
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let portion = client.get(&format!("{list}{after}")).await.expect(200);
        let read = portion.json();
        found.extend(ids(&portion));
        assert_eq!(read["last_id"], *found.last().unwrap());
        match read["has_more"].as_bool().unwrap() {
            true => after = format!("&after={}", read["last_id"].as_str().unwrap()),
            false => return found,
        }
    }
}

#[tokio::test]
async fn files_are_listed_read_and_taken_away_by_their_tenant_alone() {
    let hub = Hub::start();
    let (client, other) = (
        hub.client("acme", &["submitter"]),
        hub.client("other", &["submitter"]),
    );
    let first = send_file(&client, "one").await;
    let form = form("第二.jsonl", "two")
        .text("expires_after[anchor]", "created_at")
        .text("expires_after[seconds]", "3600");
    let second = send_form(&client, form).await.expect(200).json();
    assert_eq!(second["filename"], "第二.jsonl");
    let kept = second["expires_at"].as_i64().unwrap() - second["created_at"].as_i64().unwrap();
    assert_eq!(kept, 3600);
    let third = send_file(&client, "three").await;
    let mut sent = [&first, &second, &third].map(|file| file["id"].clone());
    assert_eq!(all(&client, &format!("{FILES}?order=asc&limit=2")).await, sent);
    sent.reverse();
    assert_eq!(all(&client, &format!("{FILES}?limit=1")).await, sent);
    assert!(ids(&other.get(FILES).await.expect(200)).is_empty());
    let path = path(&first);
    for path in [path.clone(), format!("{path}/content")] {
        other.get(&path).await.refused_as_openai(404, "not_found");
        client.get(&path).await.expect(200);
    }
    other.delete(&path).await.refused_as_openai(404, "not_found");
    client.delete(&path).await.expect(200);
    client.get(&path).await.refused_as_openai(404, "not_found");
    assert_eq!(all(&client, &format!("{FILES}?limit=100")).await, sent[..2]);
}

#[tokio::test]
async fn batches_are_listed_read_and_cancelled_by_their_tenant_alone() {
    let hub = Hub::start();
    let (client, other) = (
        hub.client("acme", &["submitter"]),
        hub.client("other", &["submitter"]),
    );
    let file = send_file(&client, "{").await;
    let mut made = Vec::new();
    for _ in 0..3 {
        let batch = client.post(BATCHES, &opening(&file)).await.expect(200).json();
        made.insert(0, batch["id"].clone());
    }
    assert_eq!(all(&client, &format!("{BATCHES}?limit=2")).await, made);
    assert!(ids(&other.get(BATCHES).await.expect(200)).is_empty());
    let path = format!("{BATCHES}/{}", made[0].as_str().unwrap());
    other.get(&path).await.refused_as_openai(404, "not_found");
    let cancel = format!("{path}/cancel");
    other
        .post(&cancel, &json!({}))
        .await
        .refused_as_openai(404, "not_found");
    // A file of somebody else's is none.
    other
        .post(BATCHES, &opening(&file))
        .await
        .refused_as_openai(404, "not_found");
}

#[tokio::test]
async fn a_file_has_as_many_bytes_and_a_tenant_as_many_files_and_batches_as_the_settings_say() {
    let hub = hub_with_model(&[
        ("GLMHUB_OPENAI__MOST_FILE_BYTES", "10000"),
        ("GLMHUB_OPENAI__MOST_FILES", "2"),
        ("GLMHUB_OPENAI__MOST_BATCHES", "1"),
    ]);
    let client = hub.client("acme", &["submitter"]);
    let form = form("large.jsonl", "x".repeat(10_001));
    let refused = send_form(&client, form).await;
    let refused = refused.refused_as_openai(413, "document_too_large");
    assert_eq!(refused["limit"], 10_000);
    let largest = send_file(&client, "x".repeat(10_000)).await;
    assert_eq!(largest["bytes"], 10_000);

    // Files of answers do not count, nor do those that were taken away.
    let mut slow = super::line("slow", 1);
    slow["body"]["max_completion_tokens"] = json!(300);
    let batch = sent(&client, &[slow]).await;
    let one_more = |name| send_form(&client, super::form(name, "x"));
    let refused = one_more("third.jsonl")
        .await
        .refused_as_openai(409, "too_many_files");
    assert_eq!(refused["limit"], 2);
    let refused = client.post(BATCHES, &opening(&largest)).await;
    assert_eq!(refused.refused_as_openai(409, "too_many_batches")["limit"], 1);
    until(&client, &batch, "completed").await;
    client.post(BATCHES, &opening(&largest)).await.expect(200);
    client.delete(&path(&largest)).await.expect(200);
    one_more("third.jsonl").await.expect(200);
}

#[tokio::test]
async fn what_is_no_file_and_no_batch_is_refused_with_the_field() {
    let hub = Hub::start();
    let client = hub.client("acme", &["submitter"]);
    for (name, value, code) in [
        ("purpose", "fine-tune", "purpose_unsupported"),
        ("other", "x", "part_unknown"),
        ("expires_after[seconds]", "3600", "part_missing"),
    ] {
        let part = Part::bytes(b"x".to_vec()).file_name("x");
        let form = Form::new().text(name, value).part("file", part);
        send_form(&client, form).await.refused_as_openai(400, code);
    }
    for seconds in ["3599", "2592001", "soon"] {
        let form = form("kept.jsonl", "x").text("expires_after[seconds]", seconds);
        send_form(&client, form)
            .await
            .refused_as_openai(400, "expiry_out_of_range");
    }
    let entries: Value = (0..17).map(|number| (number.to_string(), json!("x"))).collect();
    let file = send_file(&client, "{").await;
    for (name, value, code) in [
        ("endpoint", json!("/v1/embeddings"), "endpoint_unsupported"),
        ("completion_window", json!("soon"), "completion_window_unknown"),
        ("completion_window", json!("0h"), "completion_window_unknown"),
        ("completion_window", json!("9999d"), "completion_window_unknown"),
        ("metadata", json!({ "x": "y".repeat(513) }), "metadata_invalid"),
        ("metadata", json!({ "x".repeat(65): "y" }), "metadata_invalid"),
        ("metadata", entries, "metadata_invalid"),
        ("metadata", json!({ "purpose": "fun" }), "purpose_unknown"),
        (
            "output_expires_after",
            json!({ "anchor": "created_at", "seconds": 1 }),
            "expiry_out_of_range",
        ),
    ] {
        let mut bad = opening(&file);
        bad[name] = value;
        let error = client.post(BATCHES, &bad).await.refused_as_openai(400, code);
        assert!(error["param"].is_string(), "{error}");
    }
    let part = Part::bytes(b"x".to_vec()).file_name("x");
    let seen = Form::new().text("purpose", "vision").part("file", part);
    let seen = send_form(&client, seen).await.expect(200).json();
    client
        .post(BATCHES, &opening(&seen))
        .await
        .refused_as_openai(400, "file_not_for_batches");
}

#[tokio::test]
async fn what_a_client_sends_again_is_made_once() {
    let hub = Hub::start();
    let client = hub.client("acme", &["submitter"]);
    // Each attempt has another boundary between its parts, as clients make them.
    let file = async |header: &'static str, value: &'static str| {
        let form = form("again.jsonl", "{");
        let fill = |request: reqwest::RequestBuilder| request.header(header, value).multipart(form);
        client.send("POST", FILES, fill).await.expect(200).json()
    };
    let retried = "x-stainless-retry-count";
    let first = file(retried, "0").await;
    assert_eq!(file(retried, "1").await["id"], first["id"]);
    assert_eq!(file(retried, "2").await["id"], first["id"]);
    assert_ne!(
        file(retried, "0").await["id"],
        first["id"],
        "sent anew on purpose"
    );
    let keyed = file("idempotency-key", "one").await;
    assert_eq!(file("idempotency-key", "one").await, keyed);
    let opening = opening(&first);
    let batch = async |header: &'static str, value: &'static str| {
        let fill = |request: reqwest::RequestBuilder| request.header(header, value).json(&opening);
        client.send("POST", BATCHES, fill).await.expect(200).json()
    };
    let first = batch(retried, "0").await;
    assert_eq!(batch(retried, "1").await["id"], first["id"]);
    let keyed = batch("idempotency-key", "two").await;
    assert_eq!(batch("idempotency-key", "two").await["id"], keyed["id"]);
    assert_eq!(all(&client, &format!("{FILES}?limit=100")).await.len(), 3);
    assert_eq!(all(&client, &format!("{BATCHES}?limit=100")).await.len(), 2);
}
