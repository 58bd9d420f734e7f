//! What can go wrong with a fleet, each fault from its beginning until it was felt.

use super::Storm;
use crate::{
    client::Client,
    fleet::{bucket::Mood, database::psql},
    hub::eventually,
    jobs::{open, page, upload},
};

/// See the module's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    WorkerKilled,
    HubKilled,
    DatabaseKilled,
    RedisEmptied,
    /// It is killed too.
    RedisRestartedEmpty,
    DatabaseCutOff,
    HubsCutOffFromRedis,
    WorkersCutOffFromRedis,
    /// Requests get no reply, and nobody is told why.
    RedisSilentToWorkers,
    /// Documents cannot be stored, and not be split.
    HubsCutOffFromBlobs,
    /// Pages and models are out of reach.
    WorkersCutOffFromBlobs,
    BlobsFailing,
    BlobsSlow,
    BlobsCutShort,
    /// A worker stands still, and goes on when its lease may long have ended.
    WorkerStopped,
}

pub const FAULTS: [Fault; 15] = [
    Fault::WorkerKilled,
    Fault::HubKilled,
    Fault::DatabaseKilled,
    Fault::RedisEmptied,
    Fault::RedisRestartedEmpty,
    Fault::DatabaseCutOff,
    Fault::HubsCutOffFromRedis,
    Fault::WorkersCutOffFromRedis,
    Fault::RedisSilentToWorkers,
    Fault::HubsCutOffFromBlobs,
    Fault::WorkersCutOffFromBlobs,
    Fault::BlobsFailing,
    Fault::BlobsSlow,
    Fault::BlobsCutShort,
    Fault::WorkerStopped,
];

impl Storm {
    /// Lets it happen to the hub or worker `one`, or to all, while `batch` is in work. What was felt is over afterwards.
    pub async fn strike(&mut self, fault: Fault, one: usize, batch: &str) {
        match fault {
            Fault::WorkerKilled => {
                self.fleet.workers[one].kill9();
                self.fleet.begin_worker(one);
            }
            Fault::HubKilled => {
                self.fleet.hubs[one].kill9();
                self.fleet.begin_hub(one);
            }
            Fault::RedisEmptied => self.fleet.redis.empty(),
            Fault::RedisRestartedEmpty => self.fleet.redis.restart_empty(),
            Fault::WorkerStopped => {
                self.fleet.workers[one].signal("STOP");
                self.stopped = Some(one);
            }
            Fault::DatabaseKilled | Fault::DatabaseCutOff => self.without_database(fault, one, batch).await,
            Fault::HubsCutOffFromRedis => {
                self.fleet.hubs_to_redis.cut();
                not_ready(&self.client(one)).await;
                self.fleet.hubs_to_redis.mend();
            }
            Fault::WorkersCutOffFromRedis | Fault::RedisSilentToWorkers => {
                self.workers_without_queue(fault).await;
            }
            Fault::HubsCutOffFromBlobs | Fault::BlobsFailing => self.hubs_without_blobs(fault, one).await,
            Fault::WorkersCutOffFromBlobs => self.workers_without_blobs(one).await,
            Fault::BlobsSlow => {
                self.fleet.bucket.turn(Mood::Slow);
                not_ready(&self.client(one)).await;
                self.fleet.bucket.turn(Mood::Well);
            }
            Fault::BlobsCutShort => {
                let before = self.fleet.bucket.cut_short();
                self.fleet.bucket.turn(Mood::CuttingShort);
                self.submit_more(one).await;
                let cut = || async { (self.fleet.bucket.cut_short() > before).then_some(()) };
                eventually("an object to break off", cut).await;
                self.fleet.bucket.turn(Mood::Well);
            }
        }
    }

    async fn without_database(&mut self, fault: Fault, one: usize, batch: &str) {
        let killed = fault == Fault::DatabaseKilled;
        match &mut self.fleet.postgres {
            Some(postgres) if killed => postgres.kill9(),
            _ => self.fleet.to_database.cut(),
        }
        let client = self.client(one);
        eventually("a caller to be told to come again", || async {
            let answer = client.get(batch).await;
            let told = answer.header("retry-after").is_some();
            (answer.status == 503 && told).then(|| answer.refused(503, "records_unavailable"))
        })
        .await;
        match &mut self.fleet.postgres {
            Some(postgres) if killed => postgres.begin(),
            _ => self.fleet.to_database.mend(),
        }
        let answers = || async { (client.get(batch).await.status == 200).then_some(()) };
        eventually("the database to be back", answers).await;
    }

    async fn workers_without_queue(&self, fault: Fault) {
        let silences = || self.fleet.said("the queue does not answer");
        let before = silences();
        match fault {
            Fault::RedisSilentToWorkers => self.fleet.workers_to_redis.hold(),
            _ => self.fleet.workers_to_redis.cut(),
        }
        let missed = || async { (silences() > before).then_some(()) };
        eventually("a worker to miss its queue", missed).await;
        self.fleet.workers_to_redis.mend();
    }

    async fn hubs_without_blobs(&self, fault: Fault, one: usize) {
        let client = self.client(one);
        let other = open(&client, &["What is it?"]).await;
        let kept = upload(&client, &other, page(8), "image/png").await;
        let kept = kept.expect(201).json()["data"][0]["id"].clone();
        match fault {
            Fault::BlobsFailing => self.fleet.bucket.turn(Mood::Failing),
            _ => self.fleet.hubs_to_bucket.cut(),
        }
        eventually("an upload to be told to come again", || async {
            let answer = upload(&client, &other, page(7), "image/png").await;
            (answer.status == 503).then(|| answer.refused(503, "storage_unavailable"))
        })
        .await;
        let content = format!("{other}/documents/{}/content", kept.as_str().unwrap());
        let answer = client.get(&content).await;
        assert!(answer.header("retry-after").is_some());
        answer.refused(503, "storage_unavailable");
        self.fleet.hubs_to_bucket.mend();
        self.fleet.bucket.turn(Mood::Well);
    }

    async fn workers_without_blobs(&mut self, one: usize) {
        let faults = "SELECT count(*) FROM job_faults WHERE code = 'blobs_unreachable'";
        let before = psql(&self.fleet.database, faults);
        self.fleet.workers_to_bucket.cut();
        self.submit_more(one).await;
        let felt = || async { (psql(&self.fleet.database, faults) != before).then_some(()) };
        eventually("a worker to miss a page", felt).await;
        self.fleet.workers_to_bucket.mend();
    }
}

async fn not_ready(client: &Client) {
    let look = || async { (client.get("/readyz").await.status == 503).then_some(()) };
    eventually("a hub to miss a part", look).await;
}
