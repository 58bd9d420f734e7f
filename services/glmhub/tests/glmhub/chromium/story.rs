//! The whole story of an acceptance in a browser: seen, read, approved, at work, revoked, stopped.

use super::Chromium;
use crate::{dashboard::browser::link, licence::scene::path, revocation::scene::Work};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_held_batch_is_seen_to_start_when_its_request_is_approved_and_to_stop_when_it_is_revoked() {
    let Some(chromium) = Chromium::named() else {
        return;
    };
    let mut work = Work::with_orders_at_once(1).await;
    let batch = work.batch(6, 40).await;
    work.revoke().await;
    work.all_stopped(&batch).await;
    let scene = &work.scene;
    // An older text was accepted before, so that there is a difference to read.
    let registrar = scene.hub.client("zhipu", &["registrar"]);
    let put = registrar.send("PUT", "/v1/licenses/glm-4/terms", |request| {
        request
            .header("content-type", "text/plain")
            .body("An older text.\n")
    });
    let older = put.await.expect(201).json()["sha256"].clone();
    let evaluation = json!({
        "license": "glm-4", "terms_sha256": older, "purposes": ["evaluation"],
        "signer": { "name": "the signatory", "title": "General counsel" },
    });
    scene
        .signatory
        .post("/v1/acceptances", &evaluation)
        .await
        .expect(201);
    let request = scene.accepted(&["commercial"]).await;
    let given = json!({
        "url": scene.hub.url(), "batch": batch.rsplit('/').next(), "request": request["id"],
        "reviewer": link(&scene.hub, "zhipu", &["reviewer"]), "submitter": link(&scene.hub, "acme", &["submitter"]),
    });
    chromium.run("story.cjs", given).await.well();
    let revoked = scene.reviewer.get(&path(&request, "")).await.expect(200).json();
    assert_eq!(revoked["state"], "revoked");
}
