//! Workers in processes of their own, as every hub hears of them.

use super::{EACH, Fleet};
use crate::{
    hub::eventually,
    jobs::{MODEL, completed, submitted},
};
use serde_json::{Value, json};

#[tokio::test]
async fn every_hub_hears_of_all_workers_and_one_that_is_killed_is_soon_gone() {
    let Some(mut fleet) = Fleet::start().await else {
        return;
    };
    for hub in 0..EACH {
        listed(&fleet, hub, EACH).await;
    }
    fleet.workers[0].kill9();
    for hub in 0..EACH {
        listed(&fleet, hub, EACH - 1).await;
    }
    fleet.begin_worker(0);
    listed(&fleet, 0, EACH).await;
}

/// Waits until a hub lists so many workers.
async fn listed(fleet: &Fleet, hub: usize, count: usize) {
    let client = fleet.caller(hub, "acme", &["operator"]);
    let look = || async {
        let listed = client.get("/v1/workers").await.expect(200).json();
        (listed["data"].as_array()?.len() == count).then_some(())
    };
    eventually("as many workers as there are to be listed", look).await;
}

#[tokio::test]
async fn a_model_waits_for_a_worker_that_has_room_for_it_and_everybody_can_see_that() {
    let Some(mut fleet) = Fleet::start().await else {
        return;
    };
    for worker in &mut fleet.workers {
        worker.kill9();
    }
    let client = fleet.client(0, "acme");
    let narrow = [
        ("GLMHUB_WORKER__MEMORY_BYTES", "1000"),
        ("GLMHUB_WORKER__MOST_KEPT_BYTES", "0"),
    ];
    fleet.begin_worker_with(0, &narrow);
    listed(&fleet, 0, 1).await;
    let batch = submitted(&client, &["What is it?"], 4).await;
    let waits = || async {
        let seen = client.get(&batch).await.expect(200).json();
        (seen["waits_for"] == "worker").then_some(())
    };
    eventually("the batch to say what it waits for", waits).await;
    let operator = fleet.caller(0, "acme", &["operator"]);
    let workers = operator.get("/v1/workers").await.expect(200).json();
    let (little, lacking) = (&workers["data"][0], &workers["lacking"][0]);
    assert_eq!(
        (&little["memory_bytes"], &lacking["model"]),
        (&json!(1000), &json!(MODEL))
    );
    assert!(lacking["need"]["f32_bytes"].as_u64() > Some(1000), "{lacking}");
    assert!(fleet.logs().contains("no worker has room for their model"));
    fleet.begin_worker(1);
    let done = completed(&client, &batch).await;
    assert_eq!(
        (&done["jobs"]["answered"], &done["waits_for"]),
        (&json!(4), &Value::Null)
    );
    let answers = client.get(&format!("{batch}/answers")).await.expect(200).json();
    let answered_by: Vec<&Value> = answers["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["answer"]["worker"])
        .collect();
    assert_eq!(answered_by.len(), 4);
    assert!(
        answered_by.iter().all(|worker| **worker != little["id"]),
        "{answers}"
    );
}
