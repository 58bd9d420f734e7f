//! The licence from outside: refusal, acceptance, review, revocation.

mod around;
pub mod commands;
mod life;
pub mod scene;
mod terms;
mod territory;

use crate::{
    hub::eventually,
    jobs::{page, submit, upload},
    weights::TERMS,
};
use scene::{MODEL, Scene, path};
use serde_json::{Value, json};

#[tokio::test]
async fn a_refusal_tells_its_reason_its_cure_and_a_decision_that_can_be_looked_up() {
    let scene = Scene::set().await;
    let refusal = scene
        .open("commercial")
        .await
        .refused(403, "license_not_accepted");
    assert!(
        refusal["cure"].as_str().unwrap().contains("POST /v1/acceptances"),
        "{refusal}"
    );
    assert!(
        refusal["cure"].as_str().unwrap().contains(&scene.terms),
        "{refusal}"
    );
    let place = format!("/v1/decisions/{}", refusal["decision_id"].as_str().unwrap());
    let decision = scene.submitter.get(&place).await.expect(200).json();
    assert_eq!(decision["outcome"], "refused");
    assert_eq!(decision["reasons"], refusal["reasons"]);
    assert_eq!(decision["reasons"][0]["path"], json!([MODEL]));
    // The log and the audit log know it by the same id.
    let id = refusal["decision_id"].as_str().unwrap();
    let log = scene.hub.log();
    let line = log
        .lines()
        .find(|line| line.contains(id))
        .expect("the log does not tell of it");
    assert!(
        line.contains("\"refused\"") && line.contains("license_not_accepted"),
        "{line}"
    );
    let entries = scene.hub.audit_log("other").await;
    assert!(entries.contains(id), "the audit log does not tell of it");
    scene
        .hub
        .client("other", &["submitter"])
        .get(&place)
        .await
        .refused(404, "not_found");
    for role in ["auditor", "reviewer"] {
        assert_eq!(
            scene
                .hub
                .client("other", &[role])
                .get(&place)
                .await
                .expect(200)
                .json(),
            decision
        );
    }
}

#[tokio::test]
async fn research_is_free_and_an_unknown_model_is_unknown() {
    let scene = Scene::set().await;
    let opened = scene.open("research").await.expect(201).json();
    let decision = format!("/v1/decisions/{}", opened["decision_id"].as_str().unwrap());
    let decision = scene.submitter.get(&decision).await.expect(200).json();
    assert_eq!(
        (&decision["outcome"], &decision["duties"]),
        (&"allowed".into(), &opened["duties"])
    );
    let questions = json!([{ "text": "?" }]);
    let stray = json!({ "model": "no/such", "purpose": "research", "questions": questions });
    scene
        .submitter
        .post("/v1/batches", &stray)
        .await
        .refused(404, "model_unknown");
    let bare = json!({ "model": "THUDM/glm-4-9b", "purpose": "research", "questions": questions });
    scene
        .submitter
        .post("/v1/batches", &bare)
        .await
        .refused(409, "model_not_imported");
}

#[tokio::test]
async fn commercial_use_goes_through_acceptance_review_and_revocation() {
    let scene = Scene::set().await;
    let asked = scene.accepted(&["commercial"]).await;
    assert_eq!(asked["state"], "under_review");
    scene
        .open("commercial")
        .await
        .refused(403, "acceptance_under_review");
    let both = scene.hub.client("acme", &["signatory", "reviewer"]);
    let approval = json!({ "verdict": "approve", "reason": "the number is known" });
    both.post(&path(&asked, "/review"), &approval)
        .await
        .refused(403, "own_acceptance");
    scene
        .signatory
        .post(&path(&asked, "/review"), &approval)
        .await
        .refused(403, "missing_role");
    let approved = scene
        .reviewer
        .post(&path(&asked, "/review"), &approval)
        .await
        .expect(200)
        .json();
    assert_eq!(approved["state"], "active");
    assert_eq!(
        approved["approval"]["by"],
        json!({ "tenant": "zhipu", "member": "li" })
    );
    scene
        .reviewer
        .post(&path(&asked, "/review"), &approval)
        .await
        .refused(409, "acceptance_state");
    scene.open("commercial").await.expect(201);
    let recall = json!({ "reason": "the licensor took it back" });
    let revoked = scene
        .reviewer
        .post(&path(&asked, "/revoke"), &recall)
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&revoked["state"], &revoked["revocation"]["reason"]),
        (&"revoked".into(), &recall["reason"])
    );
    let refusal = scene.open("commercial").await.refused(403, "acceptance_revoked");
    assert!(
        refusal["detail"]
            .as_str()
            .unwrap()
            .contains("the licensor took it back"),
        "{refusal}"
    );
    scene
        .reviewer
        .post(&path(&asked, "/revoke"), &recall)
        .await
        .refused(409, "acceptance_state");
}

#[tokio::test]
async fn a_rejected_acceptance_can_be_asked_for_again() {
    let scene = Scene::set().await;
    let asked = scene.accepted(&["commercial"]).await;
    scene
        .signatory
        .post("/v1/acceptances", &scene.acceptance(&["commercial"]))
        .await
        .refused(409, "already_accepted");
    let bare = json!({ "verdict": "reject" });
    scene
        .reviewer
        .post(&path(&asked, "/review"), &bare)
        .await
        .refused(400, "reason_missing");
    let no = json!({ "verdict": "reject", "reason": "no such number" });
    let rejected = scene
        .reviewer
        .post(&path(&asked, "/review"), &no)
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&rejected["state"], &rejected["rejection"]["reason"]),
        (&"rejected".into(), &no["reason"])
    );
    scene.open("commercial").await.refused(403, "acceptance_rejected");
    assert_eq!(scene.accepted(&["commercial"]).await["state"], "under_review");
}

#[tokio::test]
async fn evaluation_is_active_at_once_and_only_for_the_text_in_force() {
    let mut scene = Scene::set().await;
    scene
        .open("evaluation")
        .await
        .refused(403, "license_not_accepted");
    assert_eq!(scene.accepted(&["evaluation"]).await["state"], "active");
    scene.open("evaluation").await.expect(201);
    scene
        .open("commercial")
        .await
        .refused(403, "license_not_accepted");
    scene
        .weights
        .write("LICENSE", format!("{TERMS}One more clause.\n").as_bytes());
    scene.hub.import(MODEL, scene.weights.path());
    scene.open("evaluation").await.refused(403, "terms_superseded");
    let stale = scene.acceptance(&["evaluation"]);
    let problem = scene
        .signatory
        .post("/v1/acceptances", &stale)
        .await
        .refused(409, "terms_superseded");
    scene.terms = problem["current_terms_sha256"].as_str().unwrap().to_owned();
    scene.accepted(&["evaluation"]).await;
    scene.open("evaluation").await.expect(201);
    let license = scene.submitter.get("/v1/licenses/glm-4").await.expect(200).json();
    assert_eq!(license["terms"].as_array().unwrap().len(), 2);
    assert_eq!(license["terms"][0]["sha256"], scene.terms.as_str());
    assert_eq!(
        license["purposes"]["commercial"]["conditions"],
        json!(["acceptance", "registration", "review"])
    );
}

#[tokio::test]
async fn what_is_no_acceptance_is_refused_with_its_reason() {
    let scene = Scene::set().await;
    let change = |key: &str, value: Value| {
        let mut body = scene.acceptance(&["commercial"]);
        match value {
            Value::Null => drop(body.as_object_mut().unwrap().remove(key)),
            value => body[key] = value,
        }
        body
    };
    for (body, status, code) in [
        (
            change("registration_number", Value::Null),
            400,
            "registration_missing",
        ),
        (change("purposes", json!([])), 400, "acceptance_invalid"),
        (
            change("signer", json!({ "name": "", "title": "x" })),
            400,
            "acceptance_invalid",
        ),
        (
            change("evidence", json!("x".repeat(4097))),
            400,
            "acceptance_invalid",
        ),
        (change("license", json!("glm-4")), 400, "acceptance_invalid"),
        (change("model", Value::Null), 400, "acceptance_invalid"),
        (change("model", json!("no/such")), 404, "model_unknown"),
        (change("model", json!("THUDM/../x")), 400, "json_malformed"),
        (change("terms_sha256", json!("12")), 400, "json_malformed"),
        (
            change("terms_sha256", json!("0".repeat(64))),
            409,
            "terms_superseded",
        ),
        (change("purposes", json!(["profit"])), 400, "json_malformed"),
        (change("surplus", json!(1)), 400, "json_malformed"),
    ] {
        scene
            .signatory
            .post("/v1/acceptances", &body)
            .await
            .refused(status, code);
    }
    scene
        .submitter
        .post("/v1/acceptances", &scene.acceptance(&["evaluation"]))
        .await
        .refused(403, "missing_role");
    let list = scene.signatory.get("/v1/acceptances").await.expect(200).json();
    assert_eq!(list["data"], json!([]));
}

#[tokio::test]
async fn nobody_but_a_reviewer_sees_acceptances_of_others() {
    let scene = Scene::set().await;
    let first = scene.accepted(&["evaluation"]).await;
    let second = scene.accepted(&["commercial"]).await;
    let other = scene
        .hub
        .client("other", &["submitter", "signatory", "auditor", "operator"]);
    other.get(&path(&first, "")).await.refused(404, "not_found");
    assert_eq!(
        other.get("/v1/acceptances").await.expect(200).json()["data"],
        json!([])
    );
    let revocation = json!({ "reason": "x" });
    other
        .post(&path(&first, "/revoke"), &revocation)
        .await
        .refused(403, "missing_role");
    assert_eq!(
        scene.reviewer.get(&path(&first, "")).await.expect(200).json(),
        first
    );
    let page = scene
        .reviewer
        .get("/v1/acceptances?limit=1")
        .await
        .expect(200)
        .json();
    assert_eq!(page["data"][0]["id"], second["id"]);
    let next = format!("/v1/acceptances?limit=1&after={}", page["next"].as_str().unwrap());
    assert_eq!(
        scene.reviewer.get(&next).await.expect(200).json()["data"][0]["id"],
        first["id"]
    );
    scene
        .reviewer
        .get("/v1/acceptances?limit=0")
        .await
        .refused(400, "limit_out_of_range");
}

#[tokio::test]
async fn no_job_runs_for_a_purpose_that_was_revoked_before_it_ran() {
    let scene = Scene::set().await;
    let asked = scene.accepted(&["evaluation"]).await;
    let batch = scene
        .open("evaluation")
        .await
        .expect(201)
        .header("location")
        .unwrap()
        .to_owned();
    upload(&scene.submitter, &batch, page(90), "image/png")
        .await
        .expect(201);
    scene
        .reviewer
        .post(&path(&asked, "/revoke"), &json!({ "reason": "recalled" }))
        .await
        .expect(200);
    submit(&scene.submitter, &batch).await;
    let look = || async {
        let seen = scene.submitter.get(&batch).await.expect(200).json();
        Some(seen).filter(|seen| seen["jobs"]["held"] == 1)
    };
    let seen = eventually("the job to be held", look).await;
    assert_eq!(
        (&seen["state"], &seen["jobs"]["total"]),
        (&json!("running"), &json!(1)),
        "{seen}"
    );
}
