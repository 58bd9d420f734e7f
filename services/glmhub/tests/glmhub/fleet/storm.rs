//! A storm: faults drawn by chance, one after the other, while batches and single calls keep coming.
//!
//! `GLMHUB_TEST_SEED` repeats one, `GLMHUB_TEST_ROUNDS` makes it longer: 125 rounds are more than 2,000 jobs.

mod fault;

use super::{EACH, Fleet, count::Count};
use crate::{
    client::Client,
    hub::eventually,
    jobs::{call, open, page, submit, upload},
    receiver::Receiver,
    webhooks::endpoint,
};
use fault::FAULTS;
use std::{
    collections::BTreeMap,
    hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher, RandomState},
    time::Duration,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How many faults there are unless more are wanted.
const ROUNDS: u64 = 16;
const DOCUMENTS: u8 = 8;
const QUESTIONS: [&str; 2] = ["What is it?", "What is the total?"];
/// How long somebody who calls again and again pauses between.
const PAUSE: Duration = Duration::from_millis(200);

/// A number that a test may be given from outside.
fn given(variable: &str) -> Option<u64> {
    std::env::var_os(variable).map(|text| text.into_string().unwrap().parse().unwrap())
}

/// See the module's text.
pub struct Storm {
    fleet: Fleet,
    token: String,
    seed: u64,
    stopped: Option<usize>,
    batches: Vec<String>,
}

impl Storm {
    /// Drawn from 0 to below `limit`.
    fn draw(&self, round: u64, what: &str, limit: usize) -> usize {
        let drawn = BuildHasherDefault::<DefaultHasher>::default().hash_one((self.seed, round, what));
        (drawn % limit as u64) as usize
    }

    fn client(&self, hub: usize) -> Client {
        Client::new(self.fleet.url(hub), Some(self.token.clone()))
    }

    /// A worker that stands still goes on, one round later.
    fn wake(&mut self) {
        if let Some(one) = self.stopped.take() {
            self.fleet.workers[one].signal("CONT");
        }
    }

    /// A new batch, submitted at one of the hubs.
    async fn submit_more(&mut self, hub: usize) -> String {
        let client = self.client(hub);
        let batch = open(&client, &QUESTIONS).await;
        for grey in 0..DOCUMENTS {
            upload(&client, &batch, page(grey * 20), "image/png")
                .await
                .expect(201);
        }
        submit(&client, &batch).await.expect(200);
        self.batches.push(batch.clone());
        batch
    }

    /// A new batch at work, in the hands of one of the hubs.
    async fn batch(&mut self, hub: usize) -> String {
        let batch = self.submit_more(hub).await;
        let client = self.client(hub);
        eventually("the first answer of a batch", || async {
            let seen = client.get(&batch).await.expect(200).json();
            (seen["jobs"]["answered"].as_u64() > Some(0)).then_some(())
        })
        .await;
        batch
    }

    /// Somebody who asks both hubs about single pages until `stop`, whatever happens to them meanwhile. Gives the jobs
    /// that were accepted; a hub that cannot has to say so and when to come again.
    fn asking(&self, stop: &CancellationToken) -> JoinHandle<Vec<String>> {
        let (clients, stop): (Vec<Client>, _) =
            ((0..EACH).map(|hub| self.client(hub)).collect(), stop.clone());
        tokio::spawn(async move {
            let mut accepted = Vec::new();
            for client in clients.iter().cycle() {
                let fill = |request: reqwest::RequestBuilder| request.multipart(call(page(9)));
                // A hub that was killed says nothing; whether it took the job is told by the count.
                if let Ok(answer) = client.try_send("POST", "/v1/jobs", fill).await {
                    match answer.status {
                        202 => accepted.push(answer.header("location").unwrap().to_owned()),
                        503 => assert!(answer.header("retry-after").is_some(), "{}", answer.text()),
                        _ => panic!("{answer:?}: {}", answer.text()),
                    }
                }
                if stop
                    .run_until_cancelled(tokio::time::sleep(PAUSE))
                    .await
                    .is_none()
                {
                    break;
                }
            }
            accepted
        })
    }

    /// One fault, while a batch is at work and somebody keeps asking. Gives the jobs of single calls.
    async fn round(&mut self, round: u64, struck: &mut BTreeMap<fault::Fault, u32>) -> Vec<String> {
        let batch = self.batch(self.draw(round, "hub", EACH)).await;
        self.wake();
        // Every kind comes once before chance has its way.
        let kind = usize::try_from(round).unwrap();
        let fault = *FAULTS
            .get(kind)
            .unwrap_or(&FAULTS[self.draw(round, "fault", FAULTS.len())]);
        let (one, stop) = (self.draw(round, "one", EACH), CancellationToken::new());
        let asking = self.asking(&stop);
        self.strike(fault, one, &batch).await;
        stop.cancel();
        *struck.entry(fault).or_insert(0) += 1;
        asking.await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_faults_loses_no_job_and_answers_none_twice() {
    let Some(fleet) = Fleet::start_on_own_postgres().await else {
        return;
    };
    let seed = given("GLMHUB_TEST_SEED").unwrap_or_else(|| RandomState::new().hash_one(0) % 1_000_000);
    eprintln!("the storm's seed is {seed}");
    let (receiver, token) = (Receiver::answering(200).await, fleet.token("acme"));
    let mut storm = Storm {
        fleet,
        token,
        seed,
        stopped: None,
        batches: Vec::new(),
    };
    endpoint(&storm.client(0), &receiver.url()).await;
    let (mut accepted, mut struck) = (Vec::new(), BTreeMap::new());
    for round in 0..given("GLMHUB_TEST_ROUNDS").unwrap_or(ROUNDS) {
        accepted.extend(storm.round(round, &mut struck).await);
    }
    storm.wake();
    eprintln!(
        "faults: {struck:?}; {} single calls were accepted",
        accepted.len()
    );
    let (client, mut batches) = (storm.client(0), storm.batches.clone());
    for job in &accepted {
        let job = client.get(job).await.expect(200).json();
        batches.push(format!("/v1/batches/{}", job["batch"].as_str().unwrap()));
    }
    let count = Count::of(&storm.fleet, &client, &batches, &receiver).await;
    count.check(&storm.fleet);
    let of_batches = storm.batches.len() * usize::from(DOCUMENTS) * QUESTIONS.len();
    assert!(count.told.jobs >= of_batches + accepted.len(), "{count}");
}
