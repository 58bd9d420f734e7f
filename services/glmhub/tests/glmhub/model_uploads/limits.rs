//! How much may be uploaded, and where.

use super::{MODEL, Scene, declared, location, reader};
use crate::{
    fleet::bucket::{BUCKET, Bucket},
    hub::Hub,
    registration::model,
    upload_links::started_on,
};
use serde_json::{Value, json};

fn file(path: &str, bytes: u64) -> Value {
    json!({ "path": path, "sha256": "0".repeat(64), "bytes": bytes })
}

#[tokio::test]
async fn limits_hold_at_their_edges() {
    let bucket = Bucket::start();
    let settings = [
        ("GLMHUB_MODEL_UPLOADS__MOST_FILES", "3"),
        ("GLMHUB_MODEL_UPLOADS__MOST_BYTES", "10000"),
        ("GLMHUB_MODEL_UPLOADS__MOST_TEXT_BYTES", "100"),
        ("GLMHUB_MODEL_UPLOADS__MOST_OPEN", "2"),
    ];
    let scene = Scene::set(&bucket, &settings).await;
    let weights = |bytes| file("a.safetensors", bytes);
    let refusals = [
        (vec![], 422, "files_invalid"),
        (
            vec![file("a", 1), file("b", 1), file("c", 1), file("d", 1)],
            422,
            "files_invalid",
        ),
        (vec![weights(10_001)], 413, "model_too_large"),
        (vec![weights(9_901), file("b", 100)], 413, "model_too_large"),
        (vec![file("b", 101)], 413, "model_too_large"),
        (vec![file("b", 0)], 422, "files_invalid"),
        (vec![file("b/c", 1)], 422, "files_invalid"),
        (vec![file("..", 1)], 422, "files_invalid"),
        (vec![file("b", 1), file("B", 1)], 422, "files_invalid"),
        (
            vec![json!({ "path": "b", "sha256": "abc", "bytes": 1 })],
            400,
            "json_malformed",
        ),
        (
            vec![json!({ "path": "b", "sha256": "0".repeat(64), "bytes": -1 })],
            400,
            "json_malformed",
        ),
    ];
    for (files, status, code) in refusals {
        scene.open(&files).await.refused(status, code);
    }
    let first = scene
        .open(&[weights(9_800), file("b", 100), file("c", 100)])
        .await
        .expect(201);
    scene.open(&[weights(10_000)]).await.expect(201);
    let third = scene
        .open(&[weights(9)])
        .await
        .refused(409, "too_many_model_uploads");
    assert_eq!(third["limit"], 2);
    // What was opened before is still the same, and what is over makes room.
    let again = [weights(9_800), file("b", 100), file("c", 100)];
    scene.open(&again).await.expect(200);
    let upload = location(&first);
    for limit in [0, 101] {
        let parts = format!("{upload}/parts?path=b&limit={limit}");
        scene
            .registrar
            .get(&parts)
            .await
            .refused(400, "limit_out_of_range");
    }
    let parts = format!("{upload}/parts?path=absent");
    scene.registrar.get(&parts).await.refused(404, "not_found");
    scene.registrar.delete(&upload).await.expect(200);
    scene.open(&[weights(9)]).await.expect(201);
}

#[tokio::test]
async fn a_hub_without_upload_links_says_so() {
    let (bucket, files) = (Bucket::start(), declared(reader().path()));
    let silent = started_on(&format!("http://{}", bucket.address()), BUCKET, &[]);
    for hub in [&Hub::start(), &silent] {
        let registrar = hub.client("acme", &["registrar"]);
        registrar
            .post("/v1/models", &model(MODEL, "glm-4", &[]))
            .await
            .expect(201);
        let asked = registrar
            .post("/v1/model-uploads", &json!({ "model": MODEL, "files": files }))
            .await;
        asked.refused(409, "no_upload_links");
    }
}

#[tokio::test]
async fn a_request_that_is_sent_again_opens_nothing_again() {
    let bucket = Bucket::start();
    let scene = Scene::set(&bucket, &[]).await;
    let body = json!({ "model": MODEL, "files": declared(reader().path()) });
    let mut opened = Vec::new();
    for _ in 0..2 {
        let fill = |request: reqwest::RequestBuilder| request.header("idempotency-key", "once").json(&body);
        let answer = scene.registrar.send("POST", "/v1/model-uploads", fill).await;
        opened.push(answer.expect(201).json());
    }
    assert_eq!(opened[0], opened[1]);
}
