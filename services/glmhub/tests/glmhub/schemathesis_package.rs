//! Schemathesis, unmodified: whatever it makes up from `openapi.yaml`, fit or unfit, the hub neither fails nor answers
//! as is not documented.

use crate::{
    contract::CONTRACT,
    licence::scene::{MODEL, Scene},
    process::ended,
    python::{packages, script},
    receiver::Receiver,
    strangers::{OF_REQUESTS, belongings},
    tree,
    webhooks::LOOPBACK,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const FOLDERS: &str = "GLMHUB_TEST_SCHEMATHESIS";
/// Requests that are made up for each operation, beside those that try each part of its description once.
const EXAMPLES: usize = 10;
/// URLs are made up too. Nothing shall be sent there.
const NOTHING_OUT: (&str, &str) = ("GLMHUB_OUTGOING__LOW_PORTS", "[]");
const ROLES: [&str; 6] = [
    "submitter",
    "signatory",
    "reviewer",
    "registrar",
    "operator",
    "auditor",
];

/// Values of parameters that name something which is there.
async fn known(scene: &Scene, receiver: &Receiver) -> Value {
    let ids = belongings(scene, receiver).await;
    let model = scene
        .submitter
        .get(&format!("/v1/models/{MODEL}"))
        .await
        .expect(200)
        .json();
    let (owner, name) = MODEL.split_once('/').unwrap();
    let mut known = json!({
        "path.owner": [owner], "path.name": [name], "path.model": [MODEL], "path.license": ["glm-4", "apache-2.0"],
        "query.purpose": ["research", "commercial"],
        "body.model": [MODEL], "body.license": ["glm-4"], "body.terms_sha256": [scene.terms], "body.text": ["What is it?"],
        "query.models": [format!("{MODEL},glmhub/demo-doc-reader")],
    });
    for (parameter, id) in ids.iter().filter(|(parameter, _)| **parameter != OF_REQUESTS) {
        known[format!("path.{parameter}")] = json!([id]);
    }
    known["path.batch"] = json!([ids["batch"], ids[OF_REQUESTS]]);
    known["path.number"] = json!([1]);
    known["path.sha256"] = json!([ids["sha256"], scene.terms, model["revision"]["sha256"]]);
    known
}

/// Routes that answered something well, by the hub's own count.
async fn answered_well(scene: &Scene) -> BTreeSet<String> {
    let metrics = scene.hub.stranger().get("/metrics").await.expect(200).text();
    let well = metrics.lines().filter(|line| line.contains("status=\"2"));
    let route = |line: &str| Some(line.split_once("route=\"")?.1.split_once('"')?.0.to_owned());
    well.filter_map(route).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_made_up_from_the_contract_fails_the_hub_or_is_answered_otherwise() {
    let Some(folders) = packages(FOLDERS) else {
        return;
    };
    for folder in folders {
        let (scene, receiver) = (
            Scene::set_with(&[LOOPBACK, NOTHING_OUT]).await,
            Receiver::answering(200).await,
        );
        let given = json!({
            "url": scene.hub.url(), "token": scene.hub.token("acme", &ROLES), "examples": EXAMPLES,
            "contract": tree::root().join("openapi.yaml"), "known": known(&scene, &receiver).await,
        });
        let output = script("schemathesis_package.py", &folder, &given).wait_with_output();
        let asked: Value = serde_json::from_str(&ended(output.unwrap()).well()).unwrap();
        eprintln!("{asked}");
        assert_eq!(asked["operations"], CONTRACT.operations().len(), "{asked}");
        assert!(asked["requests"].as_u64() > Some(2_000), "{asked}");
        assert_eq!(asked["not_let_in"], json!([]), "{asked}");
        let well = answered_well(&scene).await;
        assert!(well.len() >= 40, "{well:?}");
        assert!(!scene.hub.log().contains("panicked"), "{}", scene.hub.log());
    }
}
