//! Policies that are tried out: simulated, checked, and their cases played.

use super::{CONTRACTS, ask, contract};
use crate::{
    hub::Hub,
    licence::scene::{MODEL, Scene, path},
    process::perform,
    weights::WeightsFolder,
};
use serde_json::{Value, json};
use std::fs;

#[tokio::test]
async fn a_simulation_lists_what_would_change_by_tenant_and_changes_nothing() {
    let scene = Scene::set().await;
    let asked = scene.accepted(&["evaluation"]).await;
    for body in [contract("research"), contract("evaluation")] {
        scene.submitter.post("/v1/batches", &body).await.expect(201);
    }
    scene.open("research").await.expect(201);
    let other = scene.hub.client("other", &["submitter"]);
    other.post("/v1/batches", &contract("research")).await.expect(201);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("contracts.cedar");
    fs::write(&file, CONTRACTS).unwrap();
    let of = ["simulate", "--days", "7", file.to_str().unwrap()];
    let table = ask(&scene.hub, "zhipu", "reviewer", &of);
    assert!(table.contains("2 of 4 decisions of the last 7 days"), "{table}");
    assert!(
        table.contains("\nacme: 2 decisions, 0 jobs") && !table.contains("\nother"),
        "{table}"
    );
    assert!(table.contains("allowed  refused only_on_premises"), "{table}");
    let object = ask(&scene.hub, "zhipu", "auditor", &[&of[..], &["--json"]].concat());
    let object: Value = serde_json::from_str(&object).unwrap();
    assert_eq!((&object["changed"], &object["cut"]), (&json!(2), &json!(false)));
    assert_eq!(object["tenants"][0]["models"], json!([MODEL]));
    scene
        .submitter
        .post("/v1/batches", &contract("research"))
        .await
        .expect(201);
    // What changed about the facts meanwhile is not what the simulation is about.
    scene
        .reviewer
        .post(&path(&asked, "/revoke"), &json!({ "reason": "recalled" }))
        .await
        .expect(200);
    let object = ask(&scene.hub, "zhipu", "reviewer", &[&of[..], &["--json"]].concat());
    let object: Value = serde_json::from_str(&object).unwrap();
    let evaluation = object["tenants"][0]["changes"].as_array().unwrap().iter();
    let evaluation: Vec<&Value> = evaluation
        .filter(|change| change["purpose"] == "evaluation")
        .collect();
    assert_eq!(
        (&evaluation[0]["decided"], &evaluation[0]["today"]),
        (&json!("allowed"), &json!("refused"))
    );
}

#[tokio::test]
async fn a_simulation_of_new_terms_shows_who_would_have_to_accept_again() {
    let scene = Scene::set().await;
    scene.accepted(&["evaluation"]).await;
    scene.open("evaluation").await.expect(201);
    scene.open("research").await.expect(201);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("LICENSE");
    fs::write(&file, "A new text.\n").unwrap();
    let terms = format!("glm-4={}", file.display());
    let table = ask(&scene.hub, "zhipu", "reviewer", &["simulate", "--terms", &terms]);
    assert!(
        table.contains("1 of 2 decisions") && table.contains("refused terms_superseded"),
        "{table}"
    );
    let bad = json!({ "days": 7, "files": [{ "name": "rules/x.cedar", "text": "permit;" }] });
    scene
        .reviewer
        .post("/v1/policies/simulate", &bad)
        .await
        .refused(400, "policies_invalid");
    scene
        .reviewer
        .post("/v1/policies/simulate", &json!({ "days": 0 }))
        .await
        .refused(400, "days_out_of_range");
    scene
        .submitter
        .post("/v1/policies/simulate", &json!({ "days": 1 }))
        .await
        .refused(403, "missing_role");
}

#[tokio::test]
async fn a_simulation_that_is_cut_says_so() {
    let hub = Hub::start_with(&[("GLMHUB_POLICIES__MOST_REPLAYED", "1")]);
    let weights = WeightsFolder::new();
    hub.import(MODEL, weights.path());
    let submitter = hub.client("acme", &["submitter"]);
    for _ in 0..2 {
        submitter
            .post("/v1/batches", &contract("research"))
            .await
            .expect(201);
    }
    let told = hub
        .client("acme", &["auditor"])
        .post("/v1/policies/simulate", &json!({ "days": 1 }))
        .await;
    let told = told.expect(200).json();
    assert_eq!((&told["replayed"], &told["cut"]), (&json!(1), &json!(true)));
}

#[test]
fn files_are_checked_without_a_hub_and_faults_are_told_with_line_and_column() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let good = write("contracts.cedar", CONTRACTS);
    assert_eq!(perform(&["policy", "check", &good]).well(), "1 files are good\n");
    let rules = write("bad.cedar", &CONTRACTS.replace("context.site", "context.sight"));
    let license = write("x.toml", "id = \"x\"\ntitle = 1\n");
    let cases = write("cases/own.toml", "[[case]]\nsays = 1\n");
    let ended = perform(&["policy", "check", &rules, &license, &cases]);
    assert_eq!(ended.code, Some(1));
    for place in [
        format!("{rules}:7:"),
        format!("{license}:2:9: "),
        format!("{cases}:2:8: "),
    ] {
        assert!(
            ended.stdout.contains(&place),
            "{place} is not in {}",
            ended.stdout
        );
    }
    let complaint = perform(&["policy", "check", "README"]).badly(1);
    assert!(complaint.contains("README"), "{complaint}");
}

#[test]
fn cases_of_ones_own_are_decided_under_ones_own_rules() {
    let told = perform(&["policy", "test"]).well();
    assert!(told.contains("cases/glm-4.toml: 28 held, 0 did not"), "{told}");
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("rules")).unwrap();
    fs::create_dir_all(folder.path().join("cases")).unwrap();
    fs::write(folder.path().join("rules/contracts.cedar"), CONTRACTS).unwrap();
    let case = |codes: &str| {
        format!(
            "[[case]]\nsays = \"contracts stay here\"\nmodel = \"acme/reader\"\npurpose = \"research\"\n\
             metadata = {{ kind = \"contract\" }}\nlicenses = {{ \"acme/reader\" = \"mit\" }}\nrefused_for = [{codes}]\n"
        )
    };
    let file = folder.path().join("cases/contracts.toml");
    let test = ["policy", "test", "--folder", folder.path().to_str().unwrap()];
    fs::write(&file, case("\"only_on_premises\"")).unwrap();
    assert!(
        perform(&test)
            .well()
            .contains("contracts.toml: 1 held, 0 did not")
    );
    fs::write(&file, case("")).unwrap();
    let ended = perform(&test);
    assert_eq!(ended.code, Some(1));
    let place = format!("{}:1:1: contracts stay here: expected an allow", file.display());
    assert!(ended.stdout.contains(&place), "{}", ended.stdout);
}
