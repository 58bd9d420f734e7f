//! Who stands still for a while, and goes on as if nothing had been.

use super::{Fleet, count::Count, database::psql};
use crate::{
    client::Client,
    doors::{Caller, DOORS, ROLES},
    hub::eventually,
    jobs::{MODEL, call, completed, first_answer, page, submit, submitted, upload},
    receiver::Receiver,
    webhooks::endpoint,
    writer::Writer,
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How long Redis stands still.
const HALF_A_MINUTE: Duration = Duration::from_secs(30);
const PAGES: u8 = 2;
const QUESTIONS: usize = 40;
/// Orders that somebody has begun and that still take a while.
const BEGUN: &str = "SELECT count(*) FROM attempts WHERE closed_at IS NULL AND started_at IS NOT NULL \
    AND (SELECT count(*) FROM answers WHERE answers.order_id = attempts.order_id) < 10";

/// The tables that doors write to.
const WRITTEN: &str =
    "batches, documents, jobs, decisions, webhook_endpoints, acceptances, terms, models, audit_entries";

/// A submitted batch whose pages take a while.
async fn long_batch(client: &Client) -> String {
    let question = |number: usize| json!({ "text": format!("Question {number}?"), "parameters": { "max_new_tokens": 200 } });
    let questions: Vec<Value> = (0..QUESTIONS).map(question).collect();
    let body = json!({ "model": MODEL, "purpose": "research", "questions": questions });
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

#[tokio::test]
async fn a_worker_that_comes_back_after_its_lease_is_fenced_and_works_on() {
    let Some(mut fleet) = Fleet::start().await else {
        return;
    };
    let (receiver, client) = (Receiver::answering(200).await, fleet.client(1, "acme"));
    endpoint(&client, &receiver.url()).await;
    fleet.workers[1].kill9();
    let mut batches = vec![long_batch(&client).await];
    let begun = || async { (psql(&fleet.database, BEGUN) == "1").then_some(()) };
    eventually("the worker to be at work", begun).await;
    fleet.workers[0].signal("STOP");
    fleet.begin_worker(1);
    // The other one gets its order too, when the lease has ended.
    completed(&client, &batches[0]).await;
    fleet.workers[0].signal("CONT");
    let lost = || async { fleet.log_of("worker-0").contains("Lost {").then_some(()) };
    eventually("the worker to find its order lost", lost).await;
    // It is alone from now on, and of use.
    fleet.workers[1].kill9();
    batches.push(submitted(&client, &["What is it?"], 4).await);
    let count = Count::of(&fleet, &client, &batches, &receiver).await;
    count.check(&fleet);
}

#[tokio::test]
async fn a_redis_that_stands_still_for_half_a_minute_loses_nothing_and_keeps_no_door_shut() {
    let Some(fleet) = Fleet::start().await else { return };
    let (receiver, client) = (Receiver::answering(200).await, fleet.client(0, "acme"));
    endpoint(&client, &receiver.url()).await;
    let mut batches = vec![submitted(&client, &["What is it?", "What is the total?"], 12).await];
    first_answer(&client, &batches[0]).await;
    fleet.redis.pause();
    let (stopped, mut accepted) = (Instant::now(), Vec::new());
    let silent = || async { (client.get("/readyz").await.status == 503).then_some(()) };
    eventually("a hub to miss its queue", silent).await;
    // What comes is kept in the records, whether or not there is a queue.
    while stopped.elapsed() < HALF_A_MINUTE {
        let fill = |request: reqwest::RequestBuilder| request.multipart(call(page(9)));
        let answer = client.send("POST", "/v1/jobs", fill).await.expect(202);
        accepted.push(answer.json()["batch"].as_str().unwrap().to_owned());
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    fleet.redis.go_on();
    eprintln!("{} calls were accepted meanwhile", accepted.len());
    batches.extend(accepted.iter().map(|batch| format!("/v1/batches/{batch}")));
    Count::of(&fleet, &client, &batches, &receiver)
        .await
        .check(&fleet);
}

#[tokio::test]
async fn a_database_that_answers_too_slowly_shuts_every_door_for_a_moment() {
    let Some(mut fleet) = Fleet::start().await else {
        return;
    };
    fleet.hubs[0].kill9();
    fleet.hubs[0].environment = vec![("GLMHUB_RECORDS__STATEMENT_SECONDS", "1".to_owned())];
    fleet.begin_hub(0);
    let (receiver, client) = (Receiver::answering(200).await, fleet.caller(0, "acme", &ROLES));
    endpoint(&client, &receiver.url()).await;
    let caller = Caller::new(client.clone()).await;
    let batch = submitted(&client, &["What is it?", "What is the total?"], 6).await;
    first_answer(&client, &batch).await;
    let writer = Writer::on_postgres(&fleet.database, WRITTEN);
    for door in DOORS {
        caller.is_refused(door, "records_unavailable").await;
    }
    client.get(&batch).await.expect(200);
    drop(writer);
    submit(&client, &caller.batch).await.expect(200);
    let count = Count::of(&fleet, &client, &[batch, caller.batch], &receiver).await;
    count.check(&fleet);
    assert_eq!((count.told.batches, count.told.jobs), (2, 13));
}
