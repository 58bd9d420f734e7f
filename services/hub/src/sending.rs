//! Orders go out: under a gate that is asked again, signed, and offered to the queue.
//!
//! Dispatch sends out what waits; a call whose page nothing waits before sends out its own order, claimed in the transaction
//! that stores its jobs.

use crate::{
    gate::{self, Confirmed, EarlierAllow, Given},
    lacking::InTheWay,
    revisions::{Revisions, Told},
    signals::Signals,
    work_settings::WorkSettings,
};
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
    Db, RecordsError, Stamp, attempts,
    dispatching::{AtOnce, Claimed, ClaimedPage, Room, Signed},
};
use std::sync::Arc;
use time::OffsetDateTime;
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};

/// How many orders are on their way to the queue at once.
const OFFERS_AT_ONCE: usize = 32;

/// What orders are sent out with.
#[derive(Clone)]
pub struct SendingParts {
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
    /// Wakes those who wait for verdicts.
    pub signals: Arc<Signals>,
}

/// See the module's text.
pub struct Sending {
    pub(crate) parts: SendingParts,
    in_the_way: Mutex<InTheWay>,
    revisions: Mutex<Revisions>,
    /// Calls that send out their own order: one at a time, as each has its tenant's turn until it is stored.
    calls: Semaphore,
}

/// A batch whose orders may go out, and on what that stands.
pub(crate) struct Allowed<'a> {
    now: OffsetDateTime,
    batch: &'a StoredBatch,
    confirmed: Confirmed,
    /// What is told of its revision.
    told: Told,
    /// Of a call: no other sends out its own order meanwhile.
    _alone: Option<SemaphorePermit<'a>>,
}

impl Sending {
    /// Sends out over `parts`.
    pub fn new(parts: SendingParts) -> Self {
        Self {
            parts,
            in_the_way: Mutex::default(),
            revisions: Mutex::default(),
            calls: Semaphore::new(1),
        }
    }

    /// Whether an order of `batch` would take a place in vain: one of its model is out already, and no worker has room for it.
    pub(crate) async fn is_in_the_way(
        &self,
        now: OffsetDateTime,
        batch: &StoredBatch,
    ) -> Result<bool, RecordsError> {
        let Self {
            parts, in_the_way, ..
        } = self;
        let mut in_the_way = in_the_way.lock().await;
        in_the_way.has(&parts.db, &parts.settings, now, batch).await
    }

    /// Asks the gate whether orders of the batch may go out now. It tells the revocation epoch of the moment that it looked
    /// at: a revocation after that makes the grant one that no worker accepts, never one that outlives it.
    pub(crate) async fn weigh<'a>(
        &self,
        now: OffsetDateTime,
        batch: &'a StoredBatch,
    ) -> Result<Result<Allowed<'a>, Refusal>, RecordsError> {
        let parts = &self.parts;
        let earlier = EarlierAllow::of(batch);
        match gate::still_holds(&parts.db, &parts.policies, &parts.ids, now, earlier).await? {
            Ok(confirmed) => self.allowed(now, batch, confirmed, None).await.map(Ok),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    /// What lets jobs of a batch that is about to be stored under an allow go out at once. `None`: they are left to dispatch,
    /// which asks the gate again, and says why they may not go out.
    pub(crate) async fn at_once<'a>(
        &'a self,
        now: OffsetDateTime,
        batch: &'a StoredBatch,
        given: &Given,
    ) -> Result<Option<Allowed<'a>>, RecordsError> {
        match (given.confirmed(now), self.calls.try_acquire()) {
            (Some(confirmed), Ok(alone))
                if !batch.is_over(now) && !self.is_in_the_way(now, batch).await? =>
            {
                self.allowed(now, batch, confirmed, Some(alone)).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    async fn allowed<'a>(
        &self,
        now: OffsetDateTime,
        batch: &'a StoredBatch,
        confirmed: Confirmed,
        alone: Option<SemaphorePermit<'a>>,
    ) -> Result<Allowed<'a>, RecordsError> {
        let mut revisions = self.revisions.lock().await;
        Ok(Allowed {
            now,
            batch,
            confirmed,
            told: revisions.of(&self.parts.db, &batch.license).await?,
            _alone: alone,
        })
    }

    /// How jobs of an allowed batch are claimed when they are stored.
    pub(crate) fn claiming<'a>(
        &'a self,
        allowed: &'a Allowed<'a>,
    ) -> AtOnce<impl Fn(&ClaimedPage) -> Result<Signed, String> + 'a> {
        let settings = &self.parts.settings;
        AtOnce {
            room: Room {
                orders: settings.most_orders,
                of_tenant: settings.most_orders_of_tenant,
            },
            sign: self.signer(allowed),
        }
    }

    /// Makes and signs the grants of orders.
    pub(crate) fn signer<'a>(
        &'a self,
        allowed: &'a Allowed<'a>,
    ) -> impl Fn(&ClaimedPage) -> Result<Signed, String> + 'a {
        move |page| {
            let grant = self.grant(page, allowed);
            let token = grant::mint(&self.parts.key, &grant).map_err(|error| error.to_string())?;
            Ok(Signed { grant, token })
        }
    }

    /// The orders for what was claimed. Tells of what was answered meanwhile.
    pub(crate) fn orders(&self, allowed: &Allowed<'_>, claimed: Claimed) -> Vec<WorkOrder> {
        let Claimed { orders, shared } = claimed;
        self.tell_shared(&shared);
        let order = |(page, Signed { grant, token }): (ClaimedPage, Signed)| {
            WorkOrder::new(&grant, token, page.questions)
                .with_need(allowed.told.need)
                .with_trace(allowed.batch.trace.clone())
        };
        orders.into_iter().map(order).collect()
    }

    /// Sends orders out. The jobs of those that the queue does not take wait again; that it did not is an error.
    pub(crate) async fn send(&self, orders: Vec<WorkOrder>) -> anyhow::Result<()> {
        let (missing, fault) = self.offer(orders).await;
        let parts = &self.parts;
        let stamp = Stamp::of_hub(&parts.ids, parts.clock.now());
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
        let ends = [allowed.confirmed.until, allowed.batch.expires_at];
        ends.into_iter().flatten().fold(usual, OffsetDateTime::min)
    }

    fn grant(&self, page: &ClaimedPage, allowed: &Allowed<'_>) -> Grant {
        let Allowed {
            now,
            batch,
            confirmed,
            told,
            ..
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
            epoch: confirmed.epoch,
            exp: self.grant_end(allowed).unix_timestamp(),
            iat: now.unix_timestamp(),
        }
    }

    /// Offers orders, in their order and several at once. Gives those that the queue did not take, and why the last of
    /// them was not taken.
    async fn offer(&self, orders: Vec<WorkOrder>) -> (Vec<OrderId>, Option<anyhow::Error>) {
        let offer = |order: WorkOrder| async move {
            let id = order.id;
            (id, self.parts.queue.offer(order).await)
        };
        let offers: Vec<_> = orders.into_iter().map(offer).collect();
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
