//! OpenAI's own package for Python, unmodified, in several versions.

use crate::{
    licence::scene::{MODEL, Scene},
    process::ended,
    receiver::{Came, Receiver},
    streaming::{READER, asked_reader},
    tree,
    webhooks::{LOOPBACK, endpoint},
};
use serde_json::{Value, json};
use std::{
    env,
    ffi::OsStr,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

/// Folders that each hold the package in one version, as `pip install --target` leaves them.
const FOLDERS: &str = "GLMHUB_TEST_OPENAI";

/// What the package in `folder` has to say about a hub; it is told on stdin what there is to ask.
fn version_that_agrees(folder: &Path, given: &Value) -> String {
    let script = tree::root().join("services/glmhub/tests/glmhub/openai_package.py");
    let mut python = Command::new("python3")
        .arg(script)
        .env_clear()
        .env("PATH", env::var_os("PATH").unwrap_or_default())
        .env("PYTHONPATH", folder)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = python.stdin.take().unwrap();
    stdin.write_all(given.to_string().as_bytes()).unwrap();
    drop(stdin);
    ended(python.wait_with_output().unwrap()).well().trim().to_owned()
}

/// A hub whose reader may be asked and whose other model is refused, and the webhook of a first answer.
async fn scene_and_webhook() -> (Scene, Came, Value) {
    let (scene, receiver) = (Scene::set_with(&[LOOPBACK]).await, Receiver::answering(200).await);
    scene.hub.import(READER, &tree::root().join("models/demo/reader"));
    let endpoint = endpoint(&scene.submitter, &receiver.url()).await;
    let (mut body, _) = asked_reader();
    body["stream"] = json!(false);
    let chat = "/openai/v1/chat/completions";
    scene.submitter.post(chat, &body).await.expect(200);
    let came = receiver.first(1).await.remove(0);
    (scene, came, endpoint)
}

#[tokio::test]
async fn the_unmodified_package_asks_streams_and_understands_refusals_and_webhooks() {
    let Some(folders) = env::var_os(FOLDERS) else {
        eprintln!("{FOLDERS} is not set: OpenAI's package was not tested");
        return;
    };
    let (scene, came, endpoint) = scene_and_webhook().await;
    let (body, answer) = asked_reader();
    let content = &body["messages"][0]["content"];
    let given = json!({
        "url": scene.hub.url(), "token": scene.hub.token("acme", &["submitter"]), "reader": READER, "answer": answer,
        "question": content[0]["text"], "image": content[1]["image_url"]["url"],
        "refused": MODEL, "code": "license_not_accepted",
        "webhook": {
            "body": String::from_utf8(came.body).unwrap(), "headers": came.headers, "secret": endpoint["secret"],
        },
    });
    let mut majors: Vec<String> = env::split_paths(OsStr::new(&folders))
        .map(|folder| version_that_agrees(&folder, &given))
        .map(|version| version.split('.').next().unwrap_or_default().to_owned())
        .collect();
    majors.sort();
    assert_eq!(majors, ["1", "2", "3"]);
}
