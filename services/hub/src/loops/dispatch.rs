//! Dispatch: pages whose jobs are due go out to workers as signed orders.
//!
//! Only a bounded number of orders is out at a time; the backlog stays in the records. Tenants take
//! turns by weight, as the records say, so that several dispatches at once are as fair as one.
//! Before an order goes out, the gate is asked again. The claim is committed before the order is offered: if the
//! process dies between the two, the queue never had the order, and the sweep finds it missing.

use super::{Outcome, Step, drive};
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
    id::{IdMaker, OrderId},
    model::artifacts_digest,
    order::{WorkOrder, questions_digest},
    policy::CurrentPolicies,
};
use exchange::{grant, queue::Queue, signing::SigningKey};
use records::{
    Db, Stamp, attempts, batches,
    dispatching::{self, ClaimedPage},
    epochs, models,
    turns::{self, DuePage},
};
use std::sync::Arc;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

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
}

impl Dispatch {
    /// A dispatch over `parts`.
    pub fn new(parts: DispatchParts) -> Self {
        Self { parts }
    }

    /// Runs until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let (signals, idle) = (self.parts.signals.clone(), self.parts.settings.idle());
        drive(self, idle, &signals.dispatch, shutdown).await;
    }

    /// Sends one order out, if a page is due and there is room; or stops a batch that the gate no longer allows.
    pub async fn step(&mut self) -> anyhow::Result<Outcome> {
        let parts = &self.parts;
        if attempts::outstanding(&parts.db).await? >= parts.settings.most_orders {
            return Ok(Outcome::Idle);
        }
        let now = parts.clock.now();
        let due = turns::next_page(&parts.db, now, parts.settings.most_orders_of_tenant).await?;
        let Some(due) = due else { return Ok(Outcome::Idle) };
        let batch = batches::get(&parts.db, &due.tenant, due.batch).await?;
        let batch = batch.with_context(|| format!("batch {} of a job that is due", due.batch))?;
        // The epoch is read before the gate is asked: a revocation in between makes the grant one that no
        // worker accepts, never one that outlives it.
        let epoch = epochs::of(&parts.db, &due.tenant).await?;
        let earlier = EarlierAllow::of(&batch);
        match gate::still_holds(&parts.db, &parts.policies, &parts.ids, now, earlier).await? {
            Ok(confirmed) => self.send_out(now, &due, &batch, confirmed, epoch).await?,
            Err(refusal) => self.stop(now, &batch, &refusal).await?,
        }
        Ok(Outcome::Worked)
    }

    async fn stop(&self, now: OffsetDateTime, batch: &StoredBatch, refusal: &Refusal) -> anyhow::Result<()> {
        let parts = &self.parts;
        let stopping = Stopping {
            db: &parts.db,
            queue: parts.queue.as_ref(),
            signals: &parts.signals,
        };
        let stamp = Stamp::of_hub(&parts.ids, now);
        stopping::stop(&stopping, stamp, batch.id, refusal).await?;
        Ok(())
    }

    async fn send_out(
        &self,
        now: OffsetDateTime,
        due: &DuePage,
        batch: &StoredBatch,
        confirmed: Confirmed,
        epoch: u64,
    ) -> anyhow::Result<()> {
        let parts = &self.parts;
        let stamp = Stamp::of_hub(&parts.ids, now);
        let order: OrderId = parts.ids.make();
        let claimed =
            dispatching::claim(&parts.db, stamp, due, order, parts.settings.most_orders_of_tenant).await?;
        // Another dispatch was first, the jobs were cancelled, or the tenant has its most orders out.
        let Some(claimed) = claimed else { return Ok(()) };
        let offered = self.offer(now, batch, claimed, confirmed, epoch).await;
        if offered.is_err() {
            // Nobody has the order: its jobs wait again.
            attempts::lose(&parts.db, stamp, order, &parts.settings.retry_rule()).await?;
        }
        offered.with_context(|| format!("order {order} could not be sent out"))
    }

    /// When a grant of this moment ends: never after what it stands on. Whole seconds, and never rounded up.
    fn grant_end(&self, now: OffsetDateTime, until: Option<OffsetDateTime>) -> OffsetDateTime {
        let usual = now + self.parts.settings.grant_lifetime();
        until.map_or(usual, |until| until.min(usual))
    }

    async fn offer(
        &self,
        now: OffsetDateTime,
        batch: &StoredBatch,
        claimed: ClaimedPage,
        confirmed: Confirmed,
        epoch: u64,
    ) -> anyhow::Result<()> {
        let parts = &self.parts;
        let revision_sha256 = batch.license.revision_sha256;
        let artifacts = models::revision_artifacts(&parts.db, &revision_sha256).await?;
        let grant = Grant {
            order: claimed.out.order,
            tenant: batch.tenant.clone(),
            jobs: claimed.questions.iter().map(|question| question.job).collect(),
            purpose: batch.license.purpose,
            page_sha256: claimed.page_sha256,
            questions_sha256: questions_digest(&claimed.questions),
            model: batch.license.model.clone(),
            revision_sha256,
            artifacts_sha256: artifacts_digest(&artifacts),
            policies_sha256: confirmed.policies_sha256,
            terms_sha256: confirmed.terms_sha256,
            decision: batch.license.decision,
            attempt: claimed.out.attempt,
            epoch,
            exp: self.grant_end(now, confirmed.until).unix_timestamp(),
            iat: now.unix_timestamp(),
        };
        let signed = grant::mint(&parts.key, &grant)?;
        let stamp = Stamp::of_hub(&parts.ids, now);
        dispatching::keep_grant(&parts.db, stamp, &grant, &signed).await?;
        parts
            .queue
            .offer(WorkOrder::new(&grant, signed, claimed.questions))
            .await?;
        Ok(())
    }
}

#[async_trait]
impl Step for Dispatch {
    const NAME: &'static str = "dispatch";

    async fn step(&mut self) -> anyhow::Result<Outcome> {
        Dispatch::step(self).await
    }
}
