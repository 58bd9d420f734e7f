//! Models that are registered through the API, and the effective terms of a revision, from outside.

use crate::{
    licence::{
        commands::license,
        scene::{MODEL, Scene},
    },
    process::perform_in,
    weights::WeightsFolder,
};
use serde_json::{Value, json};

pub fn model(name: &str, license: &str, parents: &[&str]) -> Value {
    let parent = |name: &&str| json!({ "model": name, "relation": "finetune", "evidence": "its card" });
    json!({
        "id": name, "license": { "id": license, "source": "its card" },
        "parents": parents.iter().map(parent).collect::<Vec<_>>(),
    })
}

#[tokio::test]
async fn what_descends_from_glm_4_is_registered_under_a_name_that_begins_with_it() {
    let scene = Scene::set().await;
    let registrar = scene.hub.client("zhipu", &["registrar"]);
    let named = model("acme/glm-4-reader", "mit", &[MODEL]);
    let made = registrar.post("/v1/models", &named).await.expect(201);
    assert_eq!(made.header("location"), Some("/v1/models/acme/glm-4-reader"));
    let made = made.json();
    assert_eq!(made["parents"][0]["model"], MODEL);
    assert_eq!(
        scene
            .submitter
            .get("/v1/models/acme/glm-4-reader")
            .await
            .expect(200)
            .json(),
        made
    );
    // Two steps away, and under a free license of its own.
    let wrong = model("acme/reader", "apache-2.0", &["acme/glm-4-reader"]);
    let refused = registrar.post("/v1/models", &wrong).await;
    let told = refused.refused(422, "name_prefix_required");
    assert_eq!(told["path"], json!(["acme/reader", "acme/glm-4-reader", MODEL]));
    assert_eq!(
        (&told["prefix"], &told["license"]),
        (&json!("glm-4"), &json!("glm-4"))
    );
    assert!(told["cure"].as_str().unwrap().contains("glm-4"), "{told}");
    scene
        .submitter
        .get("/v1/models/acme/reader")
        .await
        .refused(404, "model_unknown");
    registrar
        .post("/v1/models", &named)
        .await
        .refused(409, "model_registered");
    let orphan = model("acme/orphan", "mit", &["no/such"]);
    registrar
        .post("/v1/models", &orphan)
        .await
        .refused(422, "parent_unknown");
    let lawless = model("acme/lawless", "my-own", &[]);
    registrar
        .post("/v1/models", &lawless)
        .await
        .refused(422, "license_unknown");
    let unsaid = json!({ "id": "acme/unsaid", "license": { "id": "mit", "source": " " } });
    registrar
        .post("/v1/models", &unsaid)
        .await
        .refused(422, "registration_invalid");
    let free = model("acme/free", "mit", &[]);
    scene
        .submitter
        .post("/v1/models", &free)
        .await
        .refused(403, "missing_role");
    registrar.post("/v1/models", &free).await.expect(201);
}

#[tokio::test]
async fn the_terms_of_a_revision_are_those_of_its_whole_lineage_with_the_way_to_each() {
    let scene = Scene::set().await;
    let registrar = scene.hub.client("zhipu", &["registrar"]);
    let name = "acme/glm-4-reader";
    registrar
        .post("/v1/models", &model(name, "mit", &[MODEL]))
        .await
        .expect(201);
    // Other weights, so that the revision is its own.
    let weights = WeightsFolder::new();
    weights.write("README.md", b"finetuned");
    let from = weights.path().to_str().unwrap();
    perform_in(
        &scene.hub.data(),
        &["model", "import", "--model", name, "--from", from],
        &[],
    )
    .well();
    let shown = scene
        .submitter
        .get(&format!("/v1/models/{name}"))
        .await
        .expect(200)
        .json();
    let sha256 = shown["revision"]["sha256"].as_str().unwrap();
    let path = format!("/v1/models/{name}/revisions/{sha256}/terms");
    let terms = scene.submitter.get(&path).await.expect(200).json();
    let encoded = format!("/v1/models/acme%2Fglm-4-reader/revisions/{sha256}/terms");
    assert_eq!(scene.submitter.get(&encoded).await.expect(200).json(), terms);
    let way = json!([name, MODEL]);
    let commercial = &terms["purposes"]["commercial"];
    assert_eq!(commercial["permission"], "permitted");
    let conditions: Vec<&Value> = commercial["conditions"].as_array().unwrap().iter().collect();
    assert_eq!(conditions.len(), 3);
    assert!(conditions.iter().all(|one| one["path"] == way), "{conditions:?}");
    assert_eq!(terms["purposes"]["research"]["conditions"], json!([]));
    let duties = terms["duties"].as_array().unwrap();
    let of = |kind: &str| duties.iter().find(|duty| duty["kind"] == kind).unwrap();
    assert_eq!(of("notice")["path"], json!([name]));
    assert_eq!(
        (&of("attribution")["text"], &of("attribution")["path"]),
        (&json!("Built with glm-4"), &way)
    );
    assert_eq!(terms["revocable"], json!({ "license": "glm-4", "path": way }));
    assert_eq!(terms["lineage"].as_array().unwrap().len(), 3);
    let by_command = |more: &[&str]| {
        license(
            &scene,
            "acme",
            "submitter",
            &[&["show", "--model", name], more].concat(),
        )
    };
    let told = by_command(&["--json"]).well();
    assert_eq!(serde_json::from_str::<Value>(&told).unwrap(), terms);
    let told = by_command(&["--revision", sha256]).well();
    for line in [
        format!("{name}, revision {sha256}\n"),
        "  commercial     permitted\n".to_owned(),
        format!("                 after registration (glm-4, by way of {name} > {MODEL})\n"),
        format!("  duty           attribution \"Built with glm-4\" (glm-4, by way of {name} > {MODEL})\n"),
        format!("  revocable      yes (glm-4, by way of {name} > {MODEL})\n"),
        format!("  bears on it    {MODEL} under glm-4, its text {}\n", scene.terms),
    ] {
        assert!(told.contains(&line), "{line}: {told}");
    }
    by_command(&["--revision", &"0".repeat(64)]).badly(1);
    by_command(&["--terms", &scene.terms]).badly(2);
    license(&scene, "acme", "submitter", &["show"]).badly(2);
    let absent = "0".repeat(64);
    let absent = format!("/v1/models/{name}/revisions/{absent}/terms");
    scene.submitter.get(&absent).await.refused(404, "not_found");
}
