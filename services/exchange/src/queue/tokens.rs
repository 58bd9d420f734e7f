//! Texts of answers while they are being written.
//!
//! A hub [listens](Tokens::listen) to a job for somebody who follows it. The worker that answers asks now and then
//! whether anybody [is listening](Tokens::listening), and only then [writes](Tokens::write) its text out, from the
//! start for whoever has begun to listen. Nothing of it is kept: a text may be lost or come twice, and whoever finds
//! a piece missing listens anew. The record of an answer is its report.

use super::QueueError;
use async_trait::async_trait;
use domain::id::JobId;
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::broadcast::{self, error::RecvError};

/// How many pieces a listener may be behind before the oldest are lost to it.
const BACKLOG: usize = 256;

/// A piece of an answer's text. It begins and ends between two characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// The job that is being answered.
    pub job: JobId,
    /// Which attempt at it this is.
    pub attempt: u32,
    /// Bytes of the answer before this piece.
    pub from: usize,
    /// The piece.
    pub text: String,
}

/// Somebody listens. It differs from an earlier one when somebody has begun to since, who has heard nothing yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listening(pub(super) u64);

/// See the module's text.
#[async_trait]
pub trait Tokens: Send + Sync {
    /// Listens to a job, for as long as the listener lives.
    async fn listen(&self, job: JobId) -> Result<Listener, QueueError>;
    /// Whether anybody listens to a job.
    async fn listening(&self, job: JobId) -> Result<Option<Listening>, QueueError>;
    /// Tells a piece to those who listen to its job.
    async fn write(&self, written: Written) -> Result<(), QueueError>;
}

/// Who listens to what in this process.
#[derive(Default)]
pub(super) struct Listeners(Mutex<Listened>);

#[derive(Default)]
struct Listened {
    jobs: HashMap<JobId, Channel>,
    /// Counts those who have begun to listen.
    begun: u64,
}

struct Channel {
    pieces: broadcast::Sender<Written>,
    listeners: usize,
    /// The count when the last one began.
    begun: u64,
}

impl Listeners {
    pub(super) fn add(self: &Arc<Self>, job: JobId) -> Listener {
        let mut listened = self.lock();
        listened.begun += 1;
        let begun = listened.begun;
        let channel = listened.jobs.entry(job).or_insert_with(|| Channel {
            pieces: broadcast::channel(BACKLOG).0,
            listeners: 0,
            begun,
        });
        channel.listeners += 1;
        channel.begun = begun;
        Listener {
            job,
            pieces: channel.pieces.subscribe(),
            among: self.clone(),
        }
    }

    pub(super) fn jobs(&self) -> Vec<JobId> {
        self.lock().jobs.keys().copied().collect()
    }

    pub(super) fn listening(&self, job: JobId) -> Option<Listening> {
        self.lock().jobs.get(&job).map(|channel| Listening(channel.begun))
    }

    pub(super) fn tell(&self, written: Written) {
        if let Some(channel) = self.lock().jobs.get(&written.job) {
            // Somebody who is just leaving need not hear it.
            let _ = channel.pieces.send(written);
        }
    }

    fn remove(&self, job: JobId) {
        let mut listened = self.lock();
        if let Some(channel) = listened.jobs.get_mut(&job) {
            channel.listeners -= 1;
            if channel.listeners == 0 {
                listened.jobs.remove(&job);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Listened> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hears what is written of one answer.
pub struct Listener {
    job: JobId,
    pieces: broadcast::Receiver<Written>,
    among: Arc<Listeners>,
}

impl Listener {
    /// The next piece. Nothing is lost if this is dropped while it waits.
    pub async fn next(&mut self) -> Written {
        loop {
            match self.pieces.recv().await {
                Ok(written) => return written,
                // The next piece shows that some are missing.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => future::pending().await,
            }
        }
    }

    /// The next piece, if it is there already.
    pub fn at_hand(&mut self) -> Option<Written> {
        self.pieces.try_recv().ok()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.among.remove(self.job);
    }
}

#[cfg(test)]
pub(super) mod contract;
