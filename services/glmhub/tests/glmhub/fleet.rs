//! Hubs and workers that are many: two `glmhub serve` and two `glmhub worker` on a PostgreSQL database and a Redis of
//! their own.

pub mod bucket;
mod clocks;
mod count;
pub mod database;
mod ending;
mod faults;
mod full;
mod line;
mod measured;
mod postgres;
mod process;
mod redis;
mod revoked;
mod standing_still;
mod storm;
mod streamed;
mod workers;

use crate::{
    client::Client,
    jobs::{MODEL, tiny},
    process::{glmhub, perform_in},
    webhooks::LOOPBACK,
};
use bucket::Bucket;
use database::{line_to_database, new_database};
use line::Line;
use postgres::Postgres;
use process::Process;
use redis::Redis;
use std::{
    fs,
    path::{Path, PathBuf},
    thread,
};
use tempfile::TempDir;

/// How many hubs there are, and how many workers.
const EACH: usize = 2;
/// The password of the workers' user of Redis.
const WORKERS_PASSWORD: &str = "of-the-workers";

/// Settings that keep tests short: what vanished is found in seconds.
const QUICK: [(&str, &str); 16] = [
    // Batches are there to be worked at, not to be told what others were told.
    ("GLMHUB_WORK__SHARE_ANSWERS_SECONDS", "0"),
    ("GLMHUB_RETENTION__LOOK_SECONDS", "1"),
    ("GLMHUB_WORK__IDLE_MILLISECONDS", "50"),
    ("GLMHUB_WORK__LOST_AFTER_SECONDS", "3"),
    ("GLMHUB_WORK__MOST_ORDERS", "8"),
    ("GLMHUB_WORK__SPLIT_HOLD_SECONDS", "5"),
    ("GLMHUB_QUEUE__LEASE_SECONDS", "5"),
    ("GLMHUB_WORKER__ANNOUNCE_SECONDS", "1"),
    ("GLMHUB_WORK__WORKER_GONE_SECONDS", "4"),
    ("GLMHUB_RECORDS__CONNECTION_SECONDS", "6"),
    ("GLMHUB_WEBHOOKS__PUBLIC_URL", "http://hub.test"),
    ("GLMHUB_WEBHOOKS__IDLE_MILLISECONDS", "50"),
    ("GLMHUB_WEBHOOKS__TIMEOUT_SECONDS", "2"),
    ("GLMHUB_WEBHOOKS__CLAIM_SECONDS", "8"),
    ("GLMHUB_LOG__FILTER", "info,hub=debug"),
    LOOPBACK,
];

/// See the module's text. All processes are killed when it is dropped; if a test fails, the ends of their logs are shown.
pub struct Fleet {
    folder: TempDir,
    /// The database, past any line.
    database: String,
    database_of_hubs: String,
    redis_of_hubs: String,
    to_database: Line,
    hubs_to_redis: Line,
    workers_to_redis: Line,
    hubs_to_bucket: Line,
    workers_to_bucket: Line,
    redis: Redis,
    /// Where it is this fleet's alone.
    postgres: Option<Postgres>,
    bucket: Bucket,
    hubs: Vec<Process>,
    workers: Vec<Process>,
}

impl Fleet {
    /// A fleet that can answer. `None` where PostgreSQL or Redis is not to be had, which is said.
    pub async fn start() -> Option<Self> {
        Self::on(new_database(), None).await
    }

    /// As [`Fleet::start`], with a PostgreSQL that can be killed.
    pub async fn start_on_own_postgres() -> Option<Self> {
        let postgres = Postgres::start();
        Self::on(postgres.as_ref().map(Postgres::url), postgres).await
    }

    async fn on(database: Option<String>, postgres: Option<Postgres>) -> Option<Self> {
        let (Some(database), Some(redis)) = (database, Redis::start()) else {
            eprintln!(
                "GLMHUB_TEST_POSTGRES_URL is not set, or there is no redis-server: many processes were not tested"
            );
            return None;
        };
        let (to_database, database_of_hubs) = line_to_database(&database);
        let (hubs_to_redis, workers_to_redis) = (Line::to(&redis.address()), Line::to(&redis.address()));
        let bucket = Bucket::start();
        let line_to_bucket = || Line::to(bucket.address());
        let mut fleet = Self {
            folder: tempfile::tempdir().unwrap(),
            database,
            database_of_hubs,
            redis_of_hubs: format!("redis://{}", hubs_to_redis.address()),
            to_database,
            hubs_to_redis,
            workers_to_redis,
            hubs_to_bucket: line_to_bucket(),
            workers_to_bucket: line_to_bucket(),
            redis,
            postgres,
            bucket,
            hubs: Vec::new(),
            workers: Vec::new(),
        };
        fs::write(
            fleet.folder.path().join("password"),
            format!("{WORKERS_PASSWORD}\n"),
        )
        .unwrap();
        fs::write(fleet.folder.path().join("secret"), bucket::SECRET).unwrap();
        fleet.refuse_to_serve_before_migrating();
        fleet.perform(&["migrate"]);
        fleet.import(MODEL, &tiny());
        // The first token makes the key that all hubs share.
        fleet.token("acme");
        for number in 0..EACH {
            fleet.hubs.push(Process::named(format!("hub-{number}")));
            fleet.begin_hub(number);
        }
        fleet.give_keys_to_workers().await;
        for number in 0..EACH {
            fleet.workers.push(Process::named(format!("worker-{number}")));
            fleet.begin_worker(number);
        }
        Some(fleet)
    }

    fn refuse_to_serve_before_migrating(&self) {
        let complaint = self.performed(&["serve"]).badly(2);
        assert!(complaint.contains("glmhub migrate"), "{complaint}");
    }

    /// What an operator would do: the public keys are fetched once, from a hub.
    async fn give_keys_to_workers(&self) {
        let keys = Client::new(self.url(0), None)
            .get("/.well-known/jwks.json")
            .await
            .expect(200);
        fs::create_dir_all(self.workers_data().join("keys")).unwrap();
        fs::write(self.workers_data().join("keys/hub.jwks.json"), keys.body).unwrap();
    }

    fn begin_hub(&mut self, number: usize) {
        let mut command = glmhub();
        command.arg("serve").arg("--data").arg(self.data());
        command.args(["--listen", "127.0.0.1:0"]).envs(self.settings());
        let log = self.log_file(&self.hubs[number].name);
        self.hubs[number].begin(command, &log, "glmhub is ready at http://");
    }

    /// A worker has the hub's blobs to read, its public keys, and a user of Redis that may do nothing else.
    fn begin_worker(&mut self, number: usize) {
        self.begin_worker_with(number, &[]);
    }

    fn begin_worker_with(&mut self, number: usize, settings: &[(&str, &str)]) {
        let mut command = glmhub();
        command.arg("worker").arg("--data").arg(self.workers_data());
        command.envs(QUICK);
        command.env(
            "GLMHUB_QUEUE__URL",
            format!("redis://worker@{}", self.workers_to_redis.address()),
        );
        command.env("GLMHUB_QUEUE__PASSWORD_FILE", self.folder.path().join("password"));
        command.envs(self.store(&self.workers_to_bucket));
        command.envs(settings.iter().copied());
        let log = self.log_file(&self.workers[number].name);
        self.workers[number].begin(command, &log, "glmhub worker is ready");
    }

    /// Has everybody begin anew and send spans to a collector: hubs as `hubs`, workers as `workers`.
    pub fn send_spans(&mut self, collector: &str) {
        let told = |name: &str| {
            vec![
                ("GLMHUB_TELEMETRY__OTLP_ENDPOINT", collector.to_owned()),
                ("OTEL_SERVICE_NAME", name.to_owned()),
            ]
        };
        self.set_hubs(&told("hubs"));
        for number in 0..EACH {
            self.workers[number].end();
            self.workers[number].environment = told("workers");
            self.begin_worker(number);
        }
    }

    /// Has the hubs begin anew with these settings in the place of, or beside, the fleet's.
    pub fn set_hubs(&mut self, settings: &[(&'static str, String)]) {
        for number in 0..EACH {
            self.hubs[number].end();
            self.hubs[number].environment = settings.to_vec();
            self.begin_hub(number);
        }
    }

    /// Tells everybody to end.
    pub fn end(&mut self) {
        for process in self.workers.iter_mut().chain(&mut self.hubs) {
            assert!(process.end().0.success(), "{} did not end well", process.name);
        }
    }

    /// The settings of hubs and of commands beside them.
    fn settings(&self) -> Vec<(&'static str, String)> {
        let mut settings = self.store(&self.hubs_to_bucket);
        settings.extend(QUICK.map(|(name, value)| (name, value.to_owned())));
        settings.push(("GLMHUB_RECORDS__URL", self.database_of_hubs.clone()));
        settings.push(("GLMHUB_QUEUE__URL", self.redis_of_hubs.clone()));
        settings
    }

    fn performed(&self, arguments: &[&str]) -> crate::process::Ended {
        let settings = self.settings();
        let settings: Vec<(&str, &str)> = settings
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        perform_in(&self.data(), arguments, &settings)
    }

    /// The settings of blobs at the end of a line.
    fn store(&self, line: &Line) -> Vec<(&'static str, String)> {
        let secret = self.folder.path().join("secret");
        vec![
            ("GLMHUB_BLOBS__BUCKET", bucket::BUCKET.to_owned()),
            ("GLMHUB_BLOBS__PREFIX", "fleet".to_owned()),
            ("GLMHUB_BLOBS__ENDPOINT", format!("http://{}", line.address())),
            ("GLMHUB_BLOBS__PATH_STYLE", "true".to_owned()),
            ("GLMHUB_BLOBS__ACCESS_KEY", bucket::ACCESS.to_owned()),
            ("GLMHUB_BLOBS__SECRET_KEY_FILE", secret.display().to_string()),
        ]
    }

    /// What a command of an operator prints.
    pub fn perform(&self, arguments: &[&str]) -> String {
        self.performed(arguments).well()
    }

    /// Imports a folder of weights with `glmhub model import`, beside the running hubs.
    pub fn import(&self, model: &str, from: &Path) -> String {
        self.perform(&[
            "model",
            "import",
            "--model",
            model,
            "--from",
            from.to_str().unwrap(),
        ])
    }

    fn token(&self, tenant: &str) -> String {
        self.token_for(tenant, &["submitter"])
    }

    fn token_for(&self, tenant: &str, roles: &[&str]) -> String {
        let mut issue = vec!["token", "issue", "--tenant", tenant, "--member", "li"];
        issue.extend(roles.iter().flat_map(|role| ["--role", role]));
        self.perform(&issue).trim().to_owned()
    }

    /// The URL of its database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// A client of one of the hubs.
    pub fn client(&self, hub: usize, tenant: &str) -> Client {
        self.caller(hub, tenant, &["submitter"])
    }

    /// A client of one of the hubs in some roles.
    pub fn caller(&self, hub: usize, tenant: &str, roles: &[&str]) -> Client {
        Client::new(self.url(hub), Some(self.token_for(tenant, roles)))
    }

    /// Where one of the hubs listens.
    pub fn url(&self, hub: usize) -> &str {
        self.hubs[hub].said.strip_prefix("glmhub is ready at ").unwrap()
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("hub")
    }

    fn workers_data(&self) -> PathBuf {
        self.folder.path().join("worker")
    }

    fn log_file(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.log"))
    }

    /// How often hubs and workers have said something.
    fn said(&self, what: &str) -> usize {
        self.logs().matches(what).count()
    }

    fn logs(&self) -> String {
        let names = self.hubs.iter().chain(&self.workers).map(|process| &process.name);
        names.map(|name| self.log_of(name)).collect()
    }

    fn log_of(&self, name: &str) -> String {
        fs::read_to_string(self.log_file(name)).unwrap_or_default()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for process in self.hubs.iter_mut().chain(&mut self.workers) {
            process.kill9();
        }
        if thread::panicking() {
            for process in self.hubs.iter().chain(&self.workers) {
                let log = self.log_of(&process.name);
                let lines: Vec<&str> = log.lines().collect();
                eprintln!(
                    "--- the end of the log of {}\n{}",
                    process.name,
                    lines[lines.len().saturating_sub(8)..].join("\n")
                );
            }
        }
    }
}
