//! Evidence and comments, and what webhooks tell of acceptances.

use super::{
    life::in_seconds,
    scene::{Scene, path},
};
use crate::{
    client::{Answer, Client},
    receiver::Receiver,
    webhooks::{LOOPBACK, endpoint},
};
use serde_json::{Value, json};

const PDF: &str = "application/pdf";

async fn add(client: &Client, acceptance: &Value, name: &str, bytes: &[u8], media_type: &str) -> Answer {
    let (body, media_type) = (bytes.to_vec(), media_type.to_owned());
    let path = path(acceptance, &format!("/evidence?name={name}"));
    let fill = |request: reqwest::RequestBuilder| request.header("content-type", media_type).body(body);
    client.send("POST", &path, fill).await
}

#[tokio::test]
async fn evidence_is_kept_by_digest_and_handed_out_as_a_file_never_as_a_page() {
    let scene = Scene::set().await;
    let asked = scene.accepted(&["commercial"]).await;
    let hostile = b"%PDF-1.7 <script>alert(1)</script>";
    let added = add(&scene.signatory, &asked, "register%22%0A.pdf", hostile, PDF).await;
    added.refused(400, "document_name_malformed");
    let added = add(&scene.signatory, &asked, "a%22;b=%E5%8F%B7.pdf", hostile, PDF)
        .await
        .expect(201)
        .json();
    assert_eq!(
        (&added["bytes"], &added["media_type"]),
        (&json!(hostile.len()), &json!(PDF))
    );
    assert_eq!(added["by"], json!({ "tenant": "acme", "member": "li" }));
    let again = add(&scene.signatory, &asked, "other.pdf", hostile, PDF).await;
    assert_eq!(again.expect(201).json(), added);
    let file = path(
        &asked,
        &format!("/evidence/{}", added["sha256"].as_str().unwrap()),
    );
    for reader in [&scene.signatory, &scene.reviewer, &scene.submitter] {
        let read = reader.get(&file).await.expect(200);
        assert_eq!(read.body, hostile);
        let header = |name| read.header(name).unwrap();
        assert!(header("content-disposition").starts_with("attachment;"));
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert!(header("content-security-policy").starts_with("sandbox"));
    }
    let other = scene.hub.client("other", &["signatory", "operator", "auditor"]);
    for place in [&file, &path(&asked, "/evidence"), &path(&asked, "/comments")] {
        other.get(place).await.refused(404, "not_found");
    }
    add(&other, &asked, "x", b"x", PDF)
        .await
        .refused(404, "not_found");
    add(&scene.submitter, &asked, "x", b"x", PDF)
        .await
        .refused(403, "missing_role");
    let listed = scene
        .reviewer
        .get(&path(&asked, "/evidence"))
        .await
        .expect(200)
        .json();
    assert_eq!(listed["data"], json!([added]));
    let seen = scene.signatory.get(&path(&asked, "")).await.expect(200).json();
    assert_eq!(seen["evidence_files"], 1);
    let approval = json!({ "verdict": "approve" });
    scene
        .reviewer
        .post(&path(&asked, "/review"), &approval)
        .await
        .expect(200);
    add(&scene.signatory, &asked, "late.pdf", b"late", PDF)
        .await
        .refused(409, "acceptance_state");
    scene.signatory.get(&file).await.expect(200);
}

#[tokio::test]
async fn evidence_is_limited_in_size_number_and_kind() {
    let scene = Scene::set_with(&[
        ("GLMHUB_ACCEPTANCES__MOST_EVIDENCE_BYTES", "100"),
        ("GLMHUB_ACCEPTANCES__MOST_EVIDENCE_FILES", "2"),
        ("GLMHUB_ACCEPTANCES__MOST_COMMENTS", "1"),
    ])
    .await;
    let asked = scene.accepted(&["commercial"]).await;
    let client = &scene.signatory;
    add(client, &asked, "x", b"", PDF)
        .await
        .refused(400, "empty_document");
    add(client, &asked, "x", &[b'x'; 101], PDF)
        .await
        .refused(413, "document_too_large");
    add(client, &asked, "x", b"<html>", "text/html")
        .await
        .refused(415, "content_type_wrong");
    add(client, &asked, "x", &[b'x'; 100], PDF).await.expect(201);
    add(client, &asked, "y", b"y", "image/png").await.expect(201);
    let problem = add(client, &asked, "z", b"z", PDF).await;
    assert_eq!(problem.refused(409, "too_many_files")["limit"], 2);
    // One that is there already is no more.
    add(client, &asked, "y", b"y", "image/png").await.expect(201);
    let comment = |text: &str| json!({ "text": text });
    let comments = path(&asked, "/comments");
    client
        .post(&comments, &comment(&"字".repeat(4000)))
        .await
        .expect(201);
    client
        .post(&comments, &comment("one more"))
        .await
        .refused(409, "too_many_comments");
    for bad in [comment(" "), comment(&"x".repeat(4001)), comment("a\0b")] {
        client.post(&comments, &bad).await.refused(400, "comment_invalid");
    }
}

#[tokio::test]
async fn reviewer_and_tenant_talk_to_each_other_beside_an_acceptance() {
    let scene = Scene::set().await;
    let asked = scene.accepted(&["commercial"]).await;
    let comments = path(&asked, "/comments");
    let question = json!({ "text": "Which register is R-1 of?" });
    let first = scene.reviewer.post(&comments, &question).await.expect(201).json();
    assert_eq!(first["by"], json!({ "tenant": "zhipu", "member": "li" }));
    let answer = json!({ "text": "The licensor's." });
    scene.signatory.post(&comments, &answer).await.expect(201);
    scene
        .submitter
        .post(&comments, &answer)
        .await
        .refused(403, "missing_role");
    scene
        .hub
        .client("other", &["signatory"])
        .post(&comments, &answer)
        .await
        .refused(404, "not_found");
    let page = scene
        .submitter
        .get(&format!("{comments}?limit=1"))
        .await
        .expect(200)
        .json();
    assert_eq!(page["data"], json!([first]));
    let rest = format!("{comments}?after={}", page["next"].as_str().unwrap());
    let rest = scene.submitter.get(&rest).await.expect(200).json();
    assert_eq!(rest["data"][0]["text"], answer["text"]);
    let seen = scene.signatory.get(&path(&asked, "")).await.expect(200).json();
    assert_eq!(
        (&seen["comments"], &seen["state"]),
        (&json!(2), &json!("under_review"))
    );
}

#[tokio::test]
async fn webhooks_tell_of_every_change_of_an_acceptance_and_of_its_end() {
    let receiver = Receiver::answering(200).await;
    let scene = Scene::set_with(&[LOOPBACK, ("GLMHUB_ACCEPTANCES__CHECK_SECONDS", "1")]).await;
    let endpoint = endpoint(&scene.submitter, &receiver.url()).await;
    let secret = endpoint["secret"].as_str().unwrap();
    let asked = scene.accepted(&["commercial"]).await;
    let reason = json!({ "reason": "a reason nobody outside shall read" });
    let approval = json!({ "verdict": "approve", "valid_until": in_seconds(6) });
    scene
        .reviewer
        .post(&path(&asked, "/review"), &approval)
        .await
        .expect(200);
    for act in ["/suspend", "/resume"] {
        scene.reviewer.post(&path(&asked, act), &reason).await.expect(200);
    }
    let came = receiver.first(5).await;
    let told: Vec<Value> = came.iter().map(|one| one.verified(secret)).collect();
    let mut types: Vec<&str> = told.iter().map(|one| one["type"].as_str().unwrap()).collect();
    types.sort_unstable();
    assert_eq!(
        types,
        [
            "acceptance.approved",
            "acceptance.expired",
            "acceptance.expiring",
            "acceptance.resumed",
            "acceptance.suspended"
        ]
    );
    for one in &told {
        assert_eq!(one["data"]["acceptance"], asked["id"]);
        let url = scene.hub.url().to_owned() + &path(&asked, "");
        assert_eq!(one["data"]["url"], url.as_str());
        assert!(!one.to_string().contains("nobody outside"), "{one}");
    }
    let reminder = told
        .iter()
        .find(|one| one["type"] == "acceptance.expiring")
        .unwrap();
    assert_eq!(reminder["data"]["days_left"], 1);
    let seen = scene.signatory.get(&path(&asked, "")).await.expect(200).json();
    assert_eq!(seen["state"], "expired");
}
