//! Expire: what has no verdict when the time of its batch is up expires.
//!
//! From that moment on nothing of the batch is sent out and no report of it is taken, whether or not this loop has come
//! by; it writes the verdicts down, takes the orders back and tells of it.

use super::{Outcome, Step, drive};
use crate::{
    signals::Signals,
    stopping::{self, Stopping},
    work_settings::WorkSettings,
};
use async_trait::async_trait;
use domain::{clock::SharedClock, id::IdMaker};
use exchange::queue::Queue;
use records::{Db, Stamp, expiring};
use std::sync::Arc;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How many batches are looked up at once.
const PORTION: u32 = 64;

/// What expire works with.
#[derive(Clone)]
pub struct ExpireParts {
    /// The records.
    pub db: Db,
    /// Forgets the orders of what has expired.
    pub queue: Arc<dyn Queue>,
    /// Makes ids.
    pub ids: IdMaker,
    /// Tells the time.
    pub clock: SharedClock,
    /// How often it looks.
    pub settings: Arc<WorkSettings>,
    /// Wakes the other loops, and those who wait for verdicts.
    pub signals: Arc<Signals>,
}

/// See the module's text. Several may run at once, in one process or many: each batch is expired by one of them.
pub struct Expire(ExpireParts);

impl Expire {
    /// An expire over `parts`.
    pub fn new(parts: ExpireParts) -> Self {
        Self(parts)
    }

    /// Runs until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let idle = self.0.settings.idle();
        drive(self, idle, &Notify::new(), shutdown).await;
    }

    /// Expires the batches whose time is up, the longest first.
    pub async fn step(&mut self) -> anyhow::Result<Outcome> {
        let parts = &self.0;
        let due = expiring::due(&parts.db, parts.clock.now(), PORTION).await?;
        let stopping = Stopping {
            db: &parts.db,
            queue: parts.queue.as_ref(),
            signals: &parts.signals,
        };
        let mut fault = None;
        for batch in &due {
            let stamp = Stamp::of_hub(&parts.ids, parts.clock.now());
            // One that cannot be written down does not hold up the others.
            if let Err(error) = stopping::expire(&stopping, stamp, *batch).await {
                fault = Some(error);
            }
        }
        match (fault, due.is_empty()) {
            (Some(error), _) => Err(error.into()),
            (None, true) => Ok(Outcome::Idle),
            (None, false) => Ok(Outcome::Worked),
        }
    }
}

#[async_trait]
impl Step for Expire {
    const NAME: &'static str = "expire";

    async fn step(&mut self) -> anyhow::Result<Outcome> {
        Expire::step(self).await
    }
}
