//! Texts of answers in the making, on Redis.
//!
//! A worker reads one key before it writes anything; what it writes goes into one stream for all jobs, of bounded
//! length. Every hub process that has ever listened reads the stream once, from where it ended when it began to, and
//! hands on what somebody in it listens to. It keeps the keys of those jobs from going.

use super::{
    super::tokens::{Listener, Listeners, Listening, Tokens, Written},
    Keys, LONGEST_WAIT, QueueError, RedisQueue, SLICE, json,
    link::Links,
};
use async_trait::async_trait;
use domain::id::JobId;
use futures_util::future::join_all;
use std::{sync::Arc, time::Duration};
use tokio::{
    runtime::Handle,
    sync::OnceCell,
    time::{Instant, sleep},
};
use tokio_util::task::AbortOnDropHandle;

/// The most pieces that are read at once.
const PORTION: usize = 256;
/// How long reading rests after it failed.
const PAUSE: Duration = Duration::from_secs(1);

/// A hub's side of the stream. A worker never reads it.
pub(super) struct Hearing {
    listeners: Arc<Listeners>,
    /// Where the reader runs: whoever begins to listen may be on a thread that ends before it.
    runtime: Handle,
    reader: OnceCell<AbortOnDropHandle<()>>,
}

impl Hearing {
    pub(super) fn new() -> Self {
        Self {
            listeners: Arc::default(),
            runtime: Handle::current(),
            reader: OnceCell::new(),
        }
    }
}

struct Reader {
    links: Arc<Links>,
    keys: Arc<Keys>,
    listeners: Arc<Listeners>,
    expiry: Duration,
}

impl Reader {
    /// Reads what comes after the entry `after`, for ever.
    async fn read(self, mut after: String) {
        let third = self.expiry / 3;
        let mut kept = Instant::now();
        loop {
            if kept.elapsed() >= third {
                kept = Instant::now();
                join_all(self.listeners.jobs().into_iter().map(|job| self.keep(job))).await;
            }
            let wait = third.saturating_sub(kept.elapsed()).min(SLICE);
            match self
                .links
                .read_after(&self.keys.tokens, &after, PORTION, wait)
                .await
            {
                Ok(entries) => {
                    for entry in entries {
                        after = entry.id;
                        // What is no piece concerns nobody.
                        if let Ok(written) = serde_json::from_str::<Written>(&entry.body) {
                            self.listeners.tell(written);
                        }
                    }
                }
                Err(_) => sleep(PAUSE.min(third)).await,
            }
        }
    }

    /// Keeps a job's key, or makes it anew if it went. If that fails the next time comes soon.
    async fn keep(&self, job: JobId) {
        let mut keep = redis::cmd("PEXPIRE");
        keep.arg(self.keys.listening(job)).arg(millis(self.expiry));
        if let Ok(false) = self.links.query(&keep).await {
            let _ = announce(&self.links, &self.keys, job, self.expiry).await;
        }
    }
}

/// Makes it known that somebody begins to listen: the key has a value that it never had before.
async fn announce(links: &Links, keys: &Keys, job: JobId, expiry: Duration) -> Result<(), QueueError> {
    let mut value = [0; 8];
    aws_lc_rs::rand::fill(&mut value)
        .map_err(|_| QueueError::Unreachable("this machine gives no random numbers".into()))?;
    let mut set = redis::cmd("SET");
    set.arg(keys.listening(job)).arg(u64::from_ne_bytes(value));
    set.arg("PX").arg(millis(expiry));
    links.query(&set).await
}

/// 0 would be refused.
fn millis(expiry: Duration) -> u64 {
    expiry.min(LONGEST_WAIT).as_millis().max(1) as u64
}

impl RedisQueue {
    async fn begin_to_read(&self) -> Result<AbortOnDropHandle<()>, QueueError> {
        let mut last = redis::cmd("XREVRANGE");
        last.arg(&self.keys.tokens).arg("+").arg("-").arg("COUNT").arg(1);
        let last: Vec<(String, Vec<String>)> = self.links.query(&last).await?;
        let after = last
            .into_iter()
            .next()
            .map_or_else(|| "0-0".to_owned(), |(entry, _)| entry);
        let reader = Reader {
            links: self.links.clone(),
            keys: self.keys.clone(),
            listeners: self.hearing.listeners.clone(),
            expiry: self.listening,
        };
        let reading = self.hearing.runtime.spawn(reader.read(after));
        Ok(AbortOnDropHandle::new(reading))
    }
}

#[async_trait]
impl Tokens for RedisQueue {
    async fn listen(&self, job: JobId) -> Result<Listener, QueueError> {
        // Reading before it is known that somebody listens: nothing falls in between.
        self.hearing
            .reader
            .get_or_try_init(|| self.begin_to_read())
            .await?;
        let listener = self.hearing.listeners.add(job);
        announce(&self.links, &self.keys, job, self.listening).await?;
        Ok(listener)
    }

    async fn listening(&self, job: JobId) -> Result<Option<Listening>, QueueError> {
        let mut get = redis::cmd("GET");
        get.arg(self.keys.listening(job));
        Ok(self.links.query::<Option<u64>>(&get).await?.map(Listening))
    }

    async fn write(&self, written: Written) -> Result<(), QueueError> {
        let mut add = redis::cmd("XADD");
        add.arg(&self.keys.tokens)
            .arg("MAXLEN")
            .arg("~")
            .arg(self.most_pieces);
        add.arg("*").arg("body").arg(json(&written)?);
        self.links.query(&add).await
    }
}
