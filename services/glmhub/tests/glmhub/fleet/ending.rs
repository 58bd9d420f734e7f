//! Hubs and workers that are told to end leave nothing undone: what was in work is finished or handed back.

use super::{Fleet, count::Count};
use crate::{
    jobs::{first_answer, submitted},
    receiver::Receiver,
    webhooks::endpoint,
};
use std::time::Duration;

/// `worker.drain_seconds` and `server.shutdown_seconds` as shipped, with room for a busy machine.
const BOUND: Duration = Duration::from_secs(30);

#[tokio::test]
async fn whoever_is_told_to_end_does_so_in_time_and_nothing_counts_as_lost() {
    let Some(mut fleet) = Fleet::start().await else {
        return;
    };
    let receiver = Receiver::answering(200).await;
    let client = fleet.client(1, "acme");
    endpoint(&client, &receiver.url()).await;
    let questions = ["What is it?", "What is the total?", "Who sent it?"];
    let batch = submitted(&client, &questions, 20).await;
    first_answer(&client, &batch).await;
    let (worker, worker_took) = fleet.workers[0].end();
    let (hub, hub_took) = fleet.hubs[0].end();
    eprintln!("the worker ended after {worker_took:?}, the hub after {hub_took:?}");
    assert!(worker.success() && hub.success());
    assert!(worker_took < BOUND && hub_took < BOUND);
    let batches = [batch];
    let count = Count::of(&fleet, &client, &batches, &receiver).await;
    count.check(&fleet);
    assert!(!count.attempts.contains("lost"), "{count}");
    assert!(!fleet.logs().contains("did not end in time"));
    // No token of the tenant's, no password, in any log.
    assert!(!fleet.logs().contains(super::WORKERS_PASSWORD));
}
