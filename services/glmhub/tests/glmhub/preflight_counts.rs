//! What a preflight counts is what the batch then makes: of documents that are asked some questions, and of answers that are
//! combined.

use crate::{
    client::Client,
    combining::{CONTEXT, about_document, document},
    jobs::{completed, hub_with_model, new_batch, page, submit},
    preflight::PREFLIGHT,
    tally::all,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

/// A batch that asks one question about pages and one about documents, and documents of so many pages with the places of
/// the questions that each is asked.
fn asking_some(of: &[(u8, Option<&[u32]>)]) -> (Value, Vec<(Vec<u8>, Value)>) {
    let mut batch = new_batch(&["What is it?"]);
    batch["questions"]
        .as_array_mut()
        .unwrap()
        .push(about_document("Who?"));
    let documents = of.iter().map(|(pages, asked)| (document(*pages), json!(asked)));
    (batch, documents.collect())
}

/// What a preflight tells of the documents, and the rows of the batch that is then made of them.
async fn before_and_after(
    client: &Client,
    batch: &Value,
    documents: &[(Vec<u8>, Value)],
) -> (Value, Value, Vec<Value>) {
    let mut asked = batch.clone();
    let inline = |(bytes, questions): &(Vec<u8>, Value)| json!({ "content": BASE64_STANDARD.encode(bytes), "media_type": "application/zip", "questions": questions });
    asked["documents"] = documents.iter().map(inline).collect();
    let before = client.post(PREFLIGHT, &asked).await.expect(200).json();
    let opened = client.post("/v1/batches", batch).await.expect(201);
    let place = opened.header("location").unwrap().to_owned();
    for (bytes, questions) in documents {
        let places: Vec<String> = questions
            .as_array()
            .into_iter()
            .flatten()
            .map(Value::to_string)
            .collect();
        let query = match places.is_empty() {
            true => String::new(),
            false => format!("?questions={}", places.join(",")),
        };
        let fill = |request: reqwest::RequestBuilder| {
            request
                .header("content-type", "application/zip")
                .body(bytes.clone())
        };
        let path = format!("{place}/documents{query}");
        client.send("POST", &path, fill).await.expect(201);
    }
    submit(client, &place).await.expect(200);
    let after = completed(client, &place).await;
    let rows = all(client, &format!("{place}/answers")).await;
    (before, after, rows)
}

/// Tokens that were read by jobs about pages, and by those that combine.
fn read_tokens(rows: &[Value]) -> (u64, u64) {
    let sum = |of_pages: bool| {
        rows.iter()
            .filter(|row| (row["scope"] == "page") == of_pages)
            .map(|row| row["answer"]["input_tokens"].as_u64().unwrap())
            .sum()
    };
    (sum(true), sum(false))
}

#[tokio::test]
async fn what_each_document_is_asked_and_what_combines_its_pages_is_counted_as_it_then_happens() {
    let hub = hub_with_model(&[CONTEXT]);
    let client = hub.client("acme", &["submitter"]);
    let (batch, documents) = asking_some(&[(3, None), (4, Some(&[1])), (2, Some(&[0])), (1, Some(&[0, 1]))]);
    let (before, after, rows) = before_and_after(&client, &batch, &documents).await;
    // 3 x 2 + 4 + 2 + 1 x 2 about pages, and three about documents.
    assert_eq!((&before["pages"], &before["jobs"]), (&json!(10), &json!(17)));
    assert_eq!(
        (&after["pages"], &after["jobs"]["total"]),
        (&before["pages"], &before["jobs"])
    );
    assert_eq!(after["jobs"]["answered"], before["jobs"], "{after}");
    assert_eq!(before["documents"][1]["questions"], json!([1]));
    let combining = &before["combining"];
    assert_eq!(
        (&combining["jobs"], &combining["is_exact"]),
        (&json!(3), &json!(true))
    );
    let (of_pages, combined) = read_tokens(&rows);
    let most_input = combining["most_input"].as_u64().unwrap();
    assert_eq!(before["tokens"]["input"], of_pages + most_input);
    assert!(
        combined <= most_input && combined * 4 > most_input,
        "{combined} {most_input}"
    );
    assert_eq!(before["tokens"]["most_output"], 17 * 4);
    assert_eq!(before["tokens"]["is_exact"], false);
}

#[tokio::test]
async fn the_rounds_of_a_long_document_are_counted_too() {
    let hub = hub_with_model(&[CONTEXT]);
    let client = hub.client("acme", &["submitter"]);
    let (batch, documents) = asking_some(&[(24, Some(&[1]))]);
    let (before, after, rows) = before_and_after(&client, &batch, &documents).await;
    assert!(before["combining"]["jobs"].as_u64() > Some(2), "{before}");
    assert_eq!(before["combining"]["is_exact"], false);
    assert_eq!(after["jobs"]["total"], before["jobs"], "{rows:?}");
    let (_, combined) = read_tokens(&rows);
    assert!(
        before["combining"]["most_input"].as_u64() >= Some(combined),
        "{before}"
    );
}

#[tokio::test]
async fn a_preflight_refuses_questions_that_the_batch_does_not_have() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    let ask = |query: &'static str, questions: Value| {
        let mut batch = new_batch(&["What is it?", "What is the total?"]);
        batch["documents"] = json!([{ "content": BASE64_STANDARD.encode(page(1)), "media_type": "image/png", "questions": questions }]);
        let client = client.clone();
        async move { client.post(&format!("{PREFLIGHT}{query}"), &batch).await }
    };
    for (query, questions) in [
        ("?questions=2", Value::Null),
        ("?questions=", Value::Null),
        ("", json!([0, 2])),
        ("", json!([])),
    ] {
        ask(query, questions).await.refused(400, "question_unknown");
    }
    // What a document says for itself goes before what is said of all.
    let told = ask("?questions=0,1", json!([1, 1])).await.expect(200).json();
    assert_eq!(
        (&told["documents"][0]["questions"], &told["jobs"]),
        (&json!([1]), &json!(1))
    );
    let told = ask("?questions=0", Value::Null).await.expect(200).json();
    assert_eq!(
        (&told["documents"][0]["questions"], &told["jobs"]),
        (&json!([0]), &json!(1))
    );
}
