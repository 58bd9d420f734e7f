//! Batches and jobs with an end: what has no answer by then expires, and whoever waits is told.

use crate::{
    client::Client,
    fleet::Fleet,
    hub::eventually,
    jobs::{MODEL, call, events, hub_with_model, new_batch, page, submit, upload},
    process::{ended, glmhub},
    receiver::Receiver,
    results::add_up,
    streaming::{CHAT, asked},
    tally::all,
    webhooks::{LOOPBACK, endpoint},
};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

/// What the tests do, and read.
const ROLES: [&str; 2] = ["submitter", "auditor"];
/// Far more work than is done in the seconds that it has.
const PAGES: u8 = 8;
const QUESTIONS: usize = 64;

#[expect(clippy::disallowed_methods, reason = "a client has a clock of its own")]
fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// The moment so long after now, as a request names it.
pub fn after(span: Duration) -> String {
    (now() + span).format(&Rfc3339).unwrap()
}

/// A submitted batch that has no chance to be done when it ends.
async fn hopeless(client: &Client, span: Duration) -> String {
    let question = |number: usize| json!({ "text": format!("Question {number}?"), "parameters": { "max_new_tokens": 300 } });
    let questions: Vec<Value> = (0..QUESTIONS).map(question).collect();
    let body = json!({
        "model": MODEL, "purpose": "research", "questions": questions, "expires_at": after(span),
    });
    let opened = client.post("/v1/batches", &body).await.expect(201);
    let batch = opened.header("location").unwrap().to_owned();
    for grey in 0..PAGES {
        upload(client, &batch, page(grey * 20), "image/png")
            .await
            .expect(201);
    }
    submit(client, &batch).await.expect(200);
    batch
}

/// The batch, when it has expired.
async fn expired(client: &Client, batch: &str) -> Value {
    let look = || async {
        let seen = client.get(batch).await.expect(200).json();
        Some(seen).filter(|seen| seen["state"] == "expired")
    };
    eventually("the batch to expire", look).await
}

/// What is true of an expired batch, its rows and what was told of it.
async fn check(client: &Client, batch: &str, receiver: &Receiver) {
    let seen = expired(client, batch).await;
    let jobs = &seen["jobs"];
    let count = |state: &str| jobs[state].as_u64().unwrap();
    assert_eq!(count("total"), u64::from(PAGES) * QUESTIONS as u64, "{seen}");
    assert!(count("expired") > 0, "{seen}");
    assert_eq!(count("answered") + count("expired"), count("total"), "{seen}");
    let rows = all(client, &format!("{batch}/answers")).await;
    let row = rows.iter().find(|row| row["verdict"] == "expired").unwrap();
    assert_eq!(
        (&row["fault"]["code"], &row["answer"]),
        (&json!("expired"), &Value::Null)
    );
    assert_eq!(add_up(client, batch).await.len(), rows.len());
    let job = format!("/v1/jobs/{}", row["job"].as_str().unwrap());
    let job = client.get(&job).await.expect(200).json();
    assert_eq!(
        (&job["state"], &job["expires_at"]),
        (&json!("expired"), &seen["expires_at"])
    );
    let told = || async {
        let bodies = receiver
            .came()
            .into_iter()
            .map(|came| serde_json::from_slice(&came.body).unwrap());
        let told: Vec<Value> = bodies
            .filter(|body: &Value| body["type"] == "batch.expired")
            .collect();
        (!told.is_empty()).then_some(told)
    };
    let told = eventually("the webhook", told).await;
    let [told] = &told[..] else { panic!("{told:?}") };
    assert_eq!(told["data"]["jobs"]["expired"], jobs["expired"], "{told}");
    let id = batch.rsplit('/').next().unwrap();
    let log = client
        .get(&format!("/v1/audit/entries?kind=batch.expired&subject={id}"))
        .await
        .expect(200)
        .json();
    assert_eq!(log["data"].as_array().unwrap().len(), 1, "{log}");
    for act in ["cancel", "requeue", "submit"] {
        let refused = client
            .send("POST", &format!("{batch}/{act}"), |request| request)
            .await;
        assert_eq!(
            refused.expect(409).json()["code"]
                .as_str()
                .unwrap()
                .split('_')
                .next(),
            Some("batch")
        );
    }
}

#[tokio::test]
async fn a_batch_ends_at_its_moment_in_the_middle_of_a_decode() {
    let hub = hub_with_model(&[LOOPBACK]);
    let (receiver, client) = (Receiver::answering(200).await, hub.client("acme", &ROLES));
    endpoint(&client, &receiver.url()).await;
    let batch = hopeless(&client, Duration::seconds(6)).await;
    check(&client, &batch, &receiver).await;
    let stopped = |line: &str| line.contains("the work at an order ended");
    hub.tells("that the worker stopped", stopped).await;
    let metrics = hub.stranger().get("/metrics").await.expect(200).text();
    assert!(
        metrics.contains("glmhub_batches{state=\"expired\"} 1"),
        "{metrics}"
    );
    // The worker is free for others.
    let other = crate::jobs::submitted(&client, &["What is it?"], 1).await;
    crate::jobs::completed(&client, &other).await;
}

#[tokio::test]
async fn of_many_hubs_one_writes_the_end_down() {
    let Some(fleet) = Fleet::start().await else { return };
    let (receiver, client) = (Receiver::answering(200).await, fleet.caller(0, "acme", &ROLES));
    endpoint(&client, &receiver.url()).await;
    let batch = hopeless(&client, Duration::seconds(6)).await;
    check(&client, &batch, &receiver).await;
    check(&fleet.caller(1, "acme", &ROLES), &batch, &receiver).await;
}

#[tokio::test]
async fn an_end_is_a_moment_after_now_and_not_too_far_away() {
    let hub = hub_with_model(&[("GLMHUB_WORK__LONGEST_EXPIRY_SECONDS", "3600")]);
    let client = hub.client("acme", &["submitter"]);
    let wrong = [
        ("tomorrow".to_owned(), "expires_at_malformed"),
        ("2026-07-01 18:00".to_owned(), "expires_at_malformed"),
        (after(Duration::seconds(-1)), "expires_at_past"),
        ("0001-01-01T00:00:00Z".to_owned(), "expires_at_past"),
        (after(Duration::seconds(3660)), "expires_at_too_far"),
        ("9999-12-31T23:59:59-23:59".to_owned(), "expires_at_too_far"),
    ];
    for (text, code) in wrong {
        let mut body = new_batch(&["What is it?"]);
        body["expires_at"] = json!(text);
        let problem = client.post("/v1/batches", &body).await.refused(422, code);
        assert_eq!(problem["field"], "expires_at");
        let form = call(page(1)).text("expires_at", text.clone());
        let fill = |request: reqwest::RequestBuilder| request.multipart(form);
        client.send("POST", "/v1/jobs", fill).await.refused(422, code);
        let mut body = asked(MODEL, "research", "What is it?", &page(1), 4);
        body["expires_at"] = json!(text);
        let error = client.post(CHAT, &body).await.refused_as_openai(422, code);
        assert_eq!(error["param"], "expires_at");
    }
    let batches = client.get("/v1/batches").await.expect(200).json();
    assert_eq!(batches["data"], json!([]));
}

#[tokio::test]
async fn whoever_waits_for_a_job_is_told_that_its_time_is_up() {
    let hub = hub_with_model(&[("GLMHUB_WORK__MOST_ORDERS", "1")]);
    let client = hub.client("acme", &["submitter"]);
    let busy = hopeless(&client, Duration::hours(1)).await;
    crate::jobs::first_answer(&client, &busy).await;
    let soon = || after(Duration::seconds(3));
    let waits = async {
        let form = call(page(1)).text("expires_at", soon());
        let fill = |request: reqwest::RequestBuilder| request.header("prefer", "wait=60").multipart(form);
        let job = client.send("POST", "/v1/jobs", fill).await.expect(200).json();
        assert_eq!(
            (&job["state"], &job["fault"]["code"]),
            (&json!("expired"), &json!("expired"))
        );
    };
    let follows = async {
        let form = call(page(1)).text("expires_at", soon());
        let fill = |request: reqwest::RequestBuilder| request.multipart(form);
        let job = client.send("POST", "/v1/jobs", fill).await.expect(202).json();
        let stream = format!("/v1/jobs/{}/stream", job["id"].as_str().unwrap());
        let told = events(&client.get(&stream).await.expect(200).text());
        let (name, last) = told.last().unwrap();
        assert_eq!((name.as_str(), &last["state"]), ("verdict", &json!("expired")));
    };
    let chats = async |stream: bool| {
        let mut body = asked(MODEL, "research", "What is it?", &page(1), 4);
        body["expires_at"] = json!(soon());
        body["stream"] = json!(stream);
        let error = client.post(CHAT, &body).await.refused_as_openai(504, "expired");
        assert_eq!(error["state"], "expired", "{error}");
    };
    // At the same time: the one order that is out lasts for that, on fast machines too.
    tokio::join!(waits, follows, chats(false), chats(true));
}

#[tokio::test]
async fn the_commands_name_an_end_and_tell_of_it() {
    let hub = hub_with_model(&[]);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.png"), page(3)).unwrap();
    let token = hub.token("acme", &["submitter"]);
    let remote = [("GLMHUB_URL", hub.url()), ("GLMHUB_TOKEN", token.as_str())];
    let path = folder.path().to_str().unwrap();
    let ask = |end: [&str; 2]| {
        let base = [
            "batch",
            "submit",
            "--model",
            MODEL,
            "--purpose",
            "research",
            "--question",
            "a?",
        ];
        let mut command = glmhub();
        command.args(base).args(end).arg(path).envs(remote);
        ended(command.output().unwrap())
    };
    let told = ask(["--expires-in", "1h"]).well();
    assert!(told.contains("  expires    20"), "{told}");
    let far = ask(["--expires-in", "9999d"]);
    assert!(far.stderr.contains("2592000 seconds away"), "{}", far.stderr);
    let wrong = ask(["--expires-at", "tomorrow"]);
    assert!(wrong.stderr.contains("2026-07-01T18:00:00Z"), "{}", wrong.stderr);
}
