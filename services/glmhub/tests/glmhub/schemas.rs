//! Answers that keep to a JSON schema, whatever the model would say.

use crate::{
    client::Client,
    hub::Hub,
    jobs::{MODEL, completed, hub_with_model, page, submit, upload},
    streaming::{CHAT, READER, asked, asked_reader, contents, frames},
    tree,
};
use serde_json::{Value, json};

fn invoice() -> Value {
    json!({
        "type": "object",
        "properties": { "paid": { "type": "boolean" }, "currency": { "enum": ["EUR", "CNY"] } },
        "required": ["paid", "currency"],
        "additionalProperties": false,
    })
}

/// Whether a text is an object of [`invoice`].
fn is_invoice(text: &str) -> bool {
    let read: Option<Value> = serde_json::from_str(text).ok();
    read.is_some_and(|read| {
        read.as_object().is_some_and(|members| members.len() == 2)
            && read["paid"].is_boolean()
            && (read["currency"] == "EUR" || read["currency"] == "CNY")
    })
}

fn format(schema: &Value) -> Value {
    json!({ "type": "json_schema", "json_schema": { "name": "invoice", "strict": true, "schema": schema } })
}

async fn content(client: &Client, body: &Value) -> (String, Value) {
    let whole = client.post(CHAT, body).await.expect(200).json();
    let choice = &whole["choices"][0];
    (
        choice["message"]["content"].as_str().unwrap().to_owned(),
        choice["finish_reason"].clone(),
    )
}

#[tokio::test]
async fn a_model_that_would_say_anything_says_what_the_schema_allows() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    let mut body = asked(MODEL, "research", "What is the total?", &page(7), 64);
    body["stream"] = json!(false);
    body["response_format"] = format(&invoice());
    for (temperature, seed) in [(0.0, 0), (1.5, 1), (1.5, 2)] {
        body["temperature"] = json!(temperature);
        body["seed"] = json!(seed);
        let (text, finish) = content(&client, &body).await;
        assert!(is_invoice(&text), "{text}");
        assert_eq!(finish, "stop");
    }
    body["stream"] = json!(true);
    let (frames, done) = frames(&client.post(CHAT, &body).await.expect(200).text());
    assert!(done && is_invoice(&contents(&frames).concat()), "{frames:?}");
    // What is cut off keeps to nothing and says so.
    body["stream"] = json!(false);
    body["max_completion_tokens"] = json!(3);
    let (text, finish) = content(&client, &body).await;
    assert!(!is_invoice(&text), "{text}");
    assert_eq!(finish, "length");
    body["response_format"] = json!({ "type": "json_object" });
    let (text, _) = content(&client, &body).await;
    assert!(text.starts_with('{'), "{text}");
}

#[tokio::test]
async fn a_model_that_knows_the_answer_gives_it_in_the_schemas_form() {
    let hub = Hub::start();
    hub.import(READER, &tree::root().join("models/demo/reader"));
    let client = hub.client("acme", &["submitter"]);
    let (mut body, printed) = asked_reader();
    body["stream"] = json!(false);
    body["response_format"] = format(&json!({ "enum": ["2024-01-01", printed, "unknown"] }));
    let (text, _) = content(&client, &body).await;
    assert_eq!(text, format!("\"{printed}\""));
}

#[tokio::test]
async fn every_question_of_a_batch_may_have_a_schema_of_its_own() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    let question =
        |schema: Value| json!({ "text": "What?", "parameters": { "max_new_tokens": 64, "schema": schema } });
    let body = json!({
        "model": MODEL, "purpose": "research",
        "questions": [question(invoice()), question(json!({ "enum": ["A", "B"] }))],
    });
    let opened = client.post("/v1/batches", &body).await.expect(201);
    assert_eq!(opened.json()["questions"][0]["parameters"]["schema"], invoice());
    let batch = opened.header("location").unwrap().to_owned();
    upload(&client, &batch, page(5), "image/png").await.expect(201);
    submit(&client, &batch).await.expect(200);
    completed(&client, &batch).await;
    let rows = client.get(&format!("{batch}/answers")).await.expect(200).json();
    let text = |row: usize| rows["data"][row]["answer"]["text"].as_str().unwrap();
    assert!(is_invoice(text(0)), "{rows}");
    assert!(["\"A\"", "\"B\""].contains(&text(1)), "{rows}");
}

#[tokio::test]
async fn a_schema_that_cannot_be_followed_is_refused_at_the_door_with_the_reason() {
    let hub = hub_with_model(&[("GLMHUB_WORK__MOST_SCHEMA_BYTES", "200")]);
    let client = hub.client("acme", &["submitter"]);
    let long = json!({ "description": "x".repeat(200) });
    for (schema, reason) in [
        (json!({ "type": "nothing" }), "cannot be followed"),
        (
            json!({ "$ref": "http://127.0.0.1/schema" }),
            "http://127.0.0.1/schema",
        ),
        (
            json!({ "pattern": "((a{1,999}){1,999}){1,999}", "type": "string" }),
            "cannot be followed",
        ),
        (long, "may have 200"),
    ] {
        let good = json!({ "text": "What?" });
        let bad = json!({ "text": "What?", "parameters": { "schema": schema } });
        let body = json!({ "model": MODEL, "purpose": "research", "questions": [good, bad] });
        let problem = client
            .post("/v1/batches", &body)
            .await
            .refused(400, "schema_unusable");
        assert_eq!(problem["field"], "questions[1].parameters.schema");
        assert!(problem["detail"].as_str().unwrap().contains(reason), "{problem}");
    }
    assert_eq!(client.get("/v1/batches").await.json()["data"], json!([]));
}
