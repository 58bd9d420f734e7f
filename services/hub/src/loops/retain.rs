//! Retain: deletes what tenants asked to have deleted, and what they keep no longer.
//!
//! A deletion is done in portions: rows first, then the files that nothing has any more. When all is gone its record is
//! signed.

use super::{Outcome, Step, drive};
use crate::{retention_settings::RetentionSettings, signals::Signals, work_settings::WorkSettings};
use anyhow::Context as _;
use async_trait::async_trait;
use domain::{
    batch::BatchRefusal,
    clock::SharedClock,
    deletion::{Deleted, DeletionStatement},
    id::{BatchId, FileId, IdMaker},
    names::TenantName,
};
use exchange::{attestation, blobs::Blobs, signing::SigningKey};
use records::{
    Db, Stamp, batches,
    deleting::{self, Deletion, files, of_file},
    retention,
};
use std::sync::Arc;
use time::{Duration, OffsetDateTime};
use tokio_util::sync::CancellationToken;

/// How many deletions are gone on with in one step, files removed, and batches or files looked up whose time is over.
const DELETIONS: u32 = 4;
const FILES: u32 = 64;
const DUE: u32 = 64;
/// How long it is known that a file was removed: longer than any upload takes from its first byte to its row.
const REMEMBERED: Duration = Duration::days(2);

/// What retain works with.
#[derive(Clone)]
pub struct RetainParts {
    /// The records.
    pub db: Db,
    /// What files are removed from.
    pub blobs: Arc<dyn Blobs>,
    /// Signs records.
    pub key: Arc<SigningKey>,
    /// Makes ids.
    pub ids: IdMaker,
    /// Tells the time.
    pub clock: SharedClock,
    /// What holds for tenants that say nothing.
    pub settings: RetentionSettings,
    /// How often it looks for what was asked for.
    pub work: Arc<WorkSettings>,
    /// Wakes it.
    pub signals: Arc<Signals>,
}

/// See the module's text. Several may run at once, in one process or many.
pub struct Retain {
    parts: RetainParts,
    /// The tenant that was looked at last in this round.
    last: Option<TenantName>,
    /// When the next round begins.
    next: Option<OffsetDateTime>,
}

impl Retain {
    /// A retain over `parts` that looks at everybody first.
    pub fn new(parts: RetainParts) -> Self {
        Self {
            parts,
            last: None,
            next: None,
        }
    }

    /// Runs until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let (signals, idle) = (self.parts.signals.clone(), self.parts.work.idle());
        drive(self, idle, &signals.retain, shutdown).await;
    }

    /// Goes on with what is to be deleted; if there is nothing, looks at the next tenant.
    pub async fn step(&mut self) -> anyhow::Result<Outcome> {
        let open = deleting::open(&self.parts.db, DELETIONS).await?;
        let mut fault = None;
        for deletion in &open {
            // One that cannot go on does not hold up the others.
            if let Err(error) = self.go_on(deletion).await {
                fault = Some(error.context(format!("deletion {}", deletion.id)));
            }
        }
        match (fault, open.is_empty()) {
            (Some(error), _) => Err(error),
            (None, false) => Ok(Outcome::Worked),
            (None, true) => self.look().await,
        }
    }

    async fn go_on(&self, deletion: &Deletion) -> anyhow::Result<()> {
        let parts = &self.parts;
        let now = parts.clock.now();
        if deleting::go_on(&parts.db, now, deletion).await? {
            return Ok(());
        }
        let left = files::next(&parts.db, deletion.id, FILES).await?;
        for file in &left {
            if let Some(removal) = files::remove(&parts.db, now, deletion.id, *file).await? {
                parts.blobs.delete(*file).await?;
                removal.done().await?;
            }
        }
        if !left.is_empty() {
            return Ok(());
        }
        let sign = |statement: &DeletionStatement| {
            let signed = attestation::sign(&parts.key, statement).map_err(|error| error.to_string())?;
            serde_json::to_value(signed).map_err(|error| error.to_string())
        };
        let stamp = Stamp::of_hub(&parts.ids, now);
        if deleting::finish(&parts.db, stamp, deletion, sign).await? {
            tracing::info!(
                deletion = %deletion.id, of = %deletion.of, deleted = %deletion.deleted, "a deletion is done"
            );
        }
        Ok(())
    }

    /// Begins to delete what the next tenant keeps no longer.
    async fn look(&mut self) -> anyhow::Result<Outcome> {
        let parts = &self.parts;
        let now = parts.clock.now();
        if self.next.is_some_and(|next| now < next) {
            return Ok(Outcome::Idle);
        }
        if self.last.is_none() && self.begin_expired(now).await? > 0 {
            return Ok(Outcome::Worked);
        }
        let Some(tenant) = retention::next_tenant(&parts.db, self.last.as_ref()).await? else {
            files::forget(&parts.db, now - REMEMBERED).await?;
            self.next = Some(now + parts.settings.look());
            self.last = None;
            return Ok(Outcome::Idle);
        };
        if self.begin_due(&tenant, now).await? < DUE {
            self.last = Some(tenant);
        }
        Ok(Outcome::Worked)
    }

    /// Gives how many deletions were begun.
    async fn begin_due(&self, tenant: &TenantName, now: OffsetDateTime) -> anyhow::Result<u32> {
        let parts = &self.parts;
        let own = retention::get(&parts.db, tenant).await?;
        let kept = own.unwrap_or_else(|| parts.settings.usual());
        let mut begun = 0;
        for deleted in [Deleted::Documents, Deleted::Answers] {
            let Some(before) = kept.before(deleted, now) else {
                continue;
            };
            for batch in retention::due(&parts.db, tenant, deleted, before, DUE - begun).await? {
                self.begin(tenant, batch, deleted)
                    .await
                    .with_context(|| format!("batch {batch}"))?;
                begun += 1;
            }
            for file in of_file::due(&parts.db, tenant, deleted, before, DUE - begun).await? {
                self.begin_file(tenant, file).await?;
                begun += 1;
            }
        }
        Ok(begun)
    }

    /// Begins to delete files that their tenants wished to end by now. Gives how many.
    async fn begin_expired(&self, now: OffsetDateTime) -> anyhow::Result<usize> {
        let expired = of_file::expired(&self.parts.db, now, DUE).await?;
        for (tenant, file) in &expired {
            self.begin_file(tenant, *file).await?;
        }
        Ok(expired.len())
    }

    async fn begin_file(&self, tenant: &TenantName, file: FileId) -> anyhow::Result<()> {
        let parts = &self.parts;
        let stamp = Stamp::of_hub(&parts.ids, parts.clock.now());
        of_file::begin(&parts.db, stamp, tenant, file).await?;
        Ok(())
    }

    async fn begin(&self, tenant: &TenantName, batch: BatchId, deleted: Deleted) -> anyhow::Result<()> {
        let parts = &self.parts;
        let stamp = Stamp::of_hub(&parts.ids, parts.clock.now());
        let begun = deleting::begin(&parts.db, stamp, tenant, batch, deleted).await?;
        if let Some(Err(BatchRefusal::WrongState("open"))) = begun {
            // Nobody submits it any more.
            batches::cancel(&parts.db, stamp, tenant, batch).await?;
            deleting::begin(&parts.db, stamp, tenant, batch, deleted).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Step for Retain {
    const NAME: &'static str = "retain";

    async fn step(&mut self) -> anyhow::Result<Outcome> {
        Retain::step(self).await
    }
}
