//! Documents that are asked some of their batch's questions.

use crate::{
    batch::batch,
    client::{Answer, Client},
    combining::document,
    jobs::{MODEL, completed, hub_with_model, open, page, submit},
    licence::scene::Scene,
    tally::all,
};
use serde_json::{Value, json};
use std::fs;
use tempfile::TempDir;

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

/// A folder with an invoice of one page and a contract of three, and a file of questions beside it.
fn files() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in [("发票/1.png", page(10)), ("contracts/2.zip", document(3))] {
        let path = folder.path().join("in").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let few = json!({ "max_new_tokens": 4 });
    let questions = json!([
        { "text": "What is it?", "parameters": few },
        { "text": "Who signed?", "scope": "document", "parameters": few, "documents": ["contracts/*", "*.pdf.zip", "*.zip"] },
        { "text": "买方是谁？", "parameters": few, "documents": ["发票/*.png"] },
    ]);
    let idle = questions.to_string();
    fs::write(folder.path().join("idle.json"), &idle).unwrap();
    fs::write(
        folder.path().join("questions.json"),
        idle.replace("\"*.pdf.zip\",", ""),
    )
    .unwrap();
    folder
}

/// Arguments of `glmhub batch submit` for [`files`].
fn submitting<'a>(questions: &'a str, path: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let fixed = ["submit", "--model", MODEL, "--purpose", "research", "--questions"];
    [&fixed[..], &[questions, path], more].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_questions_says_which_documents_each_is_asked_of() {
    let scene = Scene::set().await;
    let folder = files();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (path, questions) = (at("in"), at("questions.json"));
    let told = batch(&scene, &submitting(&questions, &path, &["--dry-run", "--json"])).well();
    let before: Value = serde_json::from_str(&told).unwrap();
    // The contract is asked two questions on each of three pages, and one as a whole; the invoice two.
    assert_eq!((&before["pages"], &before["jobs"]), (&json!(4), &json!(9)));
    let told = batch(&scene, &submitting(&questions, &path, &["--dry-run"])).well();
    assert!(told.contains("  combining  1 of these"), "{told}");
    let told = batch(&scene, &submitting(&questions, &path, &["--wait", "--json"])).well();
    let after: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        (&after["pages"], &after["jobs"]["answered"]),
        (&before["pages"], &before["jobs"])
    );
    let place = format!("/v1/batches/{}", after["id"].as_str().unwrap());
    let documents = all(&scene.submitter, &format!("{place}/documents")).await;
    let asked: Vec<(&Value, &Value)> = documents
        .iter()
        .map(|one| (&one["name"], &one["questions"]))
        .collect();
    assert_eq!(
        asked,
        [
            (&json!("2.zip"), &json!([0, 1])),
            (&json!("1.png"), &json!([0, 2]))
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submission_with_patterns_goes_on_with_the_same_file_and_no_other() {
    let scene = Scene::set().await;
    let folder = files();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (path, questions) = (at("in"), at("questions.json"));
    let list: Value = serde_json::from_str(&fs::read_to_string(&questions).unwrap()).unwrap();
    let mut body = json!({ "model": MODEL, "purpose": "research", "questions": list });
    for question in body["questions"].as_array_mut().unwrap() {
        question.as_object_mut().unwrap().remove("documents");
    }
    let opened = scene.submitter.post("/v1/batches", &body).await.expect(201);
    let place = opened.header("location").unwrap();
    let id = place.rsplit('/').next().unwrap();
    let fill = |request: reqwest::RequestBuilder| {
        request
            .header("content-type", "application/zip")
            .body(document(3))
    };
    let begun = format!("{place}/documents?name=2.zip&questions=0,1");
    scene.submitter.send("POST", &begun, fill).await.expect(201);
    let without = batch(&scene, &["submit", "--batch", id, &path]).badly(2);
    assert!(without.contains("--questions FILE"), "{without}");
    let other = at("other.json");
    fs::write(&other, json!([{ "text": "Who are you?" }]).to_string()).unwrap();
    let wrong = batch(&scene, &["submit", "--batch", id, "--questions", &other, &path]).badly(2);
    assert!(wrong.contains("asks other questions"), "{wrong}");
    let again = [
        "submit",
        "--batch",
        id,
        "--questions",
        &questions,
        "--json",
        &path,
    ];
    let seen: Value = serde_json::from_str(&batch(&scene, &again).well()).unwrap();
    assert_eq!(seen["documents"]["total"], 2, "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pattern_for_nothing_and_a_document_without_a_question_are_told_before_anything_is_opened() {
    let scene = Scene::set().await;
    let folder = files();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (path, idle, unasked) = (at("in"), at("idle.json"), at("unasked.json"));
    fs::write(
        &unasked,
        json!([{ "text": "a?", "documents": ["*.png"] }]).to_string(),
    )
    .unwrap();
    for (questions, wanted) in [
        (
            &idle,
            "question 1, counted from 0: no document fits \"*.pdf.zip\"",
        ),
        (&unasked, "2.zip: no question is asked of it"),
    ] {
        for more in [&[][..], &["--dry-run"]] {
            let told = batch(&scene, &submitting(questions, &path, more)).badly(2);
            assert!(told.contains(wanted), "{told}");
        }
    }
    assert!(all(&scene.submitter, "/v1/batches").await.is_empty());
}
