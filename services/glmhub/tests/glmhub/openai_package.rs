//! OpenAI's own package for Python, unmodified, in several versions.

use crate::{
    hub::eventually,
    jobs::page,
    licence::scene::{MODEL, Scene},
    openai_batches,
    process::ended,
    python::{major_that_agrees, packages, script},
    receiver::{Came, Receiver},
    revocation::scene::Work,
    streaming::{READER, asked_reader},
    tree,
    webhooks::{LOOPBACK, endpoint},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
};

const FOLDERS: &str = "GLMHUB_TEST_OPENAI";
const SCRIPT: &str = "openai_package.py";

/// A hub whose reader may be asked and whose other model is refused, the webhook of a first answer, and those of the ends of
/// batches of requests.
async fn scene_and_webhooks() -> (Scene, Came, Vec<Came>, Value) {
    let (scene, receiver) = (Scene::set_with(&[LOOPBACK]).await, Receiver::answering(200).await);
    scene.hub.import(READER, &tree::root().join("models/demo/reader"));
    let endpoint = endpoint(&scene.submitter, &receiver.url()).await;
    let (mut body, _) = asked_reader();
    body["stream"] = json!(false);
    let chat = "/openai/v1/chat/completions";
    scene.submitter.post(chat, &body).await.expect(200);
    // That of the job and that of its batch come in any order.
    let of_batch = |came: &Came| String::from_utf8_lossy(&came.body).contains("batch.completed");
    let came = receiver.first(2).await.into_iter().find(of_batch);
    let request =
        json!({ "custom_id": "one", "method": "POST", "url": "/v1/chat/completions", "body": body });
    for content in [request.to_string(), "{".to_owned()] {
        let file = openai_batches::send_file(&scene.submitter, content).await;
        openai_batches::begin(&scene.submitter, &file).await;
    }
    let in_openai_form = |came: &Came| String::from_utf8_lossy(&came.body).contains(r#""object":"event""#);
    let look = || async {
        let came = receiver.came().into_iter().filter(in_openai_form);
        Some(came.collect::<Vec<_>>()).filter(|came| came.len() == 2)
    };
    let ends = eventually("the ends of two batches", look).await;
    (scene, came.expect("a webhook tells of the batch"), ends, endpoint)
}

/// What came, as the script reads it.
fn said(came: &Came) -> Value {
    json!({ "body": String::from_utf8_lossy(&came.body), "headers": came.headers })
}

#[tokio::test]
async fn the_unmodified_package_asks_streams_and_understands_refusals_and_webhooks() {
    let Some(folders) = packages(FOLDERS) else {
        return;
    };
    let (scene, came, ends, endpoint) = scene_and_webhooks().await;
    let wish = json!({ "name": "openai", "roles": ["submitter"], "purpose": "commercial" });
    let key = scene
        .submitter
        .post("/v1/api-keys", &wish)
        .await
        .expect(201)
        .json();
    let (body, answer) = asked_reader();
    let content = &body["messages"][0]["content"];
    let given = json!({
        "act": "ask", "url": scene.hub.url(), "token": key["key"], "reader": READER, "answer": answer,
        "question": content[0]["text"], "image": content[1]["image_url"]["url"],
        "refused": MODEL, "code": "license_not_accepted",
        "secret": endpoint["secret"], "webhook": said(&came), "ends": ends.iter().map(said).collect::<Vec<_>>(),
    });
    let major = |folder: &PathBuf| major_that_agrees(SCRIPT, folder, &given);
    let mut majors: Vec<String> = folders.iter().map(major).collect();
    majors.sort();
    assert_eq!(majors, ["1", "2", "3"]);
}

/// What the package found a stream to be whose licence ended after it had begun.
async fn followed_and_revoked(folder: &Path, work: &mut Work, given: &Value) -> String {
    let mut python = script(SCRIPT, folder, given);
    let mut stdout = BufReader::new(python.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    if line == "begun\n" {
        work.revoke().await;
    }
    let mut last = String::new();
    stdout.read_to_string(&mut last).unwrap();
    ended(python.wait_with_output().unwrap()).well();
    assert_eq!(line, "begun\n");
    work.accept().await;
    last.trim().to_owned()
}

#[tokio::test]
async fn the_unmodified_package_learns_in_the_middle_of_a_stream_that_a_licence_ended() {
    let Some(folders) = packages(FOLDERS) else {
        return;
    };
    let mut work = Work::with_orders_at_once(1).await;
    let token = work.scene.hub.token("acme", &["submitter"]);
    let image = format!("data:image/png;base64,{}", STANDARD.encode(page(9)));
    let given = json!({
        "act": "follow", "url": work.scene.hub.url(), "token": token, "model": MODEL, "question": "What is the total?",
        "image": image,
    });
    for folder in folders {
        let mut found = String::new();
        // An answer may be whole before the revocation is there; then it is tried again.
        for _ in 0..20 {
            found = followed_and_revoked(&folder, &mut work, &given).await;
            if found == "closed" {
                break;
            }
        }
        assert_eq!(found, "closed", "{}", folder.display());
    }
}
