//! A queue that is full, of many hubs.

use super::Fleet;
use crate::{
    client::Answer,
    full_queue::{NARROW, ask, is_full},
    hub::eventually,
    jobs::completed,
};
use serde_json::Value;

/// The path of the batch of a job that was taken.
fn batch_of(answer: Answer) -> String {
    format!(
        "/v1/batches/{}",
        answer.expect(202).json()["batch"].as_str().unwrap()
    )
}

#[tokio::test]
async fn many_hubs_count_together_and_lose_nothing_that_they_took() {
    let Some(mut fleet) = Fleet::start().await else {
        return;
    };
    for hub in 0..2 {
        fleet.hubs[hub].kill9();
        fleet.hubs[hub].environment = NARROW.map(|(name, value)| (name, value.to_owned())).to_vec();
        fleet.begin_hub(hub);
    }
    for worker in &mut fleet.workers {
        worker.kill9();
    }
    let clients = [0, 1].map(|hub| fleet.client(hub, "acme"));
    let mut taken = vec![
        batch_of(ask(&clients[0], 1).await),
        batch_of(ask(&clients[1], 2).await),
    ];
    for client in &clients {
        is_full(client, 429, "tenant_queue_full", 2).await;
    }
    let other = fleet.client(1, "other");
    let of_other = batch_of(ask(&other, 3).await);
    is_full(&other, 503, "queue_full", 3).await;
    fleet.begin_worker(0);
    for batch in &taken {
        let seen: Value = completed(&clients[0], batch).await;
        assert_eq!(seen["jobs"]["answered"], 1, "{seen}");
    }
    completed(&other, &of_other).await;
    let again = || async {
        let answer = ask(&clients[1], 4).await;
        (answer.status == 202).then_some(answer)
    };
    taken.push(batch_of(eventually("room in the queue", again).await));
    completed(&clients[1], &taken[2]).await;
}
