//! kill -9 at several moments: what was accepted is there after the restart and is answered once.

use crate::{
    client::Client,
    hub::{Hub, eventually},
    jobs::{completed, hub_with_model, open, page, submit, upload},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const DOCUMENTS: u8 = 4;

async fn documents(client: &Client, batch: &str) {
    for grey in 0..DOCUMENTS {
        upload(client, batch, page(grey * 50), "image/png")
            .await
            .expect(201);
    }
}

/// Kills the hub, starts it again, and gives a client of the new one.
fn killed(hub: &mut Hub, token: &str) -> Client {
    hub.kill9();
    hub.begin();
    Client::new(hub.url(), Some(token.to_owned()))
}

/// Returns as soon as the batch is seen in that condition, or beyond it.
async fn until(client: &Client, batch: &str, condition: impl Fn(&Value) -> bool) {
    let look = || async {
        let seen = client.get(batch).await.expect(200).json();
        (condition(&seen) || seen["state"] == "completed").then_some(())
    };
    eventually("the moment to kill", look).await;
}

async fn each_is_answered_once(client: &Client, batch: &str) {
    let seen = completed(client, batch).await;
    let total = json!(u64::from(DOCUMENTS) * 2);
    assert_eq!(
        (&seen["jobs"]["answered"], &seen["jobs"]["total"]),
        (&total, &total),
        "{seen}"
    );
    let rows = client.get(&format!("{batch}/answers?limit=100")).await.json();
    let rows = rows["data"].as_array().unwrap();
    let places: BTreeSet<(String, u64)> = rows
        .iter()
        .map(|row| {
            (
                row["document"].as_str().unwrap().to_owned(),
                row["question"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        (rows.len(), places.len()),
        (usize::from(DOCUMENTS) * 2, usize::from(DOCUMENTS) * 2)
    );
    assert!(rows.iter().all(|row| row["answer"]["text"].is_string()));
}

#[tokio::test]
async fn a_hub_that_is_killed_again_and_again_answers_everything_once() {
    let mut hub = hub_with_model(&[]);
    let token = hub.token("acme", &["submitter"]);
    let mut client = Client::new(hub.url(), Some(token.clone()));
    let mut batches = Vec::new();
    // At each of these moments of a new batch's life, the hub is killed with the earlier batches still in it.
    type Moment = fn(&Value) -> bool;
    let moments: [Moment; 5] = [
        |_| true,
        |batch| batch["documents"]["split"].as_u64() > Some(0),
        |batch| batch["jobs"]["dispatched"].as_u64() > Some(0) || batch["jobs"]["running"].as_u64() > Some(0),
        |batch| batch["jobs"]["answered"].as_u64() > Some(0),
        |batch| batch["jobs"]["answered"].as_u64() > Some(u64::from(DOCUMENTS)),
    ];
    for moment in moments {
        let batch = open(&client, &["What is it?", "What is the total?"]).await;
        documents(&client, &batch).await;
        submit(&client, &batch).await.expect(200);
        until(&client, &batch, moment).await;
        client = killed(&mut hub, &token);
        batches.push(batch);
    }
    for batch in batches {
        each_is_answered_once(&client, &batch).await;
    }
}

#[tokio::test]
async fn documents_that_were_accepted_before_the_kill_can_be_submitted_after_it() {
    let mut hub = hub_with_model(&[]);
    let token = hub.token("acme", &["submitter"]);
    let client = Client::new(hub.url(), Some(token.clone()));
    let batch = open(&client, &["What is it?", "What is the total?"]).await;
    documents(&client, &batch).await;
    let client = killed(&mut hub, &token);
    let listed = client.get(&format!("{batch}/documents")).await.json();
    assert_eq!(listed["data"].as_array().unwrap().len(), usize::from(DOCUMENTS));
    submit(&client, &batch).await.expect(200);
    each_is_answered_once(&client, &batch).await;
}
