//! `glmhub model upload`.

use super::{MODEL, PARTS, Scene, WEIGHTS, declared, location, reader, relay::Relay};
use crate::{
    fleet::bucket::Bucket,
    gguf_import::{license_beside, quantised},
    jobs::{completed, page, submit, upload},
    process::{Ended, ended, glmhub},
    weights::{TERMS, WeightsFolder},
};
use serde_json::{Value, json};
use std::{fs, path::Path};

/// As a registrar at another machine, whose files the hub does not reach.
fn perform(scene: &Scene, tenant: &str, from: &Path, more: &[&str]) -> Ended {
    let mut command = glmhub();
    command
        .args(["model", "upload", "--model", MODEL, "--from"])
        .arg(from)
        .args(more)
        .env("GLMHUB_URL", scene.hub.url())
        .env("GLMHUB_TOKEN", scene.hub.token(tenant, &["registrar"]));
    ended(command.output().unwrap())
}

fn uploaded(scene: &Scene, from: &Path) -> Value {
    serde_json::from_str(&perform(scene, "acme", from, &["--json"]).well()).unwrap()
}

/// Uploads by the command, asks, and pulls what was uploaded.
async fn goes_the_whole_way(scene: &Scene) {
    let folder = reader();
    let done = uploaded(scene, folder.path());
    assert_eq!(
        (&done["state"], &done["revision_sha256"]),
        (&json!("completed"), &scene.revision().await)
    );
    let client = scene.hub.client("acme", &["submitter"]);
    let batch = json!({
        "model": MODEL, "purpose": "research",
        "questions": [{ "text": "What is it?", "parameters": { "max_new_tokens": 2 } }],
    });
    let opened = client.post("/v1/batches", &batch).await.expect(201);
    let batch = location(&opened);
    upload(&client, &batch, page(7), "image/png").await.expect(201);
    submit(&client, &batch).await.expect(200);
    assert_eq!(completed(&client, &batch).await["jobs"]["answered"], 1);
    let path = format!("/hf/{MODEL}/resolve/main/{WEIGHTS}");
    let pulled = client
        .send_unjudged("GET", &path, |request| request)
        .await
        .expect(200);
    assert!(pulled.body == fs::read(folder.file(WEIGHTS)).unwrap());
}

#[tokio::test]
async fn weights_from_another_machine_are_asked_and_pulled() {
    let bucket = Bucket::start();
    goes_the_whole_way(&Scene::set(&bucket, &[]).await).await;
}

#[tokio::test]
async fn weights_go_the_same_way_by_a_server_of_s3_that_others_wrote() {
    let Some(url) = std::env::var_os("GLMHUB_TEST_S3_URL") else {
        eprintln!("GLMHUB_TEST_S3_URL is not set: uploads in parts were not tested on another server of S3");
        return;
    };
    let url = url.into_string().unwrap();
    let random = std::collections::hash_map::RandomState::new();
    let bucket = format!("weights-{:x}", std::hash::BuildHasher::hash_one(&random, 0));
    let made = reqwest::Client::builder().no_proxy().build().unwrap();
    let made = made
        .put(format!("{}/{bucket}", url.trim_end_matches('/')))
        .send()
        .await
        .unwrap();
    assert!(made.status().is_success(), "{made:?}");
    let relay = Relay::before(&url);
    goes_the_whole_way(&Scene::set_at(&relay.url, &bucket, &[]).await).await;
}

#[tokio::test]
async fn what_broke_off_goes_on_with_what_is_missing() {
    let bucket = Bucket::start();
    let scene = Scene::set(&bucket, &[PARTS]).await;
    let folder = reader();
    // Somebody was here before, and put one part of two.
    let before = location(&scene.open(&declared(folder.path())).await.expect(201));
    assert_eq!(scene.put_some(&before, &folder.file(WEIGHTS), 1).await, 2);
    let went_on = perform(&scene, "acme", folder.path(), &["--at-once", "1"]);
    let id = before.rsplit('/').next().unwrap();
    assert_eq!(went_on.stderr.lines().next(), Some(id), "{}", went_on.stderr);
    let said = went_on.well();
    assert!(said.contains(scene.revision().await.as_str().unwrap()), "{said}");
    assert!(said.contains("8 were not at the hub"), "{said}");
    // A file that changed is put, and the others are not.
    let revision = scene.revision().await;
    let again = location(&scene.open(&declared(folder.path())).await.expect(201));
    scene.complete(&again).await.expect(202);
    let said = perform(&scene, "acme", folder.path(), &[]).well();
    // Whether or not the hub was still reading.
    assert!(said.contains("; 0 were not at the hub"), "{said}");
    assert_eq!(scene.revision().await, revision);
    folder.write("README.md", b"finetuned");
    let said = perform(&scene, "acme", folder.path(), &[]).well();
    assert!(said.contains("; 1 were not at the hub"), "{said}");
    assert_ne!(scene.revision().await, revision);
}

#[tokio::test]
async fn a_gguf_file_is_uploaded_as_it_is_imported() {
    let bucket = Bucket::start();
    let scene = Scene::set(&bucket, &[]).await;
    let (_folder, file) = quantised("q8_0");
    license_beside(&file, TERMS);
    let done = uploaded(&scene, &file);
    let imported = scene.hub.import(MODEL, &file);
    assert!(imported.contains("nothing changed"), "{imported}");
    let revision = scene.revision().await;
    assert_eq!(done["revision_sha256"], revision);
    // The texts that it holds within need not be put.
    license_beside(&file, "other terms");
    let complaint = perform(&scene, "acme", &file, &[]).badly(2);
    assert!(
        complaint.contains("put that very text beside the file"),
        "{complaint}"
    );
    license_beside(&file, TERMS);
    let files = declared(file.parent().unwrap());
    let upload = location(&scene.open(&files).await.expect(201));
    scene.complete(&upload).await.expect(202);
    assert_eq!(scene.read(&upload).await["revision_sha256"], revision);
}

#[tokio::test]
async fn what_cannot_be_is_said_before_anything_is_sent() {
    let bucket = Bucket::start();
    let scene = Scene::set(&bucket, &[]).await;
    let folder = reader();
    let of_another = perform(&scene, "rival", folder.path(), &[]).badly(1);
    assert!(of_another.contains("model_of_another"), "{of_another}");
    let none = WeightsFolder::empty();
    perform(&scene, "acme", none.path(), &[]).badly(2);
    perform(&scene, "acme", folder.path(), &["--at-once", "0"]).badly(2);
    folder.remove("LICENSE");
    folder.write("notes.txt", b"none of it");
    let ended = perform(&scene, "acme", folder.path(), &[]);
    for warning in ["no terms that a tenant could accept", "notes.txt"] {
        assert!(ended.stderr.contains(warning), "{}", ended.stderr);
    }
    ended.well();
}
