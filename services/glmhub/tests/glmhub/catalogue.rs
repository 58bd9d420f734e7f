//! Models and licenses as callers see them.

use crate::licence::scene::{MODEL, Scene};
use serde_json::Value;

#[tokio::test]
async fn the_catalogue_is_open_to_every_role_and_pages_by_name() {
    let scene = Scene::set().await;
    for role in [
        "submitter",
        "signatory",
        "reviewer",
        "registrar",
        "operator",
        "auditor",
    ] {
        let reader = scene.hub.client("acme", &[role]);
        let page = reader.get("/v1/models?limit=1").await.expect(200).json();
        assert_eq!(page["data"][0]["id"], "THUDM/glm-4-9b");
        let next = format!("/v1/models?after={}", page["next"].as_str().unwrap());
        assert_eq!(reader.get(&next).await.expect(200).json()["data"][0]["id"], MODEL);
    }
    let licenses = scene.submitter.get("/v1/licenses").await.expect(200).json();
    let ids: Vec<&Value> = licenses["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|license| &license["id"])
        .collect();
    assert_eq!(ids, ["apache-2.0", "cc-by-nc-4.0", "glm-4", "llama3", "mit"]);
    scene
        .submitter
        .get("/v1/licenses/gpl")
        .await
        .refused(404, "not_found");
    scene
        .submitter
        .get(&format!("/v1/licenses/mit/terms/{}", scene.terms))
        .await
        .refused(404, "not_found");
    scene
        .submitter
        .get("/v1/models/no/such")
        .await
        .refused(404, "model_unknown");
    scene
        .submitter
        .get("/v1/models/nothing")
        .await
        .refused(404, "not_found");
}
