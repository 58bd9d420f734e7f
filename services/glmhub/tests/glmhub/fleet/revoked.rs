//! A revocation at one hub, while two workers compute for a batch that another hub is asked about.

use super::Fleet;
use crate::{
    client::Client,
    hub::eventually,
    jobs::{MODEL, page, submit, upload},
};
use serde_json::{Value, json};

const PAGES: u8 = 8;
const QUESTIONS: usize = 40;

/// The path of an acceptance for commercial use that a reviewer has approved at the hub `hub`.
async fn accepted(fleet: &Fleet, hub: usize, terms: &str) -> String {
    let asked = json!({
        "license": "glm-4", "terms_sha256": terms, "purposes": ["commercial"], "registration_number": "R-1",
        "signer": { "name": "the signatory", "title": "Counsel" },
    });
    let signatory = fleet.caller(hub, "acme", &["signatory"]);
    let asked = signatory.post("/v1/acceptances", &asked).await.expect(201).json();
    let path = format!("/v1/acceptances/{}", asked["id"].as_str().unwrap());
    let (reviewer, verdict) = (
        fleet.caller(hub, "zhipu", &["reviewer"]),
        json!({ "verdict": "approve" }),
    );
    reviewer
        .post(&format!("{path}/review"), &verdict)
        .await
        .expect(200);
    path
}

/// A submitted batch of which something was answered.
async fn in_work(client: &Client) -> String {
    let question = |number: usize| json!({ "text": format!("Question {number}?"), "parameters": { "max_new_tokens": 300 } });
    let questions: Vec<Value> = (0..QUESTIONS).map(question).collect();
    let body = json!({ "model": MODEL, "purpose": "commercial", "questions": questions });
    let opened = client.post("/v1/batches", &body).await.expect(201);
    let batch = opened.header("location").unwrap().to_owned();
    for grey in 0..PAGES {
        upload(client, &batch, page(grey * 20), "image/png")
            .await
            .expect(201);
    }
    submit(client, &batch).await.expect(200);
    until(client, &batch, |seen| seen["jobs"]["answered"].as_u64() > Some(0)).await;
    batch
}

async fn until(client: &Client, batch: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let look = || async {
        let answer = client.get(batch).await;
        // Records that are busy for a moment say so; whoever polls asks again.
        let busy = answer.status == 503;
        (!busy).then(|| answer.expect(200).json()).filter(&wanted)
    };
    eventually("the batch to be as wanted", look).await
}

#[tokio::test]
async fn a_revocation_at_one_hub_stops_workers_and_streams_of_all_and_the_work_goes_on_later() {
    let Some(fleet) = Fleet::start().await else {
        return;
    };
    let registrar = fleet.caller(0, "acme", &["registrar"]);
    let text =
        |request: reqwest::RequestBuilder| request.header("content-type", "text/plain").body("You may.");
    let terms = registrar
        .send("PUT", "/v1/licenses/glm-4/terms", text)
        .await
        .expect(201);
    let terms = terms.json()["sha256"].as_str().unwrap().to_owned();
    let acceptance = accepted(&fleet, 0, &terms).await;
    let client = fleet.client(1, "acme");
    let batch = in_work(&client).await;
    let jobs = client.get(&format!("{batch}/jobs?limit=100")).await.json();
    let last = jobs["data"].as_array().unwrap().last().unwrap()["id"].clone();
    let mut stream = client
        .open(&format!("/v1/jobs/{}/stream", last.as_str().unwrap()))
        .await;
    stream.chunk().await.unwrap().unwrap();
    let (reviewer, reason) = (
        fleet.caller(0, "zhipu", &["reviewer"]),
        json!({ "reason": "recalled" }),
    );
    reviewer
        .post(&format!("{acceptance}/revoke"), &reason)
        .await
        .expect(200);
    let told = stream.text().await.unwrap();
    assert!(
        told.contains("event: stopped") && told.contains("acceptance_revoked"),
        "{told}"
    );
    let out = ["queued", "dispatched", "running"];
    let stopped =
        |seen: &Value| out.iter().all(|state| seen["jobs"][state] == 0) && seen["documents"]["waiting"] == 0;
    let held = until(&client, &batch, stopped).await;
    let stop = |line: &str| line.contains("Withdrawn {") || line.contains("grant_superseded");
    let log = || async { fleet.logs().lines().any(stop).then_some(()) };
    eventually("a worker to stop", log).await;
    let after = client.get(&batch).await.json();
    assert_eq!(after["jobs"], held["jobs"], "nothing is stored after the hold");
    accepted(&fleet, 1, &terms).await;
    let all = u64::from(PAGES) * QUESTIONS as u64;
    let completed = until(&client, &batch, |seen| seen["state"] == "completed").await;
    assert_eq!(completed["jobs"]["answered"], all, "{completed}");
}
