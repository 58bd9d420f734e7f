//! Whatever dies or forgets in the middle, every job has exactly one answer at the end, and every event was told.

use super::{Fleet, count::Count};
use crate::{
    client::Client,
    hub::eventually,
    jobs::{open, page, submit, upload},
    receiver::Receiver,
    webhooks::endpoint,
};
use serde_json::Value;

const DOCUMENTS: u8 = 10;
const QUESTIONS: [&str; 2] = ["What is it?", "What is the total?"];

/// A batch at work, when `answers` of its jobs are answered.
async fn batch_with(client: &Client, answers: u64) -> String {
    let batch = open(client, &QUESTIONS).await;
    for grey in 0..DOCUMENTS {
        upload(client, &batch, page(grey * 20), "image/png")
            .await
            .expect(201);
    }
    submit(client, &batch).await.expect(200);
    let look = || async {
        let seen = client.get(&batch).await.expect(200).json();
        let split = seen["documents"]["split"].as_u64() == Some(u64::from(DOCUMENTS));
        (split && answered(&seen) >= answers).then_some(())
    };
    eventually("the moment of the fault", look).await;
    batch
}

fn answered(batch: &Value) -> u64 {
    batch["jobs"]["answered"].as_u64().unwrap()
}

#[tokio::test]
async fn every_job_is_answered_once_whatever_is_killed_or_forgotten() {
    let Some(mut fleet) = Fleet::start().await else {
        return;
    };
    let receiver = Receiver::answering(200).await;
    let client = fleet.client(1, "acme");
    endpoint(&client, &receiver.url()).await;
    let mut batches = Vec::new();

    batches.push(batch_with(&client, 2).await);
    fleet.workers[0].kill9();
    fleet.begin_worker(0);

    // The client is one of the other hub: it goes on as if nothing had been.
    batches.push(batch_with(&client, 2).await);
    fleet.hubs[0].kill9();
    batches.push(batch_with(&client, 2).await);
    fleet.begin_hub(0);

    batches.push(batch_with(&client, 2).await);
    fleet.redis.empty();

    batches.push(batch_with(&client, 2).await);
    fleet.redis.restart_empty();

    // A worker and a hub at the same moment, and a queue that forgets while they are away.
    batches.push(batch_with(&client, 2).await);
    fleet.workers[1].kill9();
    fleet.hubs[0].kill9();
    fleet.redis.empty();
    fleet.begin_hub(0);
    fleet.begin_worker(1);

    let other = fleet.client(0, "acme");
    Count::of(&fleet, &other, &batches, &receiver).await.check(&fleet);
}
