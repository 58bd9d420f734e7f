//! Files that are none of requests: what is wrong with them, by line.

use super::{begin, content, line, send_file, sent, until};
use crate::{
    hub::Hub,
    jobs::{MODEL, hub_with_model},
};
use serde_json::{Value, json};

/// The lines and codes of what is wrong with a batch's file.
fn faults(failed: &Value) -> Vec<(Option<u64>, &str)> {
    let faults = failed["errors"]["data"].as_array().unwrap().iter();
    faults
        .map(|fault| (fault["line"].as_u64(), fault["code"].as_str().unwrap()))
        .collect()
}

#[tokio::test]
async fn a_file_whose_lines_are_no_requests_fails_its_batch_and_tells_them_by_number() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    let with = |name: &str, value: Value| {
        let mut line = line("other", 1);
        line[name] = value;
        line.to_string()
    };
    let mut foreign = line("foreign", 1);
    foreign["body"]["model"] = json!("nobody/nothing");
    let sent = [
        line("one", 1).to_string(),
        "{ this is no JSON".to_owned(),
        String::new(),
        line("one", 2).to_string(),
        with("custom_id", json!("")),
        with("method", json!("GET")),
        with("url", json!("/v1/embeddings")),
        with("body", json!({})),
        foreign.to_string(),
        "\u{0}\u{1}".to_owned(),
    ];
    let batch = begin(&client, &send_file(&client, sent.join("\n")).await).await;
    let failed = until(&client, &batch, "failed").await;
    let expected = [
        (2, "invalid_json_line"),
        (4, "duplicate_custom_id"),
        (5, "missing_custom_id"),
        (6, "invalid_method"),
        (7, "url_mismatch"),
        (8, "missing_model"),
        (9, "model_mismatch"),
        (10, "invalid_json_line"),
    ];
    assert_eq!(faults(&failed), expected.map(|(line, code)| (Some(line), code)));
    assert_eq!(
        (&failed["output_file_id"], &failed["error_file_id"]),
        (&Value::Null, &Value::Null)
    );
    let batch = begin(&client, &send_file(&client, " \n\n").await).await;
    let failed = until(&client, &batch, "failed").await;
    assert_eq!(faults(&failed), [(None, "empty_file")]);
    assert_eq!(
        client.get("/v1/batches").await.json()["data"],
        json!([]),
        "nothing was asked"
    );
}

#[tokio::test]
async fn a_file_has_as_many_requests_and_a_line_as_many_bytes_as_the_settings_say() {
    let longest = line("request-1", 1).to_string().len();
    let hub = hub_with_model(&[
        ("GLMHUB_OPENAI__MOST_BATCH_REQUESTS", "3"),
        ("GLMHUB_OPENAI__MOST_BATCH_FAULTS", "2"),
        ("GLMHUB_OPENAI__MOST_BODY_BYTES", &longest.to_string()),
    ]);
    let client = hub.client("acme", &["submitter"]);
    let request = |number: usize| line(&format!("request-{number}"), 1);
    let fits: Vec<Value> = (1..=3).map(request).collect();
    let done = until(&client, &sent(&client, &fits).await, "completed").await;
    assert_eq!(content(&client, &done["output_file_id"]).await.len(), 3);

    let one_more: Vec<Value> = (1..=4).map(request).collect();
    let failed = until(&client, &sent(&client, &one_more).await, "failed").await;
    assert_eq!(faults(&failed), [(None, "too_many_tasks")]);
    assert_eq!(failed["request_counts"]["total"], 3);

    let one_byte_more = [request(1), line("request-10", 1)];
    let failed = until(&client, &sent(&client, &one_byte_more).await, "failed").await;
    assert_eq!(faults(&failed), [(Some(2), "line_too_long")]);

    let batch = begin(&client, &send_file(&client, "1\n2\n3\n").await).await;
    let failed = until(&client, &batch, "failed").await;
    let told = [(Some(1), "invalid_json_line"), (Some(2), "invalid_json_line")];
    assert_eq!(faults(&failed), told, "no more than two are told");
}

/// How much memory a hub may take beyond what it took before, while it reads a file of more than twice that. Pieces
/// that wait for their turn and what the allocator keeps come to 30 to 50 MiB, and to more beside other work.
const MOST_MEMORY: u64 = 96 << 20;

#[tokio::test]
async fn a_hundred_thousand_lines_are_checked_in_a_stream() {
    let hub = Hub::start();
    let client = hub.client("acme", &["submitter"]);
    let content = "x".repeat(2_000);
    let mut file = Vec::new();
    for number in 1..=100_000 {
        let body = json!({ "model": MODEL, "messages": [{ "role": "user", "content": content }] });
        let id = format!("request-{number}");
        let line = json!({ "custom_id": id, "method": "POST", "url": "/v1/chat/completions", "body": body });
        match number {
            77_777 | 100_000 => file.extend_from_slice(b"{ this is no request\n"),
            _ => file.extend_from_slice(format!("{line}\n").as_bytes()),
        }
    }
    assert!(file.len() as u64 > 2 * MOST_MEMORY);
    // What is read once is there for good.
    begin(&client, &send_file(&client, "\n").await).await;
    let before = hub.most_memory();
    let batch = begin(&client, &send_file(&client, file).await).await;
    let failed = until(&client, &batch, "failed").await;
    let bad = [
        (Some(77_777), "invalid_json_line"),
        (Some(100_000), "invalid_json_line"),
    ];
    assert_eq!(faults(&failed), bad);
    assert_eq!(failed["request_counts"]["total"], 100_000);
    let taken = hub.most_memory() - before;
    assert!(taken < MOST_MEMORY, "{taken} bytes");
}
