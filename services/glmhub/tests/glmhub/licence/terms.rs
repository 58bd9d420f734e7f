//! The texts of a license: published, listed, compared.

use super::scene::{MODEL, Scene};
use crate::{client::Client, weights::TERMS};
use serde_json::{Value, json};

const NEWER: &str = "Rehearsal terms.\r\n\r\n  Research is free.  \n商业用途须登记，并须审核。\n";

async fn publish(client: &Client, license: &str, body: &[u8], media_type: &str) -> crate::client::Answer {
    let body = body.to_vec();
    let path = format!("/v1/licenses/{license}/terms");
    let fill = |request: reqwest::RequestBuilder| request.header("content-type", media_type).body(body);
    client.send("PUT", &path, fill).await
}

#[tokio::test]
async fn a_registrar_publishes_a_text_that_can_be_accepted_before_weights_come_with_it() {
    let mut scene = Scene::set().await;
    let registrar = scene.hub.client("zhipu", &["registrar"]);
    let text = "text/plain; charset=utf-8";
    publish(&scene.signatory, "glm-4", NEWER.as_bytes(), text)
        .await
        .refused(403, "missing_role");
    let published = publish(&registrar, "glm-4", NEWER.as_bytes(), text).await;
    let newer = published.expect(201).json()["sha256"]
        .as_str()
        .unwrap()
        .to_owned();
    let again = publish(&registrar, "glm-4", NEWER.as_bytes(), text).await;
    assert_eq!(again.expect(200).json()["sha256"], newer.as_str());
    let listed = scene
        .submitter
        .get("/v1/licenses/glm-4/terms")
        .await
        .expect(200)
        .json();
    let versions = listed["data"].as_array().unwrap();
    assert_eq!(
        (&versions[0]["sha256"], &versions[0]["newest"]),
        (&json!(newer), &json!(true))
    );
    let diff = format!("/v1/licenses/glm-4/terms/{newer}/diff?against={}", scene.terms);
    assert_eq!(versions[0]["diff"], diff.as_str());
    // The model stays under the text that its weights came with.
    assert_eq!(versions[1]["models"], json!([MODEL]));
    assert_eq!(scene.accepted(&["evaluation"]).await["state"], "active");
    let mut ahead = scene.acceptance(&["evaluation"]);
    ahead.as_object_mut().unwrap().remove("model");
    ahead["license"] = "glm-4".into();
    ahead["terms_sha256"] = newer.as_str().into();
    scene.signatory.post("/v1/acceptances", &ahead).await.expect(201);
    scene.open("evaluation").await.expect(201);
    // Now weights come with it, and nobody is interrupted.
    scene.weights.write("LICENSE", NEWER.as_bytes());
    scene.hub.import(MODEL, scene.weights.path());
    scene.terms = newer;
    scene.open("evaluation").await.expect(201);
}

#[tokio::test]
async fn what_is_no_text_of_terms_is_refused_and_the_limit_is_kept_to_the_byte() {
    let hub = crate::hub::Hub::start_with(&[("GLMHUB_ACCEPTANCES__MOST_TERMS_BYTES", "64")]);
    let registrar = hub.client("zhipu", &["registrar"]);
    let text = "text/plain";
    publish(&registrar, "glm-4", &[b'a'; 64], text).await.expect(201);
    let problem = publish(&registrar, "glm-4", &[b'a'; 65], text).await;
    assert_eq!(problem.refused(413, "body_too_large")["limit"], 64);
    for nothing in [&b""[..], b" \n", b"a\0b", b"\xff"] {
        publish(&registrar, "glm-4", nothing, text)
            .await
            .refused(400, "terms_invalid");
    }
    publish(&registrar, "glm-4", b"x", "text/html")
        .await
        .refused(415, "content_type_wrong");
    publish(&registrar, "gpl", b"x", text)
        .await
        .refused(404, "license_unknown");
    registrar
        .get("/v1/licenses/gpl/terms")
        .await
        .refused(404, "not_found");
}

#[tokio::test]
async fn two_texts_are_compared_by_lines_as_text_and_as_objects() {
    let scene = Scene::set().await;
    let registrar = scene.hub.client("zhipu", &["registrar"]);
    let published = publish(&registrar, "glm-4", NEWER.as_bytes(), "text/plain").await;
    let newer = published.expect(201).json()["sha256"]
        .as_str()
        .unwrap()
        .to_owned();
    let of = |new: &str, old: &str| format!("/v1/licenses/glm-4/terms/{new}/diff?against={old}");
    let path = of(&newer, &scene.terms);
    let shown = scene.signatory.get(&path).await.expect(200);
    assert_eq!(shown.header("content-type"), Some("text/plain; charset=utf-8"));
    let last = |text: &str| text.lines().last().unwrap().to_owned();
    let text = shown.text();
    assert!(text.starts_with(&format!("--- {}\n+++ {newer}\n@@ -1,4 +1,4 @@\n", scene.terms)));
    assert!(
        text.contains(&format!("-{}\n+{}\n", last(TERMS), last(NEWER))),
        "{text}"
    );
    let objects = scene
        .signatory
        .send("GET", &path, |request| {
            request.header("accept", "application/json")
        })
        .await
        .expect(200)
        .json();
    assert_eq!(objects["from"], scene.terms.as_str());
    let lines = objects["hunks"][0]["lines"].as_array().unwrap();
    let changed = |word: &str| {
        let found = lines.iter().filter(|line| line["change"] == word);
        found.map(|line| line["text"].clone()).collect::<Vec<Value>>()
    };
    assert_eq!(changed("removed"), [last(TERMS) + "\n"]);
    assert_eq!(changed("added"), [last(NEWER) + "\n"]);
    let same = scene.signatory.get(&of(&newer, &newer)).await.expect(200);
    assert_eq!(same.text(), "");
    let nowhere = "0".repeat(64);
    for path in [of(&nowhere, &newer), of(&newer, &nowhere)] {
        scene.signatory.get(&path).await.refused(404, "not_found");
    }
    scene
        .signatory
        .get(&format!("/v1/licenses/glm-4/terms/{newer}/diff"))
        .await
        .refused(400, "query_malformed");
}
