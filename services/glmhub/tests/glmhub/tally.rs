//! What came of everything that a tenant submitted, counted in the answers of the API and at the receiver of webhooks.

use crate::{client::Client, hub::eventually, jobs::completed, receiver::Receiver};
use serde_json::Value;
use std::collections::BTreeSet;

/// The numbers of a test.
pub struct Tally {
    pub batches: usize,
    pub jobs: usize,
    pub answers: usize,
    pub failed: u64,
    pub events: usize,
    pub webhooks: usize,
}

impl Tally {
    /// Waits until all that was submitted is done, `accepted` among it, and every event has come, then counts.
    pub async fn of(client: &Client, accepted: &[String], receiver: &Receiver) -> Self {
        let batches = submitted(client).await;
        for batch in accepted {
            assert!(batches.contains(batch), "{batch} was taken and is gone");
        }
        let (mut jobs, mut failed, mut answered) = (0, 0, BTreeSet::new());
        for batch in &batches {
            let seen = completed(client, batch).await;
            jobs += seen["jobs"]["total"].as_u64().unwrap() as usize;
            failed += seen["jobs"]["failed"].as_u64().unwrap();
            for row in all(client, &format!("{batch}/answers")).await {
                assert!(row["answer"]["text"].is_string(), "{row}");
                let job = row["job"].as_str().unwrap().to_owned();
                assert!(answered.insert(job), "answered twice: {row}");
            }
        }
        let expected = jobs + batches.len();
        let came = eventually("every event to come", || async {
            Some(receiver.by_event()).filter(|came| came.len() >= expected)
        })
        .await;
        Self {
            batches: batches.len(),
            jobs,
            answers: answered.len(),
            failed,
            events: came.len(),
            webhooks: came.values().sum(),
        }
    }

    /// Prints the numbers, and holds that every job has one answer and every event was told.
    pub fn check(&self) {
        eprintln!("counted: {self}");
        assert_eq!((self.answers, self.failed), (self.jobs, 0));
        assert_eq!(self.events, self.jobs + self.batches);
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            batches,
            jobs,
            answers,
            failed,
            events,
            webhooks,
        } = self;
        write!(
            f,
            "{batches} batches, {jobs} jobs, {answers} answers, {failed} failed; "
        )?;
        write!(f, "{events} events told by {webhooks} webhooks")
    }
}

/// The batches of the client's tenant that were submitted, those of single calls among them.
async fn submitted(client: &Client) -> Vec<String> {
    let batches = all(client, "/v1/batches").await.into_iter();
    let batches = batches.filter(|batch| batch["state"] != "open");
    batches
        .map(|batch| format!("/v1/batches/{}", batch["id"].as_str().unwrap()))
        .collect()
}

/// All that a list has, page by page.
pub async fn all(client: &Client, list: &str) -> Vec<Value> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let page = client.get(&format!("{list}?limit=100{after}")).await;
        let page = page.expect(200).json();
        all.extend(page["data"].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return all,
        }
    }
}
