//! Models that no worker has room for. Their orders must not take the places of orders that somebody could work at.

use crate::work_settings::WorkSettings;
use domain::{batch::StoredBatch, digest::Sha256, names::ModelName};
use records::{
    Db, RecordsError,
    workers::{self, WaitingOrders},
};
use std::collections::BTreeSet;
use time::{Duration, OffsetDateTime};

/// How often it is looked which models these are.
const LOOK: Duration = Duration::SECOND;

/// What has waited in vain for as long as it takes to know that a worker is gone, while there are workers for others.
/// Where there are none at all nobody is held up.
pub(crate) async fn in_the_way(
    db: &Db,
    settings: &WorkSettings,
    now: OffsetDateTime,
) -> Result<Vec<WaitingOrders>, RecordsError> {
    let long_ago = now - settings.worker_gone();
    let alive = workers::alive(db, long_ago).await?;
    match alive.is_empty() {
        true => Ok(Vec::new()),
        false => workers::lacking(db, &alive, long_ago).await,
    }
}

/// What is in the way, as it was at the last look.
#[derive(Default)]
pub(crate) struct InTheWay {
    looked_at: Option<OffsetDateTime>,
    revisions: BTreeSet<(ModelName, Sha256)>,
}

impl InTheWay {
    /// Whether an order of `batch` would be in the way: one of its model is out already and waits in vain.
    pub(crate) async fn has(
        &mut self,
        db: &Db,
        settings: &WorkSettings,
        now: OffsetDateTime,
        batch: &StoredBatch,
    ) -> Result<bool, RecordsError> {
        if self.looked_at.is_none_or(|at| at + LOOK <= now) {
            let found = in_the_way(db, settings, now).await?;
            let revision = |one: WaitingOrders| (one.model, one.revision_sha256);
            self.revisions = found.into_iter().map(revision).collect();
            self.looked_at = Some(now);
        }
        let license = &batch.license;
        let of_batch = (license.model.clone(), license.revision_sha256);
        Ok(self.revisions.contains(&of_batch))
    }
}
