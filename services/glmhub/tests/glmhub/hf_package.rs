//! `huggingface_hub` and its command `hf`, unmodified, in several versions.

use crate::{
    licence::scene::{MODEL, Scene},
    python::{major_that_agrees, packages},
    weights::TERMS,
};
use domain::digest::Sha256;
use serde_json::json;
use std::path::PathBuf;

#[tokio::test(flavor = "multi_thread")]
async fn the_unmodified_package_pulls_a_model_with_its_terms_and_understands_refusals() {
    let Some(folders) = packages("GLMHUB_TEST_HUGGINGFACE_HUB") else {
        return;
    };
    pulls(&Scene::set().await, &folders).await;
}

/// Each of the packages does all of its script at the hub of `scene`.
pub async fn pulls(scene: &Scene, folders: &[PathBuf]) {
    let config = std::fs::read(scene.weights.file("config.json")).unwrap();
    let given = json!({
        "url": scene.hub.url(), "token": scene.hub.token("acme", &["submitter"]), "model": MODEL,
        "reviewer": scene.hub.token("zhipu", &["reviewer"]),
        "files": { "LICENSE": Sha256::of(TERMS.as_bytes()), "config.json": Sha256::of(&config) },
    });
    let mut majors = Vec::new();
    for folder in folders {
        // Each rejects it.
        scene.accepted(&["commercial"]).await;
        majors.push(major_that_agrees("hf_package.py", folder, &given));
    }
    majors.sort();
    assert_eq!(majors, ["0", "1", "2"]);
}
