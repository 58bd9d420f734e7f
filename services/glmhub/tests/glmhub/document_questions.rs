//! Documents that are asked some of their batch's questions.

use crate::{
    client::{Answer, Client},
    jobs::{completed, hub_with_model, open, page, submit},
};
use serde_json::{Value, json};

/// Uploads a page that is asked the questions at `places`; all of them without.
async fn upload(client: &Client, batch: &str, grey: u8, places: Option<&str>) -> Answer {
    let query = places.map_or_else(String::new, |places| format!("?questions={places}"));
    let fill =
        |request: reqwest::RequestBuilder| request.header("content-type", "image/png").body(page(grey));
    client
        .send("POST", &format!("{batch}/documents{query}"), fill)
        .await
}

#[tokio::test]
async fn a_document_is_asked_the_questions_that_its_upload_names() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    let batch = open(&client, &["What is it?", "What is the total?", "Who signed?"]).await;
    let some = upload(&client, &batch, 10, Some("2,0,2"))
        .await
        .expect(201)
        .json();
    let all = upload(&client, &batch, 20, None).await.expect(201).json();
    let one = upload(&client, &batch, 30, Some("1")).await.expect(201).json();
    assert_eq!(some["data"][0]["questions"], json!([0, 2]));
    assert_eq!(all["data"][0]["questions"], Value::Null);
    submit(&client, &batch).await.expect(200);
    let seen = completed(&client, &batch).await;
    assert_eq!(
        (&seen["jobs"]["total"], &seen["jobs"]["answered"]),
        (&json!(6), &json!(6))
    );
    let rows = client.get(&format!("{batch}/answers")).await.expect(200).json();
    let rows = rows["data"].as_array().unwrap();
    let asked: Vec<(&Value, u64)> = rows
        .iter()
        .map(|row| (&row["document"], row["question"].as_u64().unwrap()))
        .collect();
    let [some, all, one] = [&some, &all, &one].map(|made| &made["data"][0]["id"]);
    assert_eq!(
        asked,
        [(some, 0), (some, 2), (all, 0), (all, 1), (all, 2), (one, 1)]
    );
}

#[tokio::test]
async fn a_question_that_the_batch_does_not_have_is_refused_and_nothing_is_kept() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    let batch = open(&client, &["What is it?", "What is the total?"]).await;
    for places in ["2", "0,2", "", "-1", "first"] {
        let problem = upload(&client, &batch, 10, Some(places))
            .await
            .refused(400, "question_unknown");
        assert_eq!(problem["field"], "questions", "{places}");
    }
    upload(&client, &batch, 10, Some("1")).await.expect(201);
    let seen = client.get(&batch).await.expect(200).json();
    assert_eq!(seen["documents"]["total"], 1);
}
