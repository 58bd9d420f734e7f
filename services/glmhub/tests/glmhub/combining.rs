//! Questions about documents: asked on every page, and answered from what all pages answered.

use crate::{
    client::Client,
    fleet::Fleet,
    hub::Hub,
    jobs::{MODEL, completed, hub_with_model, page, submit, upload},
    process::{ended, glmhub},
    revocation::scene::Work,
    tally::all,
};
use serde_json::{Value, json};
use std::{
    fs,
    io::{Cursor, Write as _},
};
use zip::{ZipWriter, write::SimpleFileOptions};

/// What the small checkpoint takes in all; texts of ten pages fit.
pub const CONTEXT: (&str, &str) = ("GLMHUB_WORK__COMBINE_CONTEXT_TOKENS", "512");

const ONE_AT_A_TIME: (&str, &str) = ("GLMHUB_WORK__MOST_ORDERS", "1");

/// A document of so many pages, no two of one grey.
pub fn document(pages: u8) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for number in 0..pages {
        let name = format!("{number:03}.png");
        archive.start_file(name, SimpleFileOptions::default()).unwrap();
        archive.write_all(&page(number * 5)).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

pub fn about_document(text: &str) -> Value {
    json!({ "text": text, "scope": "document", "parameters": { "max_new_tokens": 4 } })
}

/// One whose answers take a while, and of which four fit into the small context.
fn long_answer() -> Value {
    let mut question = about_document("Who?");
    question["parameters"] = json!({ "max_new_tokens": 40 });
    question
}

/// An open batch for a purpose, with a document of so many pages.
async fn opened(client: &Client, purpose: &str, questions: &[Value], pages: u8) -> String {
    let body = json!({ "model": MODEL, "purpose": purpose, "questions": questions });
    let opened = client.post("/v1/batches", &body).await.expect(201);
    let batch = opened.header("location").unwrap().to_owned();
    upload(client, &batch, document(pages), "application/zip")
        .await
        .expect(201);
    batch
}

async fn submitted(client: &Client, questions: &[Value], pages: u8) -> String {
    let batch = opened(client, "research", questions, pages).await;
    submit(client, &batch).await.expect(200);
    batch
}

/// All rows, which are as many as the batch counts in each state.
async fn rows(client: &Client, batch: &str) -> Vec<Value> {
    let (seen, rows) = (
        client.get(batch).await.expect(200).json(),
        all(client, &format!("{batch}/answers")).await,
    );
    assert_eq!(seen["jobs"]["total"], rows.len(), "{seen}");
    for verdict in ["answered", "failed", "cancelled", "expired", "refused", "held"] {
        let count = rows.iter().filter(|row| row["verdict"] == verdict).count();
        assert_eq!(seen["jobs"][verdict], count, "{verdict} of {seen}");
    }
    rows
}

fn of_scope<'a>(rows: &'a [Value], scope: &str) -> Vec<&'a Value> {
    rows.iter().filter(|row| row["scope"] == scope).collect()
}

/// The pages that an answer is from.
fn pages_of(row: &Value) -> Vec<u64> {
    let sources = row["sources"].as_array().unwrap().iter();
    let answered = sources.filter(|source| source["verdict"] == "answered");
    answered.map(|source| source["page"].as_u64().unwrap()).collect()
}

/// Holds that a document of so many pages was answered from all of them. Gives how many parts were combined.
async fn check_answered(client: &Client, batch: &str, pages: u64) -> usize {
    let seen = completed(client, batch).await;
    assert_eq!(
        (&seen["pages"], &seen["jobs"]["waiting"]),
        (&json!(pages), &json!(0))
    );
    assert_eq!(seen["jobs"]["answered"], seen["jobs"]["total"], "{seen}");
    let rows = rows(client, batch).await;
    let (sources, parts, wholes) = (
        of_scope(&rows, "page"),
        of_scope(&rows, "part"),
        of_scope(&rows, "document"),
    );
    assert_eq!((sources.len() as u64, wholes.len()), (pages, 1));
    assert!(wholes[0]["answer"]["text"].is_string(), "{}", wholes[0]);
    assert_eq!(pages_of(wholes[0]), (1..=pages).collect::<Vec<_>>());
    for (source, row) in wholes[0]["sources"].as_array().unwrap().iter().zip(&sources) {
        assert_eq!((&source["job"], &source["page"]), (&row["job"], &row["page"]));
    }
    parts.len()
}

#[tokio::test]
async fn a_document_is_answered_from_its_pages_beside_questions_about_each() {
    let hub = hub_with_model(&[CONTEXT]);
    let client = hub.client("acme", &["submitter"]);
    let mut about = about_document("Who signed?");
    about["parameters"] = json!({ "max_new_tokens": 16, "schema": { "enum": ["A", "B"] } });
    let each = json!({ "text": "What is it?", "parameters": { "max_new_tokens": 4 } });
    let batch = submitted(&client, &[each, about], 3).await;
    let seen = completed(&client, &batch).await;
    let scopes: Vec<&Value> = seen["questions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|question| &question["scope"])
        .collect();
    assert_eq!(scopes, ["page", "document"]);
    let rows = rows(&client, &batch).await;
    let order: Vec<(Option<u64>, u64)> = rows
        .iter()
        .map(|row| (row["page"].as_u64(), row["question"].as_u64().unwrap()))
        .collect();
    let pages = [1, 2, 3]
        .into_iter()
        .flat_map(|page| [(Some(page), 0), (Some(page), 1)]);
    assert_eq!(order, pages.chain([(None, 1)]).collect::<Vec<_>>());
    let whole = &rows[6];
    assert_eq!(
        (&whole["scope"], pages_of(whole)),
        (&json!("document"), vec![1, 2, 3])
    );
    // Only the answer about the document keeps to the schema.
    let in_schema = |row: &Value| ["\"A\"", "\"B\""].contains(&row["answer"]["text"].as_str().unwrap());
    let keeping: Vec<bool> = rows.iter().map(in_schema).collect();
    assert_eq!(keeping, [false, false, false, false, false, false, true]);
    let path = format!("/v1/jobs/{}", whole["job"].as_str().unwrap());
    let job = client.get(&path).await.expect(200).json();
    assert_eq!((&job["sources"], &job["page"]), (&whole["sources"], &Value::Null));
    assert_eq!(whole["answer"]["notices"], json!(["Built with glm-4"]));
    let envelope = client.get(&format!("{path}/provenance")).await.expect(200).json();
    assert!(envelope["payload"].is_string(), "{envelope}");
    // The text that was read is no page.
    let document = whole["document"].as_str().unwrap();
    client
        .get(&format!("{batch}/documents/{document}/pages/1000000000/content"))
        .await
        .refused(404, "not_found");
}

#[tokio::test]
async fn a_document_of_one_page_has_one_answer_about_it() {
    let hub = hub_with_model(&[CONTEXT]);
    let client = hub.client("acme", &["submitter"]);
    let batch = submitted(&client, &[about_document("Who?")], 1).await;
    assert_eq!(check_answered(&client, &batch, 1).await, 0);
}

#[tokio::test]
async fn what_does_not_fit_into_the_context_takes_several_rounds() {
    let hub = hub_with_model(&[CONTEXT]);
    let client = hub.client("acme", &["submitter"]);
    let batch = submitted(&client, &[about_document("Who?")], 24).await;
    let parts = check_answered(&client, &batch, 24).await;
    assert!(parts > 1, "{parts}");
}

#[tokio::test]
async fn a_document_that_no_page_answers_fails_and_can_be_tried_again() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    // More than the small checkpoint takes with a page.
    let batch = submitted(&client, &[about_document(&"What is it? ".repeat(60))], 2).await;
    for _ in 0..2 {
        let seen = completed(&client, &batch).await;
        assert_eq!(
            (&seen["jobs"]["failed"], &seen["jobs"]["total"]),
            (&json!(3), &json!(3))
        );
        let rows = rows(&client, &batch).await;
        assert_eq!(rows[2]["fault"]["code"], "no_page_answered");
        let verdicts: Vec<&Value> = rows[2]["sources"]
            .as_array()
            .unwrap()
            .iter()
            .map(|source| &source["verdict"])
            .collect();
        assert_eq!(verdicts, ["failed", "failed"]);
        let again = client
            .send("POST", &format!("{batch}/requeue"), |request| request)
            .await
            .expect(200)
            .json();
        assert_eq!(again["state"], "running");
    }
}

#[tokio::test]
async fn a_page_that_was_cancelled_is_told_and_the_others_are_combined() {
    let hub = hub_with_model(&[CONTEXT, ONE_AT_A_TIME]);
    let client = hub.client("acme", &["submitter"]);
    let batch = submitted(&client, &[long_answer()], 12).await;
    crate::jobs::first_answer(&client, &batch).await;
    let jobs = all(&client, &format!("{batch}/jobs")).await;
    assert_eq!((jobs.len(), &jobs[12]["state"]), (13, &json!("waiting")));
    let last = format!("/v1/jobs/{}/cancel", jobs[11]["id"].as_str().unwrap());
    client.send("POST", &last, |request| request).await.expect(200);
    completed(&client, &batch).await;
    let rows = rows(&client, &batch).await;
    let whole = of_scope(&rows, "document")[0];
    assert_eq!(pages_of(whole), (1..=11).collect::<Vec<_>>());
    assert_eq!(whole["sources"][11]["verdict"], "cancelled");
}

#[tokio::test]
async fn a_cancelled_batch_combines_nothing() {
    let hub = hub_with_model(&[CONTEXT, ONE_AT_A_TIME]);
    let client = hub.client("acme", &["submitter"]);
    let batch = submitted(&client, &[long_answer()], 40).await;
    crate::jobs::first_answer(&client, &batch).await;
    let cancelled = client
        .send("POST", &format!("{batch}/cancel"), |request| request)
        .await
        .expect(200)
        .json();
    let jobs = &cancelled["jobs"];
    assert_eq!(
        (&jobs["waiting"], &jobs["total"]),
        (&json!(0), &json!(41)),
        "{cancelled}"
    );
    let count = |state: &str| jobs[state].as_u64().unwrap();
    assert_eq!(count("answered") + count("cancelled"), 41, "{cancelled}");
    let rows = rows(&client, &batch).await;
    assert_eq!(rows[40]["verdict"], "cancelled", "{}", rows[40]);
}

#[tokio::test]
async fn a_document_waits_while_what_allows_its_pages_is_revoked_and_then_goes_on() {
    let mut work = Work::with(&[CONTEXT, ONE_AT_A_TIME]).await;
    let batch = opened(&work.scene.submitter, "commercial", &[long_answer()], 16).await;
    submit(&work.scene.submitter, &batch).await.expect(200);
    work.until(&batch, "something to run", |jobs| {
        jobs["running"].as_u64() > Some(0)
    })
    .await;
    work.revoke().await;
    let held = work.all_stopped(&batch).await;
    assert_eq!(held["jobs"]["waiting"], 1, "{held}");
    work.accept().await;
    let after = work.completed(&batch).await;
    assert_eq!(after["jobs"]["answered"], after["jobs"]["total"], "{after}");
    let rows = rows(&work.scene.submitter, &batch).await;
    let whole = of_scope(&rows, "document")[0];
    assert_eq!(pages_of(whole).len(), 16);
    assert_eq!(whole["answer"]["decision_id"], after["decision_id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_takes_scopes_and_names_the_pages() {
    let hub = hub_with_model(&[CONTEXT]);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("contract.zip"), document(3)).unwrap();
    let questions = tempfile::NamedTempFile::new().unwrap();
    fs::write(questions.path(), json!([about_document("Who?")]).to_string()).unwrap();
    let (folder, questions) = (
        folder.path().to_str().unwrap(),
        questions.path().to_str().unwrap(),
    );
    let seen = batch(
        &hub,
        &[
            "submit",
            "--model",
            MODEL,
            "--purpose",
            "research",
            "--questions",
            questions,
            "--wait",
            "--json",
            folder,
        ],
    );
    let seen: Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(seen["jobs"]["answered"], 4, "{seen}");
    let csv = batch(
        &hub,
        &["results", seen["id"].as_str().unwrap(), "--format", "csv"],
    );
    let last = csv.lines().find(|line| line.contains(",document,doc_"));
    assert!(
        last.is_some_and(|line| line.starts_with("contract.zip,1-3,Who?,answered,")),
        "{csv}"
    );
}

/// What `glmhub batch …` says to a submitter of acme.
fn batch(hub: &Hub, arguments: &[&str]) -> String {
    let mut command = glmhub();
    command.arg("batch").args(arguments);
    command.env("GLMHUB_URL", hub.url());
    command.env("GLMHUB_TOKEN", hub.token("acme", &["submitter"]));
    ended(command.output().unwrap()).well()
}

#[tokio::test]
async fn many_processes_on_postgresql_redis_and_s3_combine_each_document_once() {
    let Some(fleet) = Fleet::start().await else {
        return;
    };
    let client = fleet.client(0, "acme");
    let mut batches = Vec::new();
    for pages in [1, 5, 8] {
        batches.push((submitted(&client, &[about_document("Who?")], pages).await, pages));
    }
    for (batch, pages) in batches {
        assert_eq!(
            check_answered(&fleet.client(1, "acme"), &batch, pages.into()).await,
            0
        );
    }
}
