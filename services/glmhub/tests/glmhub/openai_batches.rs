//! Files and batches as OpenAI's clients know them: every state, and a line for every request.

mod asking;
mod checking;
mod deletion;
mod ending;
mod files;

use crate::{
    client::{Answer, Client},
    hub::eventually,
    jobs::{MODEL, hub_with_model, page},
    streaming::asked,
};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

const FILES: &str = "/openai/v1/files";
const BATCHES: &str = "/openai/v1/batches";

/// The parts of a file for batches.
fn form(name: &str, content: impl Into<Vec<u8>>) -> Form {
    let part = Part::bytes(content.into()).file_name(name.to_owned());
    Form::new().text("purpose", "batch").part("file", part)
}

async fn send_form(client: &Client, form: Form) -> Answer {
    client
        .send("POST", FILES, |request| request.multipart(form))
        .await
}

/// Sends a file for batches.
pub async fn send_file(client: &Client, content: impl Into<Vec<u8>>) -> Value {
    send_form(client, form("requests.jsonl", content))
        .await
        .expect(200)
        .json()
}

/// The line of a request about a page in that grey.
pub fn line(custom_id: &str, grey: u8) -> Value {
    let mut body = asked(MODEL, "research", "What is the total?", &page(grey), 2);
    body["stream"] = json!(false);
    json!({ "custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body })
}

pub fn lines(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// What opens a batch over a file.
fn opening(file: &Value) -> Value {
    json!({
        "input_file_id": file["id"], "endpoint": "/v1/chat/completions", "completion_window": "24h",
        "metadata": { "night": "7" },
    })
}

/// Opens a batch over a file.
pub async fn begin(client: &Client, file: &Value) -> Value {
    client.post(BATCHES, &opening(file)).await.expect(200).json()
}

/// A batch over a file of these requests.
async fn sent(client: &Client, requests: &[Value]) -> Value {
    begin(client, &send_file(client, lines(requests)).await).await
}

fn at(batch: &Value) -> String {
    format!("{BATCHES}/{}", batch["id"].as_str().unwrap())
}

/// The batch when it has that status.
pub async fn until(client: &Client, batch: &Value, status: &str) -> Value {
    let look = || async {
        let seen = client.get(&at(batch)).await.expect(200).json();
        Some(seen).filter(|seen| seen["status"] == status)
    };
    eventually(status, look).await
}

/// Waits until so many requests of a batch have an answer.
async fn answered(client: &Client, batch: &Value, count: u64) {
    let look = || async {
        let seen = client.get(&at(batch)).await.expect(200).json();
        (seen["request_counts"]["completed"].as_u64() >= Some(count)).then_some(())
    };
    eventually("answers", look).await;
}

/// What the rows of a file are called.
fn names(rows: &[Value]) -> Vec<&str> {
    rows.iter()
        .map(|row| row["custom_id"].as_str().unwrap())
        .collect()
}

/// The rows of a file of a batch.
async fn content(client: &Client, file: &Value) -> Vec<Value> {
    let path = format!("{FILES}/{}/content", file.as_str().unwrap());
    let text = client.get(&path).await.expect(200).text();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn requests_are_answered_in_the_order_of_their_file_and_refusals_are_told_apart() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    let mut cold = line("cold", 3);
    cold["body"]["temperature"] = json!(99);
    let mut torn = line("torn", 4);
    torn["body"]["messages"][0]["content"][1]["image_url"]["url"] = json!("data:image/png;base64,AQID");
    let sent = lines(&[line("z", 1), cold, line("a", 2), torn]) + "\n \n" + &line("last", 5).to_string();
    let file = send_file(&client, sent).await;
    let batch = begin(&client, &file).await;
    assert_eq!(batch["status"], "validating");
    let done = until(&client, &batch, "completed").await;
    assert_eq!(
        done["request_counts"],
        json!({ "total": 5, "completed": 3, "failed": 2 })
    );
    assert_eq!((&done["model"], &done["errors"]), (&json!(MODEL), &Value::Null));
    assert_eq!(done["metadata"], json!({ "night": "7" }));
    let moments = ["created_at", "in_progress_at", "finalizing_at", "completed_at"];
    let moments = moments.map(|moment| done[moment].as_i64().unwrap());
    assert!(moments.is_sorted(), "{moments:?}");
    assert_eq!(done["expires_at"].as_i64().unwrap() - moments[0], 24 * 3600);
    let output = content(&client, &done["output_file_id"]).await;
    assert_eq!(names(&output), ["z", "a", "last"]);
    for row in &output {
        assert_eq!(
            (&row["response"]["status_code"], &row["error"]),
            (&json!(200), &Value::Null)
        );
        let body = &row["response"]["body"];
        assert_eq!(body["object"], "chat.completion");
        let job = client
            .get(&format!("/v1/jobs/{}", body["job"].as_str().unwrap()))
            .await;
        assert_eq!(
            job.expect(200).json()["answer"]["text"],
            body["choices"][0]["message"]["content"]
        );
    }
    let errors = content(&client, &done["error_file_id"]).await;
    assert_eq!(names(&errors), ["cold", "torn"]);
    let refused = |row: &Value| {
        (
            row["response"]["status_code"].clone(),
            row["response"]["body"]["error"]["code"].clone(),
        )
    };
    assert_eq!(refused(&errors[0]), (json!(400), json!("question_invalid")));
    assert_eq!(refused(&errors[1]), (json!(422), json!("unsupported_format")));
    let listed = client
        .get(&format!("{FILES}?purpose=batch_output"))
        .await
        .expect(200)
        .json();
    assert_eq!(listed["data"].as_array().unwrap().len(), 2);
    let over = client.post(&format!("{}/cancel", at(&batch)), &json!({})).await;
    over.refused_as_openai(409, "batch_state");
}
