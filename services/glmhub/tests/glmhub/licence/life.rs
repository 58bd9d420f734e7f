//! What becomes of an acceptance after it was made: suspended, resumed, run out, superseded.

use super::scene::{MODEL, Scene, path};
use crate::{
    hub::eventually,
    jobs::{page, submit, upload},
    weights::TERMS,
};
use serde_json::{Value, json};

/// The moment `seconds` from now, as the API takes it.
#[expect(
    clippy::disallowed_methods,
    reason = "a hub that runs elsewhere has the system's clock"
)]
pub fn in_seconds(seconds: u64) -> String {
    let then = std::time::SystemTime::now() + std::time::Duration::from_secs(seconds);
    time::OffsetDateTime::from(then)
        .format(&time::format_description::well_known::Rfc3339)
        .unwrap()
}

fn with(mut body: Value, key: &str, value: Value) -> Value {
    body[key] = value;
    body
}

#[tokio::test]
async fn a_suspended_acceptance_allows_nothing_until_it_is_resumed() {
    let scene = Scene::set().await;
    let asked = scene.accepted(&["evaluation"]).await;
    let batch = scene.open("evaluation").await.expect(201);
    let batch = batch.header("location").unwrap().to_owned();
    upload(&scene.submitter, &batch, page(90), "image/png")
        .await
        .expect(201);
    let reason = json!({ "reason": "the signer has left" });
    let suspend = path(&asked, "/suspend");
    scene
        .signatory
        .post(&suspend, &reason)
        .await
        .refused(403, "missing_role");
    scene
        .reviewer
        .post(&suspend, &json!({ "reason": " " }))
        .await
        .refused(400, "reason_missing");
    let suspended = scene.reviewer.post(&suspend, &reason).await.expect(200).json();
    assert_eq!(suspended["state"], "suspended");
    assert_eq!(suspended["suspension"]["reason"], reason["reason"]);
    let refusal = scene
        .open("evaluation")
        .await
        .refused(403, "acceptance_suspended");
    let cure = refusal["cure"].as_str().unwrap();
    assert!(cure.contains(&path(&asked, "/resume")), "{refusal}");
    // Accepting once more does not help the tenant out of it.
    let again = scene.acceptance(&["evaluation"]);
    scene
        .signatory
        .post("/v1/acceptances", &again)
        .await
        .refused(409, "already_accepted");
    assert_eq!(
        scene.accepted(&["evaluation", "research"]).await["state"],
        "under_review"
    );
    submit(&scene.submitter, &batch).await;
    let idle = ["queued", "dispatched", "running"];
    let look = || async {
        let seen = scene.submitter.get(&batch).await.expect(200).json();
        let stopped = idle.iter().all(|state| seen["jobs"][state] == 0) && seen["jobs"]["total"] == 1;
        stopped.then_some(seen)
    };
    let seen = eventually("the job to be stopped", look).await;
    assert_eq!(seen["jobs"]["answered"], 0, "{seen}");
    scene
        .reviewer
        .post(&suspend, &reason)
        .await
        .refused(409, "acceptance_state");
    let resume = path(&asked, "/resume");
    let resumed = scene.reviewer.post(&resume, &reason).await.expect(200).json();
    assert_eq!(
        (&resumed["state"], &resumed["suspension"]),
        (&"active".into(), &Value::Null)
    );
    scene
        .reviewer
        .post(&resume, &reason)
        .await
        .refused(409, "acceptance_state");
    scene.open("evaluation").await.expect(201);
}

#[tokio::test]
async fn an_acceptance_can_be_made_first_and_submitted_later() {
    let scene = Scene::set().await;
    let body = with(scene.acceptance(&["commercial"]), "submit", json!(false));
    let asked = scene
        .signatory
        .post("/v1/acceptances", &body)
        .await
        .expect(201)
        .json();
    assert_eq!(asked["state"], "requested");
    let refusal = scene
        .open("commercial")
        .await
        .refused(403, "acceptance_not_submitted");
    let submit = path(&asked, "/submit");
    assert!(refusal["cure"].as_str().unwrap().contains(&submit), "{refusal}");
    let verdict = json!({ "verdict": "approve" });
    scene
        .reviewer
        .post(&path(&asked, "/review"), &verdict)
        .await
        .refused(409, "acceptance_state");
    scene
        .submitter
        .post(&submit, &json!({}))
        .await
        .refused(403, "missing_role");
    scene
        .hub
        .client("other", &["signatory"])
        .post(&submit, &json!({}))
        .await
        .refused(404, "not_found");
    let submitted = scene.signatory.post(&submit, &json!({})).await.expect(200).json();
    assert_eq!(submitted["state"], "under_review");
    scene
        .signatory
        .post(&submit, &json!({}))
        .await
        .refused(409, "acceptance_state");
    let listed = |state: &'static str| {
        let (reviewer, id) = (&scene.reviewer, asked["id"].clone());
        async move {
            let list = format!("/v1/acceptances?state={state}");
            let page = reviewer.get(&list).await.expect(200).json();
            page["data"].as_array().unwrap().iter().any(|one| one["id"] == id)
        }
    };
    assert!(listed("under_review").await);
    assert!(!listed("requested").await);
    scene
        .reviewer
        .get("/v1/acceptances?state=pending")
        .await
        .refused(400, "query_malformed");
}

#[tokio::test]
async fn an_end_is_kept_to_the_second_without_anybody_doing_anything() {
    let scene = Scene::set().await;
    let until = |seconds| {
        with(
            scene.acceptance(&["evaluation"]),
            "valid_until",
            in_seconds(seconds).into(),
        )
    };
    for bad in [
        with(
            scene.acceptance(&["evaluation"]),
            "valid_until",
            "2020-01-01T00:00:00Z".into(),
        ),
        until(3654 * 86_400),
    ] {
        scene
            .signatory
            .post("/v1/acceptances", &bad)
            .await
            .refused(400, "acceptance_invalid");
    }
    let asked = scene
        .signatory
        .post("/v1/acceptances", &until(4))
        .await
        .expect(201)
        .json();
    assert_eq!(asked["state"], "active");
    scene.open("evaluation").await.expect(201);
    let over = || async {
        let answer = scene.open("evaluation").await;
        (answer.status == 403).then_some(answer)
    };
    let refusal = eventually("the acceptance to run out", over)
        .await
        .refused(403, "acceptance_expired");
    let named = refusal["detail"].as_str().unwrap();
    assert!(named.contains(asked["id"].as_str().unwrap()), "{refusal}");
    let seen = scene.signatory.get(&path(&asked, "")).await.expect(200).json();
    assert_eq!(seen["state"], "expired");
    scene
        .reviewer
        .post(&path(&asked, "/revoke"), &json!({ "reason": "x" }))
        .await
        .refused(409, "acceptance_state");
    // What was not stopped by a reviewer can be accepted again.
    assert_eq!(scene.accepted(&["evaluation"]).await["state"], "active");
}

#[tokio::test]
async fn a_reviewer_sets_the_end_and_never_later_than_asked_for() {
    let scene = Scene::set().await;
    let asked = with(
        scene.acceptance(&["commercial"]),
        "valid_until",
        in_seconds(86_400).into(),
    );
    let asked = scene
        .signatory
        .post("/v1/acceptances", &asked)
        .await
        .expect(201)
        .json();
    let review = path(&asked, "/review");
    let approve = |seconds| json!({ "verdict": "approve", "valid_until": in_seconds(seconds) });
    for bad in [
        approve(2 * 86_400),
        json!({ "verdict": "approve", "valid_until": "2020-01-01T00:00:00Z" }),
        json!({ "verdict": "reject", "reason": "x", "valid_until": in_seconds(60) }),
    ] {
        let problem = scene
            .reviewer
            .post(&review, &bad)
            .await
            .refused(400, "acceptance_invalid");
        assert_eq!(problem["field"], "valid_until");
    }
    let nearer = approve(3_600);
    let approved = scene.reviewer.post(&review, &nearer).await.expect(200).json();
    assert!(approved["valid_until"].as_str() < asked["valid_until"].as_str());
}

#[tokio::test]
async fn newer_terms_supersede_and_what_was_begun_under_the_older_ones_goes_on() {
    let mut scene = Scene::set().await;
    let older = scene.accepted(&["evaluation"]).await;
    let old_text = scene.terms.clone();
    let batch = scene.open("evaluation").await.expect(201);
    let batch = batch.header("location").unwrap().to_owned();
    scene
        .weights
        .write("LICENSE", format!("{TERMS}One more clause.\n").as_bytes());
    scene.hub.import(MODEL, scene.weights.path());
    let refusal = scene.open("evaluation").await.refused(403, "terms_superseded");
    let problem = scene
        .signatory
        .post("/v1/acceptances", &scene.acceptance(&["evaluation"]))
        .await
        .refused(409, "terms_superseded");
    scene.terms = problem["current_terms_sha256"].as_str().unwrap().to_owned();
    let diff = format!("/v1/licenses/glm-4/terms/{}/diff?against={old_text}", scene.terms);
    assert_eq!(problem["diff"], json!([diff]));
    assert!(refusal["cure"].as_str().unwrap().contains(&diff), "{refusal}");
    let seen = scene.signatory.get(&path(&older, "")).await.expect(200).json();
    assert_eq!((&seen["state"], &seen["diff"]), (&"active".into(), &json!(diff)));
    let newer = scene.accepted(&["evaluation"]).await;
    let seen = scene.signatory.get(&path(&older, "")).await.expect(200).json();
    assert_eq!(seen["state"], "superseded");
    assert_eq!(seen["supersession"]["by"], newer["id"]);
    upload(&scene.submitter, &batch, page(90), "image/png")
        .await
        .expect(201);
    submit(&scene.submitter, &batch).await;
    let look = || async {
        let seen = scene.submitter.get(&batch).await.expect(200).json();
        Some(seen).filter(|seen| seen["state"] == "completed")
    };
    let seen = eventually("the batch under the older text to complete", look).await;
    assert_eq!(seen["jobs"]["answered"], 1, "{seen}");
    // Revoking what stands ends both.
    scene
        .reviewer
        .post(&path(&newer, "/revoke"), &json!({ "reason": "recalled" }))
        .await
        .expect(200);
    scene.open("evaluation").await.refused(403, "acceptance_revoked");
}
