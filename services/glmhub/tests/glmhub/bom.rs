//! Bills of materials as tools that know nothing of the hub read them.

use crate::{
    hub::Hub,
    licence::scene::{MODEL, Scene},
    tree,
};
use jsonschema::{Draft, Registry};
use serde_json::Value;

const SCHEMAS: &str = "services/glmhub/tests/schemas/cyclonedx";

/// What the published schema of CycloneDX says against `bom`.
fn faults(bom: &Value) -> Vec<String> {
    let schema = |name: &str| -> Value {
        let path = format!("{SCHEMAS}/{name}.SNAPSHOT.schema.json");
        serde_json::from_str(&tree::text(&path)).unwrap()
    };
    let base = "http://cyclonedx.org/schema";
    let registry = Registry::new()
        .draft(Draft::Draft7)
        .add(format!("{base}/spdx.SNAPSHOT.schema.json"), schema("spdx"))
        .unwrap()
        .add(
            format!("{base}/jsf-0.82.SNAPSHOT.schema.json"),
            schema("jsf-0.82"),
        )
        .unwrap()
        .prepare()
        .unwrap();
    let validator = jsonschema::options()
        .with_draft(Draft::Draft7)
        .with_registry(&registry)
        .should_validate_formats(true)
        .build(&schema("bom-1.6"))
        .unwrap();
    let told = validator.iter_errors(bom);
    told.map(|fault| format!("{}: {fault}", fault.instance_path()))
        .collect()
}

#[tokio::test]
async fn the_bill_of_materials_of_an_imported_model_is_valid_and_names_licence_lineage_and_files() {
    let scene = Scene::set().await;
    let answer = scene
        .submitter
        .get(&format!("/v1/models/{MODEL}/bom"))
        .await
        .expect(200);
    assert_eq!(
        answer.header("content-type"),
        Some("application/vnd.cyclonedx+json; version=1.6")
    );
    let bom = answer.json();
    assert_eq!(faults(&bom), [""; 0]);
    let model = &bom["metadata"]["component"];
    assert_eq!(model["group"], "THUDM");
    assert_eq!(model["licenses"][0]["license"]["name"], "The glm-4-9b License");
    assert_eq!(model["pedigree"]["ancestors"][0]["name"], "glm-4-9b");
    let components = bom["components"].as_array().unwrap();
    let files: Vec<&str> = components
        .iter()
        .filter(|component| component["type"] == "file")
        .map(|component| component["name"].as_str().unwrap())
        .collect();
    assert!(
        files.contains(&"config.json") && files.contains(&"LICENSE"),
        "{files:?}"
    );
    let encoded = format!("/v1/models/{}/bom", MODEL.replace('/', "%2F"));
    let again = scene.submitter.get(&encoded).await.expect(200).json();
    assert_eq!(again["serialNumber"], bom["serialNumber"]);
}

#[tokio::test]
async fn a_model_without_files_has_a_valid_one_too_and_a_revision_that_is_not_here_has_none() {
    let hub = Hub::start();
    let reader = hub.client("acme", &["auditor"]);
    let bom = reader
        .get("/v1/models/THUDM/glm-4-9b/bom")
        .await
        .expect(200)
        .json();
    assert_eq!(faults(&bom), [""; 0]);
    let absent = format!("/v1/models/THUDM/glm-4-9b/bom?revision={}", "0".repeat(64));
    reader.get(&absent).await.refused(404, "not_found");
    reader
        .get("/v1/models/THUDM/none/bom")
        .await
        .refused(404, "model_unknown");
}

#[test]
fn the_schema_refuses_what_is_no_bill_of_materials() {
    let wrong = serde_json::json!({
        "bomFormat": "CycloneDX", "specVersion": "1.6",
        "components": [{ "type": "model", "name": "x", "licenses": [{ "license": { "id": "glm-4" } }] }],
    });
    assert!(!faults(&wrong).is_empty());
}
