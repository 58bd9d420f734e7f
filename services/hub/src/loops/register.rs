//! Register: what workers say of themselves is kept for as long as they are heard of.
//!
//! A worker has no database. It announces itself through the queue, each announcement is read by one hub, and the
//! records have what was last said. A hub that dies between the two loses nothing that is not said again soon.

use super::{Outcome, Step, drive};
use crate::{lacking::in_the_way, work_settings::WorkSettings};
use async_trait::async_trait;
use domain::{clock::SharedClock, digest::Sha256};
use exchange::queue::Queue;
use records::{Db, workers};
use std::{collections::BTreeSet, sync::Arc};
use time::OffsetDateTime;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// What register works with.
#[derive(Clone)]
pub struct RegisterParts {
    /// The records.
    pub db: Db,
    /// Where announcements come from.
    pub queue: Arc<dyn Queue>,
    /// Tells the time.
    pub clock: SharedClock,
    /// After how long of silence a worker is gone.
    pub settings: Arc<WorkSettings>,
}

/// See the module's text. Several may run at once, in one process or many.
pub struct Register {
    parts: RegisterParts,
    /// Revisions that lacked a worker at the last look, so that each is warned of once.
    lacked: BTreeSet<Sha256>,
}

impl Register {
    /// A register over `parts`.
    pub fn new(parts: RegisterParts) -> Self {
        Self {
            parts,
            lacked: BTreeSet::new(),
        }
    }

    /// Runs until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let idle = self.parts.settings.idle();
        drive(self, idle, &Notify::new(), shutdown).await;
    }

    /// Keeps what workers have said since the last look, and forgets those that have been silent for too long.
    pub async fn step(&mut self) -> anyhow::Result<Outcome> {
        let RegisterParts {
            db,
            queue,
            clock,
            settings,
        } = &self.parts;
        let now = clock.now();
        for announcement in queue.announced().await? {
            workers::hear(db, &announcement, now).await?;
        }
        let gone = workers::forget(db, now - settings.worker_gone()).await?;
        if gone > 0 {
            tracing::info!(workers = gone, "workers have not been heard of for too long");
        }
        self.warn(now).await?;
        self.make_room(now).await?;
        // What is said next is not there yet.
        Ok(Outcome::Idle)
    }

    /// Takes back orders that are in the way of others. One of each model stays out; the sweep finds the rest missing, and
    /// dispatch puts their jobs off.
    async fn make_room(&self, now: OffsetDateTime) -> anyhow::Result<()> {
        let RegisterParts {
            db, queue, settings, ..
        } = &self.parts;
        for one in in_the_way(db, settings, now).await? {
            for order in workers::waiting_orders(db, &one).await?.into_iter().skip(1) {
                queue.withdraw(order).await?;
            }
        }
        Ok(())
    }

    /// Says which orders wait in vain: there is no worker with room for their model.
    async fn warn(&mut self, now: OffsetDateTime) -> anyhow::Result<()> {
        let RegisterParts { db, settings, .. } = &self.parts;
        let alive = workers::alive(db, now - settings.worker_gone()).await?;
        let lacking = workers::lacking(db, &alive, now).await?;
        for one in &lacking {
            if !self.lacked.contains(&one.revision_sha256) {
                tracing::warn!(
                    model = %one.model,
                    revision = %one.revision_sha256,
                    bytes_in_bf16 = one.need.map(|need| need.bytes(2)),
                    workers = alive.len(),
                    "orders wait, and no worker has room for their model"
                );
            }
        }
        self.lacked = lacking.into_iter().map(|one| one.revision_sha256).collect();
        Ok(())
    }
}

#[async_trait]
impl Step for Register {
    const NAME: &'static str = "register";

    async fn step(&mut self) -> anyhow::Result<Outcome> {
        Register::step(self).await
    }
}
