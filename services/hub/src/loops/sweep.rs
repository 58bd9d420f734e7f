//! Sweep: orders that the queue no longer holds are lost, and their jobs wait again.
//!
//! The queue may lose everything at any moment: its process ends, or somebody empties it. An order that is
//! done with leaves the queue a moment before its last report is collected, so an order counts as lost only after it
//! has been missing for a while.

use super::{Outcome, Step, drive};
use crate::{signals::Signals, work_settings::WorkSettings};
use async_trait::async_trait;
use domain::{
    clock::SharedClock,
    id::{IdMaker, OrderId},
};
use exchange::queue::Queue;
use records::{
    Db, Stamp,
    attempts::{self, OpenAttempt, Taken},
    epochs, turns,
};
use std::{collections::HashSet, sync::Arc};
use time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How many orders the queue is asked about at once.
const PORTION: u32 = 500;

/// What sweep works with.
#[derive(Clone)]
pub struct SweepParts {
    /// The records.
    pub db: Db,
    /// What is compared with them.
    pub queue: Arc<dyn Queue>,
    /// Makes ids.
    pub ids: IdMaker,
    /// Tells the time.
    pub clock: SharedClock,
    /// The limits.
    pub settings: Arc<WorkSettings>,
    /// Wakes dispatch.
    pub signals: Arc<Signals>,
}

/// See the module's text. Several may run at once, in one process or many.
pub struct Sweep(SweepParts);

impl Sweep {
    /// A sweep over `parts`.
    pub fn new(parts: SweepParts) -> Self {
        Self(parts)
    }

    /// Counts every order that the queue does not hold as lost, at once. Only for the start of a process whose
    /// queue lives inside it: nobody is at work yet.
    pub async fn at_start(&self) -> anyhow::Result<()> {
        self.pass(Duration::ZERO).await.map(drop)
    }

    /// Runs until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let half = self.0.settings.lost_after().unsigned_abs() / 2;
        let pause = half.max(self.0.settings.idle());
        drive(self, pause, &Notify::new(), shutdown).await;
    }

    /// Compares all orders that are out with what the queue holds.
    pub async fn step(&mut self) -> anyhow::Result<Outcome> {
        self.pass(self.0.settings.lost_after()).await
    }

    async fn pass(&self, grace: Duration) -> anyhow::Result<Outcome> {
        // A queue that lost its contents lost these too, and a worker asks nobody else.
        for (tenant, epoch) in epochs::all(&self.0.db).await? {
            self.0.queue.announce_epoch(&tenant, epoch).await?;
        }
        let recalled = turns::recall(&self.0.db, self.0.clock.now()).await?;
        if recalled > 0 {
            tracing::info!(
                tenants = recalled,
                "waiting jobs of tenants without a turn were found"
            );
            self.0.signals.dispatch.notify_one();
        }
        let mut after: Option<OrderId> = None;
        let mut lost = 0;
        loop {
            let open = attempts::open_after(&self.0.db, after, PORTION).await?;
            let Some(last) = open.last() else { break };
            after = Some(last.order);
            let orders: Vec<OrderId> = open.iter().map(|attempt| attempt.order).collect();
            let held: HashSet<OrderId> = self.0.queue.held(&orders).await?.into_iter().collect();
            lost += self.judge(&open, &held, grace).await?;
        }
        if lost > 0 {
            tracing::info!(
                orders = lost,
                "orders were lost by the queue; their jobs wait again"
            );
            metrics::counter!("glmhub_orders_lost_total").increment(lost);
            self.0.signals.dispatch.notify_one();
        }
        // One pass sees everything: there is nothing to do until the next.
        Ok(Outcome::Idle)
    }

    /// Notes which orders are missing, and which are not any more. Gives how many were lost.
    async fn judge(
        &self,
        open: &[OpenAttempt],
        held: &HashSet<OrderId>,
        grace: Duration,
    ) -> anyhow::Result<u64> {
        let (parts, now) = (&self.0, self.0.clock.now());
        let (mut missing, mut found, mut lost) = (Vec::new(), Vec::new(), 0);
        for attempt in open {
            let since = attempt.missing_since.unwrap_or(now);
            match held.contains(&attempt.order) {
                true if attempt.missing_since.is_some() => found.push(attempt.order),
                true => {}
                false if now - since < grace => missing.push(attempt.order),
                false => {
                    let (stamp, rule) = (Stamp::of_hub(&parts.ids, now), parts.settings.retry_rule());
                    let taken = attempts::lose(&parts.db, stamp, attempt.order, &rule).await?;
                    lost += u64::from(taken == Taken::Stored);
                }
            }
        }
        attempts::forget_missing(&parts.db, &found).await?;
        attempts::mark_missing(&parts.db, &missing, now).await?;
        Ok(lost)
    }
}

#[async_trait]
impl Step for Sweep {
    const NAME: &'static str = "sweep";

    async fn step(&mut self) -> anyhow::Result<Outcome> {
        Sweep::step(self).await
    }
}
