//! Dispatch: pages whose jobs are due go out to workers as signed orders.
//!
//! Where orders of a model wait for a worker that has room for it, and there is none, further jobs of it are put off: they
//! would take the places of others.
//!
//! Only a bounded number of orders is out at a time; the backlog stays in the records. Tenants take
//! turns by weight, as the records say, so that several dispatches at once are as fair as one.
//! Before an order goes out, the gate is asked again. The claim is committed before the order is offered: if the
//! process dies between the two, the queue never had the order, and the sweep finds it missing.

use super::{Outcome, Step, drive};
use crate::{
    sending::{Allowed, Sending},
    stopping::{self, Stopping},
};
use anyhow::Context;
use async_trait::async_trait;
use domain::{batch::StoredBatch, gate::Refusal};
use records::{
    Stamp,
    dispatching::{self, DueBatch, Room},
    turns::{self, DuePage},
};
use std::sync::Arc;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

/// How long jobs are put off that no worker has room for. One order of theirs stays out, and goes to whoever comes.
const PUT_OFF: time::Duration = time::Duration::seconds(30);

/// See the module's text. Several may run at once, in one process or many.
pub struct Dispatch {
    sending: Arc<Sending>,
}

impl Dispatch {
    /// A dispatch that sends out by `sending`.
    pub fn new(sending: Arc<Sending>) -> Self {
        Self { sending }
    }

    /// Runs until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let parts = &self.sending.parts;
        let (signals, idle) = (parts.signals.clone(), parts.settings.idle());
        drive(self, idle, &signals.dispatch, shutdown).await;
    }

    /// Sends orders out, if a page is due and there is room; or stops a batch that the gate no longer allows.
    pub async fn step(&mut self) -> anyhow::Result<Outcome> {
        let parts = &self.sending.parts;
        let now = parts.clock.now();
        let of_tenant = parts.settings.most_orders_of_tenant;
        let due = turns::next_page(&parts.db, now, of_tenant).await?;
        let Some(due) = due else { return Ok(Outcome::Idle) };
        let room = Room {
            orders: parts.settings.most_orders.saturating_sub(due.out),
            of_tenant,
        };
        if room.orders == 0 {
            return Ok(Outcome::Idle);
        }
        let found = dispatching::batch_of(&parts.db, &due).await?;
        let found = found.with_context(|| format!("batch {} of a job that is due", due.batch))?;
        let batch = &found.batch;
        if batch.is_over(now) {
            let stamp = Stamp::of_hub(&parts.ids, now);
            stopping::expire(&self.stopping(), stamp, batch.id).await?;
            return Ok(Outcome::Worked);
        }
        if self.sending.is_in_the_way(now, batch).await? {
            dispatching::put_off(&parts.db, batch.id, now, now + PUT_OFF).await?;
            return Ok(Outcome::Worked);
        }
        match self.sending.weigh(now, batch).await? {
            Ok(allowed) => self.send_out(now, &due, &found, room, &allowed).await?,
            Err(refusal) => self.stop(now, batch, &refusal).await?,
        }
        Ok(Outcome::Worked)
    }

    async fn stop(&self, now: OffsetDateTime, batch: &StoredBatch, refusal: &Refusal) -> anyhow::Result<()> {
        let stamp = Stamp::of_hub(&self.sending.parts.ids, now);
        stopping::stop(&self.stopping(), stamp, batch.id, refusal).await?;
        Ok(())
    }

    fn stopping(&self) -> Stopping<'_> {
        let parts = &self.sending.parts;
        Stopping {
            db: &parts.db,
            queue: parts.queue.as_ref(),
            signals: &parts.signals,
        }
    }

    async fn send_out(
        &self,
        now: OffsetDateTime,
        due: &DuePage,
        found: &DueBatch,
        room: Room,
        allowed: &Allowed<'_>,
    ) -> anyhow::Result<()> {
        let parts = &self.sending.parts;
        let stamp = Stamp::of_hub(&parts.ids, now);
        let (since, sign) = (parts.settings.shared_since(now), self.sending.signer(allowed));
        // Nothing, if another dispatch was first, the jobs were cancelled, or the tenant has its most orders out.
        let claimed = dispatching::claim(&parts.db, stamp, due, found, room, since, sign).await?;
        self.sending.send(self.sending.orders(allowed, claimed)).await
    }
}

#[async_trait]
impl Step for Dispatch {
    const NAME: &'static str = "dispatch";

    async fn step(&mut self) -> anyhow::Result<Outcome> {
        Dispatch::step(self).await
    }
}
