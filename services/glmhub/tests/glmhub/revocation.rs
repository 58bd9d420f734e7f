//! An acceptance ends while work under it waits or runs: the work is held, and goes on under a new acceptance.

mod following;
mod measured;
pub mod scene;

use crate::licence::scene::path;
use scene::Work;
use serde_json::{Value, json};

#[tokio::test]
async fn queued_jobs_are_held_and_go_on_when_a_new_acceptance_is_active() {
    let mut work = Work::with_orders_at_once(1).await;
    let batch = work.batch(6, 40).await;
    work.until(&batch, "something to run", |jobs| {
        jobs["running"].as_u64() > Some(0)
    })
    .await;
    let before = work.scene.submitter.get(&batch).await.json();
    work.revoke().await;
    let held = work.all_stopped(&batch).await;
    assert_eq!(held["state"], "running", "{held}");
    let (answered, waiting) = (held["jobs"]["answered"].as_u64(), held["jobs"]["held"].as_u64());
    assert_eq!(answered.unwrap() + waiting.unwrap(), 240, "{held}");
    assert!(waiting > Some(0), "{held}");
    let one = work.a_held_job(&batch).await;
    assert_eq!(one["hold"]["code"], "acceptance_revoked", "{one}");
    assert_eq!(one["settled_at"], Value::Null, "{one}");
    let decision = format!("/v1/decisions/{}", one["decision_id"].as_str().unwrap());
    let decision = work.scene.submitter.get(&decision).await.expect(200).json();
    assert_eq!(decision["reasons"][0]["code"], "acceptance_revoked", "{decision}");
    // It is stored nowhere, however often one looks.
    let again = work.scene.submitter.get(&batch).await.json();
    assert_eq!(again["jobs"]["answered"], held["jobs"]["answered"]);
    work.accept().await;
    let after = work.completed(&batch).await;
    assert_eq!(after["jobs"]["answered"], 240, "{after}");
    assert_ne!(after["decision_id"], before["decision_id"]);
    let rows = work.answers(&batch).await;
    let under = |row: &Value| row["answer"]["decision_id"].clone();
    let of_before = rows
        .iter()
        .filter(|row| under(row) == before["decision_id"])
        .count();
    let of_after = rows
        .iter()
        .filter(|row| under(row) == after["decision_id"])
        .count();
    assert_eq!(
        (of_before as u64, of_after as u64),
        (answered.unwrap(), waiting.unwrap())
    );
}

#[tokio::test]
async fn a_decode_that_runs_is_stopped_between_two_tokens_and_its_answer_is_not_stored() {
    let mut work = Work::with_orders_at_once(1).await;
    let batch = work.batch(4, 60).await;
    work.until(&batch, "the first answer", |jobs| {
        jobs["answered"].as_u64() > Some(0)
    })
    .await;
    work.revoke().await;
    let held = work.all_stopped(&batch).await;
    assert!(held["jobs"]["held"].as_u64() > Some(0), "{held}");
    let stopped = |line: &str| {
        line.contains("the work at an order ended")
            && (line.contains("Withdrawn") || line.contains("grant_superseded"))
    };
    work.scene.hub.tells("that the worker stopped", stopped).await;
    let after = work.scene.submitter.get(&batch).await.json();
    assert_eq!(after["jobs"], held["jobs"]);
}

#[tokio::test]
async fn held_jobs_can_be_cancelled_and_a_restart_changes_nothing_about_them() {
    let mut work = Work::with_orders_at_once(1).await;
    let (one, other) = (work.batch(2, 60).await, work.batch(2, 2).await);
    work.until(&one, "something to run", |jobs| {
        jobs["running"].as_u64() > Some(0)
    })
    .await;
    work.revoke().await;
    let held = work.all_stopped(&one).await;
    work.all_stopped(&other).await;
    work.scene.hub.restart();
    work.call_again();
    assert_eq!(work.scene.submitter.get(&one).await.json()["jobs"], held["jobs"]);
    let job = work.a_held_job(&one).await;
    let job = format!("/v1/jobs/{}", job["id"].as_str().unwrap());
    work.act(&format!("{job}/requeue"))
        .await
        .refused(409, "job_state");
    let cancelled = work.act(&format!("{job}/cancel")).await.expect(200).json();
    assert_eq!(cancelled["state"], "cancelled");
    let cancelled = work.act(&format!("{other}/cancel")).await.expect(200).json();
    assert_eq!(cancelled["jobs"]["cancelled"], 4, "{cancelled}");
    work.scene.hub.kill9();
    work.scene.hub.begin();
    work.call_again();
    work.accept().await;
    let after = work.completed(&one).await;
    assert_eq!(after["jobs"]["cancelled"], 1, "{after}");
    assert_eq!(after["jobs"]["answered"], 119, "{after}");
    assert_eq!(
        work.scene.submitter.get(&other).await.json()["jobs"]["cancelled"],
        4
    );
}

#[tokio::test]
async fn what_needs_no_acceptance_goes_on_through_a_revocation() {
    let mut work = Work::with_orders_at_once(1).await;
    let free = work.batch_for("research", 1, 60).await;
    work.until(&free, "something to run", |jobs| {
        jobs["running"].as_u64() > Some(0)
    })
    .await;
    work.revoke().await;
    let after = work.completed(&free).await;
    assert_eq!(
        (&after["jobs"]["answered"], &after["jobs"]["held"]),
        (&json!(60), &json!(0))
    );
}

#[tokio::test]
async fn a_suspension_holds_and_webhooks_tell_of_it_and_of_its_end() {
    let work = Work::with_orders_at_once(1).await;
    let receiver = crate::receiver::Receiver::answering(204).await;
    let wanted =
        json!({ "url": receiver.url(), "event_types": ["batch.held", "batch.resumed", "batch.completed"] });
    let endpoint = work.scene.submitter.post("/v1/webhook-endpoints", &wanted).await;
    let secret = endpoint.expect(201).json()["secret"].as_str().unwrap().to_owned();
    let batch = work.batch(2, 60).await;
    work.until(&batch, "something to run", |jobs| {
        jobs["running"].as_u64() > Some(0)
    })
    .await;
    let reason = json!({ "reason": "a question about the signer" });
    let suspend = path(&work.acceptance, "/suspend");
    work.scene.reviewer.post(&suspend, &reason).await.expect(200);
    work.all_stopped(&batch).await;
    let resume = path(&work.acceptance, "/resume");
    work.scene.reviewer.post(&resume, &reason).await.expect(200);
    work.completed(&batch).await;
    let came = receiver.first(3).await;
    let mut told: Vec<Value> = came.iter().map(|one| one.verified(&secret)).collect();
    told.sort_by_key(|one| one["timestamp"].as_str().unwrap().to_owned());
    let types: Vec<&str> = told.iter().map(|one| one["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["batch.held", "batch.resumed", "batch.completed"]);
    assert_eq!(told[0]["data"]["code"], "acceptance_suspended", "{}", told[0]);
    assert!(told[0]["data"]["jobs"]["held"].as_u64() > Some(0), "{}", told[0]);
    assert_ne!(told[0]["data"]["decision_id"], told[1]["data"]["decision_id"]);
    let entries = work.scene.hub.client("acme", &["auditor"]);
    for kind in ["batch.held", "batch.resumed"] {
        let found = entries
            .get(&format!("/v1/audit/entries?kind={kind}"))
            .await
            .expect(200)
            .json();
        assert_eq!(found["data"].as_array().map(Vec::len), Some(1), "{found}");
    }
}
