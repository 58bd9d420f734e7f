//! A storm: faults drawn by chance, one after the other, while batches keep coming.
//!
//! `GLMHUB_TEST_SEED` repeats one, `GLMHUB_TEST_ROUNDS` makes it longer.

use super::{EACH, Fleet, count::Count};
use crate::{
    client::Client,
    hub::eventually,
    jobs::{open, page, submit, upload},
    receiver::Receiver,
    webhooks::endpoint,
};
use std::{
    collections::BTreeMap,
    hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher, RandomState},
};

/// How many faults there are unless more are wanted.
const ROUNDS: u64 = 16;
const DOCUMENTS: u8 = 8;

/// What can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    WorkerKilled,
    HubKilled,
    RedisEmptied,
    RedisRestartedEmpty,
    DatabaseCutOff,
    HubsCutOffFromRedis,
    WorkersCutOffFromRedis,
    /// Requests get no reply, and nobody is told why.
    RedisSilentToWorkers,
    /// Documents, pages and models are out of reach.
    BlobsCutOff,
    /// A worker stands still, and goes on when its lease may long have ended.
    WorkerStopped,
}

const FAULTS: [Fault; 10] = [
    Fault::WorkerKilled,
    Fault::HubKilled,
    Fault::RedisEmptied,
    Fault::RedisRestartedEmpty,
    Fault::DatabaseCutOff,
    Fault::HubsCutOffFromRedis,
    Fault::WorkersCutOffFromRedis,
    Fault::RedisSilentToWorkers,
    Fault::BlobsCutOff,
    Fault::WorkerStopped,
];

/// A number that a test may be given from outside.
fn given(variable: &str) -> Option<u64> {
    std::env::var_os(variable).map(|text| text.into_string().unwrap().parse().unwrap())
}

struct Storm {
    fleet: Fleet,
    token: String,
    seed: u64,
    stopped: Option<usize>,
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

    async fn strike(&mut self, fault: Fault, one: usize, batch: &str) {
        let fleet = &mut self.fleet;
        match fault {
            Fault::WorkerKilled => {
                fleet.workers[one].kill9();
                fleet.begin_worker(one);
            }
            Fault::HubKilled => {
                fleet.hubs[one].kill9();
                fleet.begin_hub(one);
            }
            Fault::RedisEmptied => fleet.redis.empty(),
            Fault::RedisRestartedEmpty => fleet.redis.restart_empty(),
            Fault::DatabaseCutOff => {
                fleet.to_database.cut();
                let client = self.client(one);
                eventually("a caller to be told to come again", || async {
                    let answer = client.get(batch).await;
                    let told = answer.header("retry-after").is_some();
                    (answer.status == 503 && told).then(|| answer.refused(503, "records_unavailable"))
                })
                .await;
                self.fleet.to_database.mend();
            }
            Fault::HubsCutOffFromRedis => {
                fleet.hubs_to_redis.cut();
                let client = self.client(one);
                eventually("a hub to miss its queue", || async {
                    (client.get("/readyz").await.status == 503).then_some(())
                })
                .await;
                self.fleet.hubs_to_redis.mend();
            }
            Fault::WorkersCutOffFromRedis | Fault::RedisSilentToWorkers => {
                let before = fleet.silences();
                match fault {
                    Fault::RedisSilentToWorkers => fleet.workers_to_redis.hold(),
                    _ => fleet.workers_to_redis.cut(),
                }
                eventually("a worker to miss its queue", || async {
                    (fleet.silences() > before).then_some(())
                })
                .await;
                fleet.workers_to_redis.mend();
            }
            Fault::BlobsCutOff => {
                let client = self.client(one);
                let other = open(&client, &["What is it?"]).await;
                self.fleet.to_bucket.cut();
                eventually("an upload to be told to come again", || async {
                    let answer = upload(&client, &other, page(7), "image/png").await;
                    (answer.status == 503).then(|| answer.refused(503, "storage_unavailable"))
                })
                .await;
                self.fleet.to_bucket.mend();
            }
            Fault::WorkerStopped => {
                fleet.workers[one].signal("STOP");
                self.stopped = Some(one);
            }
        }
    }

    /// A worker that stands still goes on, one round later.
    fn wake(&mut self) {
        if let Some(one) = self.stopped.take() {
            self.fleet.workers[one].signal("CONT");
        }
    }

    /// A new batch at work, in the hands of one of the hubs.
    async fn batch(&self, hub: usize) -> String {
        let client = self.client(hub);
        let batch = open(&client, &["What is it?", "What is the total?"]).await;
        for grey in 0..DOCUMENTS {
            upload(&client, &batch, page(grey * 20), "image/png")
                .await
                .expect(201);
        }
        submit(&client, &batch).await.expect(200);
        eventually("the first answer of a batch", || async {
            let seen = client.get(&batch).await.expect(200).json();
            (seen["jobs"]["answered"].as_u64() > Some(0)).then_some(())
        })
        .await;
        batch
    }
}

#[tokio::test]
async fn a_storm_of_faults_loses_no_job_and_answers_none_twice() {
    let Some(fleet) = Fleet::start().await else { return };
    let seed = given("GLMHUB_TEST_SEED").unwrap_or_else(|| RandomState::new().hash_one(0) % 1_000_000);
    eprintln!("the storm's seed is {seed}");
    let (receiver, token) = (Receiver::answering(200).await, fleet.token("acme"));
    let mut storm = Storm {
        fleet,
        token,
        seed,
        stopped: None,
    };
    endpoint(&storm.client(0), &receiver.url()).await;
    let (mut batches, mut struck) = (Vec::new(), BTreeMap::new());
    for round in 0..given("GLMHUB_TEST_ROUNDS").unwrap_or(ROUNDS) {
        let batch = storm.batch(storm.draw(round, "hub", EACH)).await;
        storm.wake();
        // Every kind comes once before chance has its way.
        let kind = usize::try_from(round).unwrap();
        let fault = *FAULTS
            .get(kind)
            .unwrap_or(&FAULTS[storm.draw(round, "fault", FAULTS.len())]);
        let one = storm.draw(round, "one", EACH);
        storm.strike(fault, one, &batch).await;
        *struck.entry(fault).or_insert(0) += 1;
        batches.push(batch);
    }
    storm.wake();
    eprintln!("faults: {struck:?}");
    let count = Count::of(&storm.fleet, &storm.client(0), &batches, &receiver).await;
    count.check(&storm.fleet, &batches);
}
