//! Hubs and workers that are many: two `glmhub serve` and two `glmhub worker` on a PostgreSQL database and a Redis of
//! their own.

mod bucket;
mod count;
mod ending;
mod faults;
mod line;
mod redis;
mod revoked;
mod storm;

use crate::{
    client::Client,
    hub::{PATIENCE, first_line},
    jobs::{MODEL, tiny},
    process::{glmhub, perform_in},
    webhooks::LOOPBACK,
};
use bucket::Bucket;
use line::Line;
use redis::Redis;
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How many hubs there are, and how many workers.
const EACH: usize = 2;
/// The password of the workers' user of Redis.
const WORKERS_PASSWORD: &str = "of-the-workers";

/// Settings that keep tests short: what vanished is found in seconds.
const QUICK: [(&str, &str); 12] = [
    ("GLMHUB_WORK__IDLE_MILLISECONDS", "50"),
    ("GLMHUB_WORK__LOST_AFTER_SECONDS", "3"),
    ("GLMHUB_WORK__MOST_ORDERS", "8"),
    ("GLMHUB_WORK__SPLIT_HOLD_SECONDS", "5"),
    ("GLMHUB_QUEUE__LEASE_SECONDS", "5"),
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
    to_bucket: Line,
    redis: Redis,
    _bucket: Bucket,
    hubs: Vec<Process>,
    workers: Vec<Process>,
}

/// A hub or a worker.
struct Process {
    name: String,
    child: Option<Child>,
    /// The line that it printed when it was ready.
    said: String,
}

impl Fleet {
    /// A fleet that can answer. `None` where PostgreSQL or Redis is not to be had, which is said.
    pub async fn start() -> Option<Self> {
        let (Some(database), Some(redis)) = (new_database(), Redis::start()) else {
            eprintln!(
                "GLMHUB_TEST_POSTGRES_URL is not set, or there is no redis-server: many processes were not tested"
            );
            return None;
        };
        let (to_database, database_of_hubs) = line_to_database(&database);
        let (hubs_to_redis, workers_to_redis) = (Line::to(&redis.address()), Line::to(&redis.address()));
        let bucket = Bucket::start();
        let to_bucket = Line::to(bucket.address());
        let mut fleet = Self {
            folder: tempfile::tempdir().unwrap(),
            database,
            database_of_hubs,
            redis_of_hubs: format!("redis://{}", hubs_to_redis.address()),
            to_database,
            hubs_to_redis,
            workers_to_redis,
            to_bucket,
            redis,
            _bucket: bucket,
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
        let import = [
            "model",
            "import",
            "--model",
            MODEL,
            "--from",
            tiny().to_str().unwrap(),
        ]
        .map(str::to_owned);
        fleet.perform(&import.each_ref().map(String::as_str));
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
        let mut command = glmhub();
        command.arg("worker").arg("--data").arg(self.workers_data());
        command.envs(QUICK);
        command.env(
            "GLMHUB_QUEUE__URL",
            format!("redis://worker@{}", self.workers_to_redis.address()),
        );
        command.env("GLMHUB_QUEUE__PASSWORD_FILE", self.folder.path().join("password"));
        command.envs(self.store());
        let log = self.log_file(&self.workers[number].name);
        self.workers[number].begin(command, &log, "glmhub worker is ready");
    }

    /// The settings of hubs and of commands beside them.
    fn settings(&self) -> Vec<(&'static str, String)> {
        let mut settings = self.store();
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

    /// The settings of blobs, which all have.
    fn store(&self) -> Vec<(&'static str, String)> {
        let secret = self.folder.path().join("secret");
        vec![
            ("GLMHUB_BLOBS__BUCKET", bucket::BUCKET.to_owned()),
            ("GLMHUB_BLOBS__PREFIX", "fleet".to_owned()),
            (
                "GLMHUB_BLOBS__ENDPOINT",
                format!("http://{}", self.to_bucket.address()),
            ),
            ("GLMHUB_BLOBS__PATH_STYLE", "true".to_owned()),
            ("GLMHUB_BLOBS__ACCESS_KEY", bucket::ACCESS.to_owned()),
            ("GLMHUB_BLOBS__SECRET_KEY_FILE", secret.display().to_string()),
        ]
    }

    /// What a command of an operator prints.
    pub fn perform(&self, arguments: &[&str]) -> String {
        self.performed(arguments).well()
    }

    fn token(&self, tenant: &str) -> String {
        let issue = [
            "token",
            "issue",
            "--tenant",
            tenant,
            "--member",
            "li",
            "--role",
            "submitter",
        ];
        self.perform(&issue).trim().to_owned()
    }

    /// A client of one of the hubs.
    pub fn client(&self, hub: usize, tenant: &str) -> Client {
        Client::new(self.url(hub), Some(self.token(tenant)))
    }

    fn url(&self, hub: usize) -> &str {
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

    /// How often workers have said that the queue does not answer.
    fn silences(&self) -> usize {
        self.logs().matches("the queue does not answer").count()
    }

    fn logs(&self) -> String {
        let names = self.hubs.iter().chain(&self.workers).map(|process| &process.name);
        names
            .map(|name| fs::read_to_string(self.log_file(name)).unwrap_or_default())
            .collect()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for process in self.hubs.iter_mut().chain(&mut self.workers) {
            process.kill9();
        }
        if thread::panicking() {
            for process in self.hubs.iter().chain(&self.workers) {
                let log = fs::read_to_string(self.log_file(&process.name)).unwrap_or_default();
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

impl Process {
    fn named(name: String) -> Self {
        Self {
            name,
            child: None,
            said: String::new(),
        }
    }

    /// Starts it and waits until it says that it is ready.
    fn begin(&mut self, mut command: Command, log: &Path, ready: &str) {
        assert!(self.child.is_none(), "{} is up", self.name);
        let log = File::options().create(true).append(true).open(log).unwrap();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let line = first_line(&mut child);
        self.child = Some(child);
        self.said = line.unwrap_or_else(|| panic!("{} was not ready in time", self.name));
        assert!(self.said.starts_with(ready), "{} said {:?}", self.name, self.said);
    }

    fn kill9(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Sends a signal by name, such as `STOP`.
    fn signal(&self, name: &str) {
        signal(self.child.as_ref().unwrap(), name);
    }

    /// Tells it to end, and gives how it ended and how long that took.
    fn end(&mut self) -> (ExitStatus, Duration) {
        let mut child = self.child.take().unwrap();
        let told = Instant::now();
        signal(&child, "TERM");
        loop {
            match child.try_wait().unwrap() {
                Some(status) => return (status, told.elapsed()),
                None if told.elapsed() < PATIENCE => thread::sleep(Duration::from_millis(10)),
                None => {
                    child.kill().unwrap();
                    panic!("{} did not end in time", self.name);
                }
            }
        }
    }
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-s", name, &pid])
            .status()
            .unwrap()
            .success()
    );
}

/// A line to the server of a database, and the URL that goes over it.
fn line_to_database(url: &str) -> (Line, String) {
    let (start, rest) = url.rsplit_once('@').unwrap();
    let (server, name) = rest.split_once('/').unwrap();
    let line = Line::to(server);
    let over = format!("{start}@{}/{name}", line.address());
    (line, over)
}

/// The URL of an empty database on the server for tests. The server is thrown away after the tests, so it stays.
fn new_database() -> Option<String> {
    let server = std::env::var_os("GLMHUB_TEST_POSTGRES_URL")?
        .into_string()
        .unwrap();
    let random = std::collections::hash_map::RandomState::new();
    let name = format!("fleet_{:x}", std::hash::BuildHasher::hash_one(&random, &server));
    psql(&server, &format!("CREATE DATABASE {name}"));
    Some(format!("{}/{name}", server.rsplit_once('/').unwrap().0))
}

/// What the database answers, without a heading.
fn psql(url: &str, sql: &str) -> String {
    let output = Command::new("psql")
        .args([url, "-v", "ON_ERROR_STOP=1", "-qtAc", sql])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{sql}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
