//! `glmhub batch …`, against a running hub.

use crate::{
    client::Client,
    jobs::{MODEL, open, page, upload},
    licence::scene::Scene,
    process::{Ended, ended, glmhub},
};
use serde_json::Value;
use std::{fs, path::Path};
use tempfile::TempDir;

/// Runs `glmhub batch …` for a submitter of acme.
pub fn batch(scene: &Scene, arguments: &[&str]) -> Ended {
    let mut command = glmhub();
    command
        .arg("batch")
        .args(arguments)
        .env("GLMHUB_URL", scene.hub.url())
        .env("GLMHUB_TOKEN", scene.hub.token("acme", &["submitter"]));
    ended(command.output().unwrap())
}

/// A folder of two pages, and one more file if it is named.
fn folder(more: Option<&str>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, grey) in [("1, first.png", 10), ("2.png", 20)] {
        fs::write(folder.path().join(name), page(grey)).unwrap();
    }
    if let Some(name) = more {
        fs::write(folder.path().join(name), "no picture").unwrap();
    }
    folder
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

const RESEARCH: [&str; 5] = ["submit", "--model", MODEL, "--purpose", "research"];

#[tokio::test(flavor = "multi_thread")]
async fn files_become_a_batch_that_is_waited_for_and_read() {
    let scene = Scene::set().await;
    let folder = folder(None);
    let questions = scene.weights.file("questions.json");
    fs::write(
        &questions,
        r#"[{"text": "b?", "parameters": {"max_new_tokens": 3}}]"#,
    )
    .unwrap();
    let more = [
        "--question",
        "a?",
        "--questions",
        text(&questions),
        "--metadata",
        "kind=invoice",
    ];
    let done = batch(
        &scene,
        &[&RESEARCH[..], &more, &["--wait", "--json", text(folder.path())]].concat(),
    );
    let seen = json(&done.well());
    assert_eq!(
        (&seen["state"], &seen["metadata"]["kind"]),
        (&"completed".into(), &"invoice".into())
    );
    assert_eq!(
        (&seen["documents"]["total"], &seen["jobs"]["answered"]),
        (&2.into(), &4.into())
    );
    let id = seen["id"].as_str().unwrap();
    let told = batch(&scene, &["status", id, "--wait"]).well();
    assert!(
        told.starts_with(&format!("{id} is completed\n")) && told.contains("4: 4 answered"),
        "{told}"
    );

    let results = |format: &str| batch(&scene, &["results", id, "--format", format]).well();
    let rows: Vec<Value> = results("jsonl").lines().map(json).collect();
    let asked: Vec<&str> = rows
        .iter()
        .map(|row| row["question_text"].as_str().unwrap())
        .collect();
    assert_eq!(asked, ["a?", "b?", "a?", "b?"]);
    assert_eq!(rows[1]["answer"]["output_tokens"], 3);
    let csv = results("csv");
    assert!(
        csv.starts_with(
            "document,page,question,verdict,answer,fault,job,decision,scope,document_id,fault_code,finish_reason,\
             input_tokens,output_tokens,warnings\r\n\"1, first.png\",1,a?,answered,"
        ),
        "{csv}"
    );
    assert_eq!(results("text").matches("2.png 1\t").count(), 2);
    assert_eq!(json(&results("json")), Value::Array(rows));
    let marked = batch(&scene, &["results", id, "--format", "csv", "--bom"]).well();
    assert_eq!(marked, format!("\u{feff}{csv}"));
    assert!(told.contains("4: 4 answered; all answered"), "{told}");
    let late = batch(&scene, &["cancel", id]).badly(1);
    assert!(late.contains("batch_state"), "{late}");
    assert_eq!(
        json(&batch(&scene, &["requeue", id, "--json"]).well())["jobs"]["answered"],
        4
    );
    let foreign = batch(&scene, &["status", "bat_01jd9z5m2k7q8r3s4t5v6w7x8y"]).badly(1);
    assert!(foreign.contains("not_found"), "{foreign}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_read_is_told_and_is_an_error() {
    let scene = Scene::set().await;
    let folder = folder(Some("3.pdf"));
    let done = batch(
        &scene,
        &[
            &RESEARCH[..],
            &["--question", "a?", "--wait", text(folder.path())],
        ]
        .concat(),
    );
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    assert!(
        done.stderr.contains("1 documents could not be read"),
        "{}",
        done.stderr
    );
    assert!(
        done.stdout.contains("documents  3: ") && done.stdout.contains("1 failed"),
        "{}",
        done.stdout
    );
    let id = done.stdout.split(' ').next().unwrap();
    let told = batch(&scene, &["results", id]).well();
    assert!(
        told.lines().last().unwrap().starts_with("3.pdf \t\t(failed) "),
        "{told}"
    );
    assert_eq!(told.lines().count(), 3, "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_every_row_failed_says_so_in_the_last_line_and_by_the_exit_code() {
    let scene = Scene::set().await;
    let folder = tempfile::tempdir().unwrap();
    for name in ["1.png", "2.pdf"] {
        fs::write(folder.path().join(name), "no picture").unwrap();
    }
    let done = batch(
        &scene,
        &[
            &RESEARCH[..],
            &["--question", "a?", "--wait", text(folder.path())],
        ]
        .concat(),
    );
    let last = done.stderr.lines().last().unwrap();
    assert!(last.starts_with("glmhub: every row failed: "), "{last}");
    assert_eq!(done.code, Some(1));
    assert!(done.stdout.contains("2: 2 failed; all failed"), "{}", done.stdout);
    let id = done.stdout.split(' ').next().unwrap();
    let seen = json(&batch(&scene, &["status", id, "--json"]).well());
    assert_eq!(seen["outcome"], "all_failed", "{seen}");
    let told = batch(&scene, &["results", id, "--format", "json"]);
    assert_eq!(json(&told.stdout).as_array().unwrap().len(), 2);
    assert_eq!(
        (told.code, told.stderr.lines().last()),
        (Some(1), Some("glmhub: every row failed"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_goes_on_where_it_was_cut_off() {
    let scene = Scene::set().await;
    let client: &Client = &scene.submitter;
    let place = open(client, &["a?"]).await;
    let id = place.rsplit('/').next().unwrap();
    let folder = folder(None);
    fs::write(folder.path().join("2.png"), page(30)).unwrap();
    let begun = format!("{place}/documents?name=1,%20first.png");
    let file = |request: reqwest::RequestBuilder| request.header("content-type", "image/png").body(page(10));
    client.send("POST", &begun, file).await.expect(201);
    // Another state of the second file is another document.
    upload(client, &place, page(20), "image/png").await.expect(201);
    let sent = batch(&scene, &["submit", "--batch", id, "--json", text(folder.path())]);
    assert_eq!(json(&sent.well())["documents"]["total"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_names_the_cure_and_nothing_is_begun_by_mistake() {
    let scene = Scene::set().await;
    let folder = folder(None);
    let path = text(folder.path());
    let commercial = [
        "submit",
        "--model",
        MODEL,
        "--purpose",
        "commercial",
        "--question",
        "a?",
        path,
    ];
    let refused = batch(&scene, &commercial).badly(1);
    assert!(
        refused.contains("cure: ") && refused.contains("decision: dec_"),
        "{refused}"
    );
    let absent = folder.path().join("absent");
    for wrong in [
        &[&RESEARCH[..], &[path]].concat(),
        &[&RESEARCH[..], &["--question", "a?", text(&absent)]].concat(),
        &[&RESEARCH[..], &["--question", "a?", "--metadata", "kind", path]].concat(),
        &[&RESEARCH[..], &["--question", "a?", "--priority", "urgent", path]].concat(),
        &["submit", "--question", "a?", path].to_vec(),
        &[
            "submit",
            "--batch",
            "bat_01jd9z5m2k7q8r3s4t5v6w7x8y",
            "--question",
            "a?",
            path,
        ]
        .to_vec(),
    ] {
        batch(&scene, wrong).badly(2);
    }
    assert_eq!(
        scene.submitter.get("/v1/batches").await.json()["data"],
        Value::Array(Vec::new())
    );
}
