//! The same page in many documents of a batch is encoded once, and each question about it computed once.

use crate::{
    client::Client,
    fleet::Fleet,
    hub::eventually,
    jobs::{call, completed, hub_with_model, open, page, submit, upload},
    process::{perform, perform_in},
    tally::all,
};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs};

const QUESTIONS: [&str; 2] = ["What is it?", "Whose is it?"];
/// Batches that come at once.
const MANY: usize = 24;

/// A batch that is done: of so many documents, all of which are the same page but the last.
async fn done(client: &Client, same: usize) -> String {
    let batch = open(client, &QUESTIONS).await;
    for number in 0..=same {
        let bytes = page(if number < same { 7 } else { 9 });
        upload(client, &batch, bytes, "image/png").await.expect(201);
    }
    submit(client, &batch).await.expect(200);
    let seen = completed(client, &batch).await;
    assert_eq!(seen["jobs"]["answered"], 2 * (same + 1), "{seen}");
    batch
}

/// Holds that each distinct question was computed once. Gives a job whose answer was shared.
async fn check(client: &Client, batch: &str, same: usize) -> String {
    let rows = all(client, &format!("{batch}/answers")).await;
    let (mut computed, mut shared) = (Vec::new(), Vec::new());
    for row in &rows {
        match row["answer"]["shared_from"].as_str() {
            None => computed.push(row),
            Some(first) => {
                let first = rows.iter().find(|one| one["job"] == first).unwrap();
                for field in [
                    "text",
                    "input_tokens",
                    "output_tokens",
                    "worker",
                    "model",
                    "decision_id",
                ] {
                    assert_eq!(row["answer"][field], first["answer"][field], "{field}");
                }
                assert_eq!(row["question"], first["question"]);
                assert_eq!(row["answer"]["compute_ms"], 0);
                shared.push(row["job"].as_str().unwrap());
            }
        }
    }
    let asked: BTreeSet<u64> = computed
        .iter()
        .map(|row| row["question"].as_u64().unwrap())
        .collect();
    assert_eq!(
        (computed.len(), asked.len(), shared.len()),
        (4, 2, 2 * (same - 1))
    );
    shared[0].to_owned()
}

/// Holds that every answer of a batch is that of a job of `other`, under a decision of its own.
async fn check_shared(client: &Client, batch: &str, other: &str) {
    let decisions = [batch, other].map(async |path| {
        let stored = client.get(path).await.expect(200).json();
        stored["decision_id"].as_str().unwrap().to_owned()
    });
    let [own, others] = futures_util::future::join_all(decisions)
        .await
        .try_into()
        .unwrap();
    assert_ne!(own, others);
    let known: BTreeSet<String> = all(client, &format!("{other}/answers"))
        .await
        .iter()
        .map(|row| row["job"].as_str().unwrap().to_owned())
        .collect();
    for row in all(client, &format!("{batch}/answers")).await {
        assert!(
            known.contains(row["answer"]["shared_from"].as_str().unwrap()),
            "{row}"
        );
        assert_eq!(row["answer"]["decision_id"], own.as_str());
    }
}

/// The value of a metric; 0, if it was not told.
fn metric(metrics: &str, name: &str) -> u64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    line.map_or(0, |value| value.trim().parse().unwrap())
}

#[tokio::test]
async fn the_same_page_of_many_documents_is_computed_once_however_many_workers_there_are() {
    let hub = hub_with_model(&[
        ("GLMHUB_WORKER__COUNT", "2"),
        ("GLMHUB_AUDIT__SEAL_MILLISECONDS", "20"),
    ]);
    let client = hub.client("acme", &["submitter"]);
    let batch = done(&client, 6).await;
    let job = check(&client, &batch, 6).await;
    check_shared(&client, &done(&client, 6).await, &batch).await;
    let metrics = hub.stranger().get("/metrics").await.expect(200).text();
    for (name, value) in [
        ("glmhub_kept_pages_total{look=\"missed\"}", 2),
        ("glmhub_engine_seconds_count{stage=\"tower\"}", 2),
        ("glmhub_engine_seconds_count{stage=\"decode\"}", 4),
        ("glmhub_answers_shared_total", 10 + 14),
    ] {
        assert_eq!(metric(&metrics, name), value, "{name}\n{metrics}");
    }
    // Another tenant's same page is none of these.
    let other = hub.client("other", &["submitter"]);
    let theirs = done(&other, 2).await;
    check(&other, &theirs, 2).await;
    let metrics = hub.stranger().get("/metrics").await.expect(200).text();
    assert_eq!(
        metric(&metrics, "glmhub_engine_seconds_count{stage=\"decode\"}"),
        8
    );
    proven(&hub, &client, &job).await;
}

/// Holds that the log knows the answer, and that its proof is good and says whose computation it is.
async fn proven(hub: &crate::hub::Hub, client: &Client, job: &str) {
    let look = || async {
        let told = perform_in(&hub.data(), &["audit", "verify", "--json"], &[]).well();
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told["findings"], json!([]));
        let given = client.get(&format!("/v1/jobs/{job}/proof")).await;
        (given.status == 200).then_some(given.body)
    };
    let proof = eventually("the proof", look).await;
    let folder = tempfile::tempdir().unwrap();
    let (file, keys) = (folder.path().join("proof.zip"), folder.path().join("keys.json"));
    let jwks = hub.stranger().get("/.well-known/jwks.json").await;
    fs::write(&keys, jwks.expect(200).text()).unwrap();
    fs::write(&file, proof).unwrap();
    let (file, keys) = (file.to_str().unwrap(), keys.to_str().unwrap());
    perform(&["audit", "verify", "--proof", file, "--keys", keys]).well();
}

#[tokio::test]
async fn it_is_computed_once_on_postgresql_and_redis_too_whichever_hub_is_asked() {
    let Some(mut fleet) = Fleet::start().await else {
        return;
    };
    fleet.set_hubs(&[("GLMHUB_WORK__SHARE_ANSWERS_SECONDS", "3600".into())]);
    let (client, other) = (fleet.client(0, "acme"), fleet.client(1, "acme"));
    let first = done(&client, 5).await;
    check(&other, &first, 5).await;
    let second = done(&other, 2).await;
    check_shared(&client, &second, &first).await;
    // Whoever waits for an answer has one of its own, and it is there for batches.
    let mut waited = Vec::new();
    for _ in 0..2 {
        let fill = |request: RequestBuilder| request.header("prefer", "wait=60").multipart(call(page(7)));
        let told = client.send("POST", "/v1/jobs", fill).await.expect(200).json();
        assert!(told["answer"]["compute_ms"].as_u64() > Some(0), "{told}");
        waited.push(told["id"].clone());
    }
    let batch = open(&client, &["What is the total?"]).await;
    upload(&client, &batch, page(7), "image/png").await.expect(201);
    submit(&client, &batch).await.expect(200);
    completed(&client, &batch).await;
    let rows = all(&client, &format!("{batch}/answers")).await;
    assert!(waited.contains(&rows[0]["answer"]["shared_from"]), "{rows:?}");
}

#[tokio::test]
async fn of_many_batches_at_once_through_two_hubs_each_question_is_computed_once() {
    let Some(mut fleet) = Fleet::start().await else {
        return;
    };
    fleet.set_hubs(&[("GLMHUB_WORK__SHARE_ANSWERS_SECONDS", "3600".into())]);
    let clients = [fleet.client(0, "acme"), fleet.client(1, "acme")];
    let batches = (0..MANY).map(|number| done(&clients[number % 2], 1 + number % 3));
    let batches = futures_util::future::join_all(batches).await;
    let mut computed = Vec::new();
    for batch in &batches {
        for row in all(&clients[0], &format!("{batch}/answers")).await {
            if row["answer"]["shared_from"].is_null() {
                computed.push(row["job"].as_str().unwrap().to_owned());
            }
        }
    }
    // Two questions about each of two pages.
    assert_eq!(computed.len(), 4, "{computed:?}");
}
