//! Dispatch: pages whose jobs are due go out to workers as signed orders.
//!
//! Where orders of a model wait for a worker that has room for it, and there is none, further jobs of it are put off: they
//! would take the places of others.
//!
//! Only a bounded number of orders is out at a time; the backlog stays in the records. Tenants take
//! turns by weight, as the records say, so that several dispatches at once are as fair as one.
//! Before an order goes out, the gate is asked again. The claim is committed before the order is offered: if the
//! process dies between the two, the queue never had the order, and the sweep finds it missing.

use super::{
    Outcome, Step, drive,
    lacking::InTheWay,
    revisions::{Revisions, Told},
};
use crate::{
    gate::{self, Confirmed, EarlierAllow},
    signals::Signals,
    stopping::{self, Stopping},
    work_settings::WorkSettings,
};
use anyhow::Context;
use async_trait::async_trait;
use domain::{
    batch::StoredBatch,
    clock::SharedClock,
    gate::Refusal,
    grant::Grant,
    id::{IdMaker, JobId, OrderId},
    order::{WorkOrder, questions_digest},
    policy::CurrentPolicies,
};
use exchange::{grant, queue::Queue, signing::SigningKey};
use futures_util::{StreamExt as _, stream};
use records::{
    Db, Stamp, attempts,
    dispatching::{self, Claimed, ClaimedPage, DueBatch, Room, Signed},
    turns::{self, DuePage},
};
use std::sync::Arc;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

/// How long jobs are put off that no worker has room for. One order of theirs stays out, and goes to whoever comes.
const PUT_OFF: time::Duration = time::Duration::seconds(30);

/// How many orders are on their way to the queue at once.
const OFFERS_AT_ONCE: usize = 32;

/// What dispatch works with.
#[derive(Clone)]
pub struct DispatchParts {
    /// The records.
    pub db: Db,
    /// Where orders go.
    pub queue: Arc<dyn Queue>,
    /// What licenses say, and who may do what.
    pub policies: CurrentPolicies,
    /// Signs grants.
    pub key: Arc<SigningKey>,
    /// Makes ids.
    pub ids: IdMaker,
    /// Tells the time.
    pub clock: SharedClock,
    /// The limits.
    pub settings: Arc<WorkSettings>,
    /// Wakes dispatch, and those who wait for verdicts.
    pub signals: Arc<Signals>,
}

/// See the module's text. Several may run at once, in one process or many.
pub struct Dispatch {
    parts: DispatchParts,
    in_the_way: InTheWay,
    revisions: Revisions,
}

impl Dispatch {
    /// A dispatch over `parts`.
    pub fn new(parts: DispatchParts) -> Self {
        Self {
            parts,
            in_the_way: InTheWay::default(),
            revisions: Revisions::default(),
        }
    }

    /// Runs until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let (signals, idle) = (self.parts.signals.clone(), self.parts.settings.idle());
        drive(self, idle, &signals.dispatch, shutdown).await;
    }

    /// Sends orders out, if a page is due and there is room; or stops a batch that the gate no longer allows.
    pub async fn step(&mut self) -> anyhow::Result<Outcome> {
        let parts = &self.parts;
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
        // The epoch is read before the gate is asked: a revocation in between makes the grant one that no
        // worker accepts, never one that outlives it.
        let found = dispatching::batch_of(&parts.db, &due).await?;
        let found = found.with_context(|| format!("batch {} of a job that is due", due.batch))?;
        let batch = &found.batch;
        if batch.is_over(now) {
            let stamp = Stamp::of_hub(&parts.ids, now);
            stopping::expire(&self.stopping(), stamp, batch.id).await?;
            return Ok(Outcome::Worked);
        }
        if self
            .in_the_way
            .has(&parts.db, &parts.settings, now, batch)
            .await?
        {
            dispatching::put_off(&parts.db, batch.id, now, now + PUT_OFF).await?;
            return Ok(Outcome::Worked);
        }
        let told = self.revisions.of(&parts.db, &batch.license).await?;
        match self.weigh(now, &found, told).await? {
            Ok(allowed) => self.send_out(&due, room, &allowed).await?,
            Err(refusal) => self.stop(now, batch, &refusal).await?,
        }
        Ok(Outcome::Worked)
    }

    /// Asks the gate whether orders of the batch may go out now.
    async fn weigh<'a>(
        &self,
        now: OffsetDateTime,
        due: &'a DueBatch,
        told: Told,
    ) -> anyhow::Result<Result<Allowed<'a>, Refusal>> {
        let parts = &self.parts;
        let earlier = EarlierAllow::of(&due.batch);
        let judged = gate::still_holds(&parts.db, &parts.policies, &parts.ids, now, earlier).await?;
        Ok(judged.map(|confirmed| Allowed {
            now,
            due,
            confirmed,
            told,
        }))
    }

    async fn stop(&self, now: OffsetDateTime, batch: &StoredBatch, refusal: &Refusal) -> anyhow::Result<()> {
        let stamp = Stamp::of_hub(&self.parts.ids, now);
        stopping::stop(&self.stopping(), stamp, batch.id, refusal).await?;
        Ok(())
    }

    fn stopping(&self) -> Stopping<'_> {
        Stopping {
            db: &self.parts.db,
            queue: self.parts.queue.as_ref(),
            signals: &self.parts.signals,
        }
    }

    async fn send_out(&self, due: &DuePage, room: Room, allowed: &Allowed<'_>) -> anyhow::Result<()> {
        let parts = &self.parts;
        let stamp = Stamp::of_hub(&parts.ids, allowed.now);
        let sign = |page: &ClaimedPage| {
            let grant = self.grant(page, allowed);
            let token = grant::mint(&parts.key, &grant).map_err(|error| error.to_string())?;
            Ok(Signed { grant, token })
        };
        let since = parts.settings.shared_since(allowed.now);
        // None if another dispatch was first, the jobs were cancelled, or the tenant has its most orders out.
        let claimed = dispatching::claim(&parts.db, stamp, due, allowed.due, room, since, sign);
        let Claimed { orders, shared } = claimed.await?;
        self.tell_shared(&shared);
        let order = |(page, Signed { grant, token }): (ClaimedPage, Signed)| {
            let trace = allowed.due.batch.trace.clone();
            WorkOrder::new(&grant, token, page.questions)
                .with_need(allowed.told.need)
                .with_trace(trace)
        };
        let (missing, fault) = self.offer(orders.into_iter().map(order)).await;
        for order in missing {
            // Nobody has the order: its jobs wait again.
            attempts::lose(&parts.db, stamp, order, &parts.settings.retry_rule()).await?;
        }
        fault.map_or(Ok(()), |fault| {
            Err(fault.context("an order could not be sent out"))
        })
    }

    /// Tells whoever listens of answers that were computed for another job.
    fn tell_shared(&self, shared: &[JobId]) {
        if shared.is_empty() {
            return;
        }
        metrics::counter!("glmhub_answers_shared_total").increment(shared.len() as u64);
        let signals = &self.parts.signals;
        shared.iter().for_each(|job| signals.settled(*job));
        signals.combine.notify_one();
        signals.deliver.notify_one();
    }

    /// When a grant of this moment ends: never after what it stands on, nor after the time of its batch. Whole seconds,
    /// and never rounded up.
    fn grant_end(&self, allowed: &Allowed<'_>) -> OffsetDateTime {
        let usual = allowed.now + self.parts.settings.grant_lifetime();
        let ends = [allowed.confirmed.until, allowed.due.batch.expires_at];
        ends.into_iter().flatten().fold(usual, OffsetDateTime::min)
    }

    fn grant(&self, page: &ClaimedPage, allowed: &Allowed<'_>) -> Grant {
        let Allowed {
            now,
            due: DueBatch { batch, epoch, .. },
            confirmed,
            told,
        } = allowed;
        Grant {
            order: page.out.order,
            tenant: batch.tenant.clone(),
            jobs: page.questions.iter().map(|question| question.job).collect(),
            purpose: batch.license.purpose,
            page_sha256: page.page_sha256,
            questions_sha256: questions_digest(&page.questions),
            model: batch.license.model.clone(),
            revision_sha256: batch.license.revision_sha256,
            artifacts_sha256: told.artifacts_sha256,
            policies_sha256: confirmed.policies_sha256,
            terms_sha256: confirmed.terms_sha256,
            decision: batch.license.decision,
            attempt: page.out.attempt,
            epoch: *epoch,
            exp: self.grant_end(allowed).unix_timestamp(),
            iat: now.unix_timestamp(),
        }
    }

    /// Offers orders, in their order and several at once. Gives those that the queue did not take, and why the last of
    /// them was not taken.
    async fn offer(
        &self,
        orders: impl Iterator<Item = WorkOrder> + Send,
    ) -> (Vec<OrderId>, Option<anyhow::Error>) {
        let offer = |order: WorkOrder| async move {
            let id = order.id;
            (id, self.parts.queue.offer(order).await)
        };
        let offers: Vec<_> = orders.map(offer).collect();
        let mut offered = stream::iter(offers).buffered(OFFERS_AT_ONCE);
        let (mut missing, mut fault) = (Vec::new(), None);
        while let Some((id, taken)) = offered.next().await {
            if let Err(error) = taken {
                missing.push(id);
                fault = Some(error.into());
            }
        }
        (missing, fault)
    }
}

/// A batch whose orders may go out, and on what that stands.
struct Allowed<'a> {
    now: OffsetDateTime,
    due: &'a DueBatch,
    confirmed: Confirmed,
    /// What is told of its revision.
    told: Told,
}

#[async_trait]
impl Step for Dispatch {
    const NAME: &'static str = "dispatch";

    async fn step(&mut self) -> anyhow::Result<Outcome> {
        Dispatch::step(self).await
    }
}
