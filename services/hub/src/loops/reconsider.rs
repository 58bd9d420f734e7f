//! Reconsider: work whose allow stands no more is held, and held work that is allowed again goes on.
//!
//! Dispatch asks the gate before each order, so nothing new goes out after a revocation; this loop stops what waits or
//! is out already. It looks at a tenant when its epoch rose, and at everybody when it starts and when the policies
//! changed. What is held it asks about again in every pass.

use super::{Outcome, Step, drive};
use crate::{
    gate::{self, EarlierAllow},
    signals::Signals,
    stopping::{self, Stopping},
    work_settings::WorkSettings,
};
use async_trait::async_trait;
use domain::{
    batch::StoredBatch,
    clock::SharedClock,
    digest::Sha256,
    gate::{Allowed, Refusal},
    id::{BatchId, IdMaker},
    names::TenantName,
    policy::CurrentPolicies,
};
use exchange::queue::Queue;
use records::{Db, Stamp, epochs, holding};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};
use tokio_util::sync::CancellationToken;

/// How many batches are looked at in one go.
const PORTION: u32 = 256;

/// What reconsider works with.
#[derive(Clone)]
pub struct ReconsiderParts {
    /// The records.
    pub db: Db,
    /// Forgets the orders of what is held.
    pub queue: Arc<dyn Queue>,
    /// What licenses say, and who may do what.
    pub policies: CurrentPolicies,
    /// Makes ids.
    pub ids: IdMaker,
    /// Tells the time.
    pub clock: SharedClock,
    /// How often it looks.
    pub settings: Arc<WorkSettings>,
    /// Wakes the other loops, and those who wait for verdicts.
    pub signals: Arc<Signals>,
}

/// See the module's text. Several may run at once, in one process or many.
pub struct Reconsider {
    parts: ReconsiderParts,
    /// The policies that everybody was looked at under.
    policies: Option<Sha256>,
    /// The epochs that tenants were looked at under.
    epochs: HashMap<TenantName, u64>,
    /// The last held batch that was asked about; nothing begins from the first.
    last_held: Option<BatchId>,
}

impl Reconsider {
    /// A loop that looks at everybody first.
    pub fn new(parts: ReconsiderParts) -> Self {
        Self {
            parts,
            policies: None,
            epochs: HashMap::new(),
            last_held: None,
        }
    }

    /// Runs until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let (signals, pause) = (self.parts.signals.clone(), self.parts.settings.reconsider());
        drive(self, pause, &signals.reconsider, shutdown).await;
    }

    /// Holds what is not allowed any more, and resumes what is allowed again.
    pub async fn step(&mut self) -> anyhow::Result<Outcome> {
        let changed = self.hold_due().await? + self.resume_next().await?;
        Ok(if changed > 0 {
            Outcome::Worked
        } else {
            Outcome::Idle
        })
    }

    async fn hold_due(&mut self) -> anyhow::Result<usize> {
        let policies = self.parts.policies.get().sha256();
        // Read before the gate is asked: a revocation in between is looked at in the next pass.
        let epochs = epochs::all(&self.parts.db).await?;
        let mut held = 0;
        if self.policies != Some(policies) {
            held += self.hold(None).await?;
        } else {
            for (tenant, epoch) in &epochs {
                if self.epochs.get(tenant) != Some(epoch) {
                    held += self.hold(Some(tenant)).await?;
                }
            }
        }
        self.policies = Some(policies);
        self.epochs = epochs.into_iter().collect();
        Ok(held)
    }

    /// Stops what is not allowed any more of what waits or is out, of `tenant` or of all. Gives how many batches.
    async fn hold(&self, tenant: Option<&TenantName>) -> anyhow::Result<usize> {
        let parts = &self.parts;
        let (mut after, mut stopped) = (None, 0);
        loop {
            let batches = holding::at_work(&parts.db, tenant, after, PORTION).await?;
            let Some(last) = batches.last() else {
                return Ok(stopped);
            };
            after = Some(last.id);
            for (earlier, together) in by_what_decides(&batches) {
                let now = parts.clock.now();
                let asking = gate::still_holds(&parts.db, &parts.policies, &parts.ids, now, earlier);
                let Err(refusal) = asking.await? else { continue };
                stopped += self.stop(&together, &refusal).await?;
            }
        }
    }

    async fn stop(&self, batches: &[BatchId], refusal: &Refusal) -> anyhow::Result<usize> {
        let parts = &self.parts;
        let stopping = Stopping {
            db: &parts.db,
            queue: parts.queue.as_ref(),
            signals: &parts.signals,
        };
        let mut stopped = 0;
        for batch in batches {
            let stamp = Stamp::of_hub(&parts.ids, parts.clock.now());
            stopped += usize::from(stopping::stop(&stopping, stamp, *batch, refusal).await? > 0);
        }
        Ok(stopped)
    }

    /// Asks about the next held batches. Gives how many go on.
    async fn resume_next(&mut self) -> anyhow::Result<usize> {
        let batches = holding::held(&self.parts.db, self.last_held, PORTION).await?;
        let whole = batches.len() == PORTION as usize;
        self.last_held = batches.last().map(|batch| batch.id).filter(|_| whole);
        let mut resumed = 0;
        for (earlier, together) in by_what_decides(&batches) {
            let parts = &self.parts;
            let now = parts.clock.now();
            let asking = gate::allows_again(&parts.db, &parts.policies, &parts.ids, now, earlier);
            let Some(allowed) = asking.await? else { continue };
            for batch in together {
                resumed += usize::from(self.resume(batch, &allowed).await?);
            }
        }
        if resumed > 0 {
            self.parts.signals.dispatch.notify_one();
            self.parts.signals.deliver.notify_one();
        }
        Ok(resumed)
    }

    async fn resume(&self, batch: BatchId, allowed: &Allowed) -> anyhow::Result<bool> {
        let parts = &self.parts;
        let stamp = Stamp::of_hub(&parts.ids, parts.clock.now());
        let jobs = holding::resume(&parts.db, stamp, batch, allowed).await?;
        if !jobs.is_empty() {
            tracing::info!(%batch, decision = %allowed.decision(), jobs = jobs.len(), "held jobs go on");
        }
        Ok(!jobs.is_empty())
    }
}

/// Batches by what decides on them: those that agree in it are allowed or refused together.
fn by_what_decides(batches: &[StoredBatch]) -> BTreeMap<EarlierAllow<'_>, Vec<BatchId>> {
    let mut grouped: BTreeMap<_, Vec<BatchId>> = BTreeMap::new();
    for batch in batches {
        grouped.entry(EarlierAllow::of(batch)).or_default().push(batch.id);
    }
    grouped
}

#[async_trait]
impl Step for Reconsider {
    const NAME: &'static str = "reconsider";

    async fn step(&mut self) -> anyhow::Result<Outcome> {
        Reconsider::step(self).await
    }
}
