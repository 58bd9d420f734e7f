//! Register: what workers say of themselves is kept for as long as they are heard of.
//!
//! A worker has no database. It announces itself through the queue, each announcement is read by one hub, and the
//! records have what was last said. A hub that dies between the two loses nothing that is not said again soon.

use super::{Outcome, Step, drive};
use crate::work_settings::WorkSettings;
use async_trait::async_trait;
use domain::clock::SharedClock;
use exchange::queue::Queue;
use records::{Db, workers};
use std::sync::Arc;
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
pub struct Register(RegisterParts);

impl Register {
    /// A register over `parts`.
    pub fn new(parts: RegisterParts) -> Self {
        Self(parts)
    }

    /// Runs until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let idle = self.0.settings.idle();
        drive(self, idle, &Notify::new(), shutdown).await;
    }

    /// Keeps what workers have said since the last look, and forgets those that have been silent for too long.
    pub async fn step(&mut self) -> anyhow::Result<Outcome> {
        let RegisterParts {
            db,
            queue,
            clock,
            settings,
        } = &self.0;
        let now = clock.now();
        for announcement in queue.announced().await? {
            workers::hear(db, &announcement, now).await?;
        }
        let gone = workers::forget(db, now - settings.worker_gone()).await?;
        if gone > 0 {
            tracing::info!(workers = gone, "workers have not been heard of for too long");
        }
        // What is said next is not there yet.
        Ok(Outcome::Idle)
    }
}

#[async_trait]
impl Step for Register {
    const NAME: &'static str = "register";

    async fn step(&mut self) -> anyhow::Result<Outcome> {
        Register::step(self).await
    }
}
