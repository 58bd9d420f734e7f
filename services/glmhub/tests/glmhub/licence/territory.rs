//! Where a licence permits a purpose, and where the tenant says that it is.

use super::{
    commands::{SIGNER, license},
    scene::{MODEL, Scene},
};
use crate::dashboard::browser::Browser;
use serde_json::{Value, json};
use std::fs;

/// The facts of glm-4, where evaluation is permitted as `clause` says; put into force.
async fn permit(scene: &Scene, clause: &str) {
    let facts = include_str!("../../../../../policies/licenses/glm-4.toml");
    let asked = "conditions = [\"acceptance\"]\n";
    let facts = facts.replace(asked, &format!("{asked}{clause}\n"));
    let folder = scene.hub.data().join("policies/licenses");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("glm-4.toml"), facts).unwrap();
    let operator = scene.hub.client("acme", &["operator"]);
    let reloaded = operator.post("/v1/policies/reload", &json!({})).await;
    assert_eq!(reloaded.expect(200).json()["changed"], true);
}

fn naming(scene: &Scene, territory: &str) -> Value {
    let mut body = scene.acceptance(&["evaluation"]);
    body["territory"] = territory.into();
    body
}

#[tokio::test]
async fn a_tenant_works_where_the_licence_permits_it_and_says_so_first() {
    let scene = Scene::set().await;
    let accept = async |body: &Value| scene.signatory.post("/v1/acceptances", body).await;
    let unsaid = scene.accepted(&["evaluation"]).await;
    assert_eq!(
        (&unsaid["state"], &unsaid["territory"]),
        (&json!("active"), &Value::Null)
    );
    scene.open("evaluation").await.expect(201);
    permit(&scene, "territories = [\"CN\", \"SG\"]").await;
    let refusal = scene.open("evaluation").await.refused(403, "territory_unknown");
    let cure = refusal["cure"].as_str().unwrap();
    assert!(
        cure.contains("POST /v1/acceptances") && cure.contains("only in CN, SG"),
        "{cure}"
    );
    scene.open("research").await.expect(201);
    let bare = accept(&scene.acceptance(&["evaluation"])).await;
    bare.refused(400, "territory_unknown");
    accept(&naming(&scene, "DE"))
        .await
        .refused(400, "territory_not_permitted");
    accept(&naming(&scene, "EU")).await.refused(400, "json_malformed");
    let said = accept(&naming(&scene, "SG")).await.expect(201).json();
    assert_eq!(
        (&said["state"], &said["territory"]),
        (&json!("active"), &json!("SG"))
    );
    accept(&naming(&scene, "SG"))
        .await
        .refused(409, "already_accepted");
    scene.open("evaluation").await.expect(201);
    permit(&scene, "except_territories = [\"SG\"]").await;
    let refusal = scene
        .open("evaluation")
        .await
        .refused(403, "territory_not_permitted");
    let detail = refusal["detail"].as_str().unwrap();
    assert!(
        detail.contains("everywhere but in SG, and acceptance acc_"),
        "{detail}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn territories_are_shown_and_named_by_commands_and_told_in_effective_terms() {
    let scene = Scene::set().await;
    permit(&scene, "until = \"2090-01-01T00:00:00Z\"\nterritories = [\"CN\"]").await;
    let shown = license(&scene, "acme", "signatory", &["show", "glm-4"]).well();
    let line = "  evaluation     permitted after acceptance, until 2090-01-01T00:00:00Z, only in CN\n";
    assert!(shown.contains(line), "{shown}");
    let accept = |more: &[&str]| {
        let what = [
            "accept",
            "--model",
            MODEL,
            "--current",
            "--purpose",
            "evaluation",
            "--yes",
        ];
        license(&scene, "acme", "signatory", &[&what[..], &SIGNER, more].concat())
    };
    accept(&["--territory", "china"]).badly(2);
    let unsaid = accept(&[]).badly(1);
    assert!(unsaid.contains("territory_unknown"), "{unsaid}");
    let said = accept(&["--territory", "CN"]).well();
    assert!(said.contains("  territory     CN\n"), "{said}");
    scene.open("evaluation").await.expect(201);
    let id = said.split(' ').next().unwrap();
    let browser = Browser::open(&scene.hub, "zhipu", "reviewer").await;
    let page = browser
        .get(&format!("/admin/reviews/{id}"))
        .await
        .expect(200)
        .text();
    assert!(page.contains("<dt>Territory</dt><dd>CN</dd>"), "{page}");
    let told = license(&scene, "acme", "signatory", &["show", "--model", MODEL]).well();
    let cause = format!("(glm-4, by way of {MODEL})");
    let lines = format!(
        "after acceptance {cause}\n                 until 2090-01-01T00:00:00Z {cause}\n                 only in CN\n"
    );
    assert!(told.contains(&lines), "{told}");
    told_with_the_model(&scene).await;
    let model = scene
        .submitter
        .get(&format!("/v1/models/{MODEL}"))
        .await
        .expect(200)
        .json();
    let revision = model["revision"]["sha256"].as_str().unwrap();
    let terms = format!("/v1/models/{MODEL}/revisions/{revision}/terms");
    let terms = scene.submitter.get(&terms).await.expect(200).json();
    let evaluation = &terms["purposes"]["evaluation"];
    assert_eq!(evaluation["territories"], json!({ "only": ["CN"] }));
    let clause = json!([{ "only": ["CN"], "license": "glm-4", "path": [MODEL] }]);
    assert_eq!(evaluation["clauses"], clause);
    let end = json!({ "until": "2090-01-01T00:00:00Z", "license": "glm-4", "path": [MODEL] });
    assert_eq!(evaluation["ends"], end);
    let research = &terms["purposes"]["research"];
    assert_eq!(
        (&research["ends"], &research["territories"]),
        (&Value::Null, &Value::Null)
    );
}

/// Its page and its bill of materials say until when and where.
async fn told_with_the_model(scene: &Scene) {
    let limits = "until 2090-01-01T00:00:00Z, only in CN";
    let page = scene
        .submitter
        .send_unjudged("GET", &format!("/models/{MODEL}"), |request| request)
        .await
        .expect(200)
        .text();
    let evaluation = format!("permitted after acceptance of the terms, {limits}");
    assert!(page.contains(&evaluation), "{page}");
    let bom = scene
        .submitter
        .get(&format!("/v1/models/{MODEL}/bom"))
        .await
        .expect(200)
        .json();
    let properties = &bom["metadata"]["component"]["properties"];
    let said = json!({ "name": "glmhub:purpose:evaluation:limits", "value": limits });
    assert!(properties.as_array().unwrap().contains(&said), "{properties:#}");
}
