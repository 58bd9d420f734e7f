//! Acceptances: what time does to them is written down and told: their ends, and reminders before.
//!
//! The gate compares the time itself, so nothing is allowed a moment longer for want of this loop; it voids the grants
//! that are out, and tells the tenant.

use super::{Outcome, Step, drive};
use crate::{acceptance_changes::announce, acceptance_settings::AcceptanceSettings, signals::Signals};
use async_trait::async_trait;
use domain::{clock::SharedClock, id::IdMaker};
use exchange::queue::Queue;
use records::{Db, Stamp, acceptances::ending};
use std::sync::Arc;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How many acceptances are looked at in one go.
const PORTION: u32 = 100;

/// What the loop works with.
#[derive(Clone)]
pub struct AcceptancesParts {
    /// The records.
    pub db: Db,
    /// Is told what is not allowed any more.
    pub queue: Arc<dyn Queue>,
    /// Makes ids.
    pub ids: IdMaker,
    /// Tells the time.
    pub clock: SharedClock,
    /// When reminders are due.
    pub settings: Arc<AcceptanceSettings>,
    /// Wakes the other loops.
    pub signals: Arc<Signals>,
}

/// See the module's text. Several may run at once, in one process or many.
pub struct Acceptances(AcceptancesParts);

impl Acceptances {
    /// A loop over `parts`.
    pub fn new(parts: AcceptancesParts) -> Self {
        Self(parts)
    }

    /// Runs until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let pause = self.0.settings.pause();
        drive(self, pause, &Notify::new(), shutdown).await;
    }

    /// Writes down what has run out, and tells the reminders that are due.
    pub async fn step(&mut self) -> anyhow::Result<Outcome> {
        let worked = self.end().await? + self.remind().await?;
        Ok(if worked > 0 {
            Outcome::Worked
        } else {
            Outcome::Idle
        })
    }

    async fn end(&self) -> anyhow::Result<usize> {
        let parts = &self.0;
        let mut ended = 0;
        for id in ending::run_out(&parts.db, parts.clock.now(), PORTION).await? {
            let stamp = Stamp::of_hub(&parts.ids, parts.clock.now());
            if let Some(changed) = ending::expire(&parts.db, stamp, id).await? {
                tracing::info!(acceptance = %id, "an acceptance has run out");
                announce(&changed, parts.queue.as_ref(), &parts.signals).await;
                ended += 1;
            }
        }
        Ok(ended)
    }

    /// The nearest reminder first: it settles those that would have come before.
    async fn remind(&self) -> anyhow::Result<usize> {
        let parts = &self.0;
        let mut told = 0;
        for days in parts.settings.reminders() {
            for id in ending::to_remind(&parts.db, parts.clock.now(), days, PORTION).await? {
                let stamp = Stamp::of_hub(&parts.ids, parts.clock.now());
                told += usize::from(ending::remind(&parts.db, stamp, id, days).await?);
            }
        }
        if told > 0 {
            parts.signals.deliver.notify_one();
        }
        Ok(told)
    }
}

#[async_trait]
impl Step for Acceptances {
    const NAME: &'static str = "acceptances";

    async fn step(&mut self) -> anyhow::Result<Outcome> {
        Acceptances::step(self).await
    }
}

#[cfg(test)]
mod tests;
