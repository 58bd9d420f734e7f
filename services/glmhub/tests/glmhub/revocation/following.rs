//! Those who follow a job, or wait for its answer, when what allows it ends.

use super::scene::Work;
use crate::{
    client::Client,
    hub::eventually,
    jobs::{MODEL, events, page},
};
use reqwest::multipart::{Form, Part};
use serde_json::json;

/// The path of the last job of a batch.
async fn last_job(client: &Client, batch: &str) -> String {
    let jobs = client
        .get(&format!("{batch}/jobs?limit=100"))
        .await
        .expect(200)
        .json();
    let last = jobs["data"].as_array().unwrap().last().unwrap()["id"].clone();
    format!("/v1/jobs/{}", last.as_str().unwrap())
}

#[tokio::test]
async fn a_stream_tells_the_states_in_their_order_and_ends_with_the_verdict() {
    let work = Work::with_orders_at_once(1).await;
    let (submitter, batch) = (&work.scene.submitter, work.batch(3, 12).await);
    let job = last_job(submitter, &batch).await;
    let told = submitter.get(&format!("{job}/stream")).await.expect(200);
    assert_eq!(told.header("content-type"), Some("text/event-stream"));
    let told = events(&told.text());
    let (last, states) = told.split_last().unwrap();
    assert_eq!(last.0, "verdict");
    assert_eq!(last.1, submitter.get(&job).await.json());
    assert_eq!(last.1["state"], "answered");
    let ways = ["queued", "dispatched", "running"];
    let states = states.iter().filter(|(name, _)| name == "state");
    let passed = states.map(|(_, data)| {
        assert_eq!(data["job"], last.1["id"]);
        ways.iter().position(|way| data["state"] == *way).unwrap()
    });
    let passed: Vec<usize> = passed.collect();
    // The two pages before it are answered first. What lasts for less than a look may be passed over after that.
    assert_eq!(passed.first(), Some(&0), "{told:?}");
    assert!(passed.is_sorted_by(|one, next| one < next), "{told:?}");
    // Once it is there it is told at once.
    let again = submitter.get(&format!("{job}/stream")).await.expect(200).text();
    assert_eq!(events(&again), std::slice::from_ref(last));
    let stranger = work.scene.hub.client("other", &["submitter"]);
    stranger
        .get(&format!("{job}/stream"))
        .await
        .refused(404, "not_found");
}

#[tokio::test]
async fn an_open_stream_is_closed_with_the_code_and_the_decision() {
    let mut work = Work::with_orders_at_once(1).await;
    let batch = work.batch(4, 60).await;
    work.until(&batch, "the first answer", |jobs| {
        jobs["answered"].as_u64() > Some(0)
    })
    .await;
    let job = last_job(&work.scene.submitter, &batch).await;
    let mut stream = work.scene.submitter.open(&format!("{job}/stream")).await;
    let first = stream.chunk().await.unwrap().unwrap();
    assert!(first.starts_with(b"event: state"), "{first:?}");
    work.revoke().await;
    let told = events(&stream.text().await.unwrap());
    let (name, problem) = told.last().unwrap();
    assert_eq!(name, "stopped");
    assert_eq!(
        (&problem["code"], &problem["state"]),
        (&json!("acceptance_revoked"), &json!("held"))
    );
    assert!(problem["cure"].is_string(), "{problem}");
    let held = work.scene.submitter.get(&job).await.json();
    assert_eq!(
        (&problem["decision_id"], &problem["job"]),
        (&held["decision_id"], &held["id"])
    );
    // Whoever comes later learns the same.
    let later = work
        .scene
        .submitter
        .get(&format!("{job}/stream"))
        .await
        .expect(200)
        .text();
    assert_eq!(events(&later), [("stopped".to_owned(), problem.clone())]);
}

#[tokio::test]
async fn a_stream_does_not_hold_up_the_end_of_the_hub() {
    let mut work = Work::with_orders_at_once(1).await;
    let batch = work.batch(4, 60).await;
    let job = last_job(&work.scene.submitter, &batch).await;
    let mut stream = work.scene.submitter.open(&format!("{job}/stream")).await;
    stream.chunk().await.unwrap().unwrap();
    assert!(work.scene.hub.end().success());
    assert!(!work.scene.hub.log().contains("did not end in time"));
    let rest = stream.text().await.unwrap();
    assert!(!rest.contains("verdict") && !rest.contains("stopped"), "{rest}");
}

#[tokio::test]
async fn a_call_that_waits_is_answered_with_the_refusal_and_its_job_goes_on_later() {
    let mut work = Work::with_orders_at_once(1).await;
    // The worker is busy, so the call waits.
    let busy = work.batch(8, 60).await;
    work.until(&busy, "the first answer", |jobs| {
        jobs["answered"].as_u64() > Some(0)
    })
    .await;
    let caller = work.scene.submitter.clone();
    let call = tokio::spawn(async move {
        let form = Form::new()
            .text("model", MODEL)
            .text("purpose", "commercial")
            .text("question", "What is the total?")
            .text("parameters", r#"{"max_new_tokens": 4}"#)
            .part("image", Part::bytes(page(7)).mime_str("image/png").unwrap());
        let waiting = |request: reqwest::RequestBuilder| request.header("prefer", "wait=120").multipart(form);
        caller.send("POST", "/v1/jobs", waiting).await
    });
    let waits = || async {
        let batches = work.scene.submitter.get("/v1/batches").await.json();
        (batches["data"].as_array().unwrap().len() == 2).then_some(())
    };
    eventually("the call to wait", waits).await;
    work.revoke().await;
    let problem = call.await.unwrap().refused(403, "acceptance_revoked");
    assert_eq!(problem["state"], "held", "{problem}");
    let job = format!("/v1/jobs/{}", problem["job"].as_str().unwrap());
    let held = work.scene.submitter.get(&job).await.json();
    assert_eq!(held["decision_id"], problem["decision_id"]);
    work.act(&format!("{busy}/cancel")).await.expect(200);
    work.accept().await;
    let answered = || async {
        Some(work.scene.submitter.get(&job).await.json()).filter(|job| job["state"] == "answered")
    };
    eventually("the job to be answered", answered).await;
}
