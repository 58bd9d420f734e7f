//! A model in few bits: quantised, imported, and asked by the hub.

use crate::{
    hub::Hub,
    jobs::{completed, new_batch, page, submit, upload},
    process::{Ended, perform, perform_in},
    weights::{TERMS, WeightsFolder},
};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

const MODEL: &str = "THUDM/glm-4v-9b";

/// Quantises a checkpoint with terms into a folder of its own; gives both.
pub fn quantised(kind: &str) -> (TempDir, PathBuf) {
    let (weights, folder) = (WeightsFolder::new(), tempfile::tempdir().unwrap());
    let file = folder.path().join(format!("glm-4v-{kind}.gguf"));
    let (from, to) = (weights.path().to_str().unwrap(), file.to_str().unwrap());
    perform(&["model", "quantize", "--from", from, "--to", to, "--type", kind]).well();
    (folder, file)
}

fn import(data: &Path, from: &Path) -> Ended {
    let from = from.to_str().unwrap();
    let arguments = ["model", "import", "--json", "--model", MODEL, "--from", from];
    perform_in(data, &arguments, &[])
}

fn imported(data: &Path, from: &Path) -> Value {
    serde_json::from_str(&import(data, from).well()).unwrap()
}

pub fn license_beside(file: &Path, text: &str) {
    fs::write(file.with_file_name("LICENSE"), text).unwrap();
}

#[test]
fn a_file_and_its_folder_are_one_revision_with_the_terms_of_the_checkpoint_and_its_texts() {
    let (folder, file) = quantised("q8_0");
    let data = tempfile::tempdir().unwrap();
    let parted = import(data.path(), &file).badly(2);
    assert!(parted.contains("there is none beside it"), "{parted}");
    license_beside(&file, "other terms");
    let parted = import(data.path(), &file).badly(2);
    assert!(parted.contains("put that very text beside the file"), "{parted}");
    license_beside(&file, TERMS);
    fs::write(folder.path().join("notes.txt"), "none of it").unwrap();
    let first = imported(data.path(), &file);
    let paths: Vec<&Value> = first["artifacts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["path"])
        .collect();
    let expected = [
        "LICENSE",
        "config.json",
        "generation_config.json",
        "glm-4v-q8_0.gguf",
        "tokenizer.model",
        "tokenizer_config.json",
    ];
    assert_eq!(paths, expected);
    let again = imported(data.path(), folder.path());
    assert_eq!(
        (
            &again["outcome"],
            &again["revision_sha256"],
            &again["copied_bytes"]
        ),
        (&"already".into(), &first["revision_sha256"], &0.into())
    );
    assert_eq!(again["ignored"], serde_json::json!(["notes.txt"]));
}

#[test]
fn what_no_hub_can_answer_with_is_refused() {
    let (folder, file) = quantised("q8_0");
    license_beside(&file, TERMS);
    let data = tempfile::tempdir().unwrap();
    let second = folder.path().join("second.gguf");
    fs::copy(&file, &second).unwrap();
    let two = import(data.path(), folder.path()).badly(2);
    assert!(two.contains("give --from the file"), "{two}");
    let bytes = fs::read(&file).unwrap();
    fs::write(&second, &bytes[..bytes.len() / 2]).unwrap();
    import(data.path(), &second).badly(2);
    fs::write(&second, b"GGUF").unwrap();
    import(data.path(), &second).badly(2);
    let weights = WeightsFolder::new();
    let (like, to) = (weights.path().to_str().unwrap(), second.to_str().unwrap());
    fs::remove_file(&second).unwrap();
    perform(&[
        "model",
        "synthesize",
        "--like",
        like,
        "--type",
        "q8_0",
        "--to",
        to,
    ])
    .well();
    let noise = import(data.path(), &second).badly(2);
    assert!(noise.contains("noise"), "{noise}");
    let link = folder.path().join("elsewhere");
    fs::create_dir(&link).unwrap();
    std::os::unix::fs::symlink(&file, link.join("link.gguf")).unwrap();
    let linked = import(data.path(), &link).badly(2);
    assert!(linked.contains("symbolic link"), "{linked}");
    assert!(!data.path().join("hub.db").exists());
}

#[tokio::test]
async fn the_hub_answers_with_a_file_in_few_bits_as_the_command_does() {
    let (_folder, file) = quantised("q4_k_m");
    license_beside(&file, TERMS);
    let hub = Hub::start();
    hub.import(MODEL, &file);
    let client = hub.client("acme", &["submitter"]);
    let opened = client
        .post("/v1/batches", &new_batch(&["What is it?"]))
        .await
        .expect(201);
    let batch = opened.header("location").unwrap().to_owned();
    upload(&client, &batch, page(40), "image/png").await.expect(201);
    submit(&client, &batch).await.expect(200);
    completed(&client, &batch).await;
    let answers = client.get(&format!("{batch}/answers")).await.expect(200).json();
    let answer = &answers["data"][0]["answer"];
    let image = hub.data().join("page.png");
    fs::write(&image, page(40)).unwrap();
    let (model, image) = (file.to_str().unwrap(), image.to_str().unwrap());
    let asked = [
        "ask",
        "--model",
        model,
        "--image",
        image,
        "--question",
        "What is it?",
    ];
    let told = perform(&[&asked[..], &["--max-new-tokens", "4", "--json"]].concat()).well();
    let told: Value = serde_json::from_str(told.trim()).unwrap();
    assert_eq!(answer["text"], told["text"]);
    // What it takes is what the file takes, which workers are chosen by.
    let model = client
        .get(&format!("/v1/models/{MODEL}"))
        .await
        .expect(200)
        .json();
    assert!(
        model["revision"]["bytes"].as_u64() >= Some(fs::metadata(&file).unwrap().len()),
        "{model}"
    );
}
