//! Model uploads: weights that were put into the bucket in parts are read, looked at, and made a revision.
//!
//! Everything is read before anything of it becomes a blob, so that what is refused leaves nothing. An upload is held for a
//! short time, again and again, while it is read; a hub that dies leaves the hold to end, and another begins anew. What is
//! over is cleared out of the bucket.

mod reading;

use super::{Outcome, Step, drive};
use crate::{
    checkpoints::Checkpoints,
    importing::{self, Bringing, Weights},
    model_upload_settings::ModelUploadSettings,
    signals::Signals,
};
use anyhow::Context as _;
use async_trait::async_trait;
use domain::{clock::SharedClock, id::IdMaker};
use exchange::blobs::{Blobs, in_parts::TakesParts};
use reading::Reading;
use records::{
    Db, Stamp,
    model_uploads::{self, ModelUpload, Taken},
    models::{self, NewRevision},
};
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// How often it is looked without being woken.
const PAUSE: Duration = Duration::from_secs(5);
/// How many uploads are cleared in one step.
const PORTION: u32 = 16;

/// What the loop works with.
#[derive(Clone)]
pub struct ModelUploadsParts {
    /// The records.
    pub db: Db,
    /// Where parts were put, and blobs go.
    pub blobs: Arc<dyn Blobs>,
    /// Looks at what was put.
    pub checkpoints: Arc<dyn Checkpoints>,
    /// Makes ids.
    pub ids: IdMaker,
    /// Tells the time.
    pub clock: SharedClock,
    /// How long an upload is held.
    pub settings: ModelUploadSettings,
    /// Wakes this loop.
    pub signals: Arc<Signals>,
    /// A folder for the beginnings of files.
    pub scratch: PathBuf,
}

/// See the module's text. Several may run at once, in one process or many.
pub struct ModelUploads(ModelUploadsParts);

impl ModelUploads {
    /// A loop over `parts`.
    pub fn new(parts: ModelUploadsParts) -> Self {
        Self(parts)
    }

    /// Runs until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let signals = self.0.signals.clone();
        drive(self, PAUSE, &signals.model_uploads, shutdown).await;
    }

    /// Clears the bucket of what uploads that are over have left there.
    async fn clear(&self, taking: &dyn TakesParts) -> anyhow::Result<()> {
        let parts = &self.0;
        for upload in model_uploads::uncleared(&parts.db, PORTION).await? {
            for file in model_uploads::files(&parts.db, upload.id).await? {
                if file.part_bytes.is_none() {
                    continue;
                }
                let open = file.parts_id.as_deref().filter(|_| file.joined_at.is_none());
                let (place, sha256) = (upload.id.to_string(), file.artifact.sha256);
                let cleared = taking.give_up(&place, sha256, open).await;
                cleared.with_context(|| format!("upload {place} could not be cleared out of the bucket"))?;
            }
            model_uploads::cleared(&parts.db, upload.id, parts.clock.now()).await?;
        }
        Ok(())
    }

    async fn settle(&self, mut taken: Taken, taking: &dyn TakesParts) -> anyhow::Result<()> {
        let upload = taken.upload.clone();
        let read = tokio::select! {
            read = self.read(&upload, taking) => read,
            () = self.keep(&mut taken) => {
                tracing::debug!(upload = %upload.id, "upload was given up or taken by another meanwhile");
                return Ok(());
            }
        };
        let parts = &self.0;
        let read = read.with_context(|| format!("upload {} waits until its hold ends", upload.id))?;
        let stamp = Stamp::of_hub(&parts.ids, parts.clock.now());
        let stood = match read {
            Ok(revision) => {
                let imported = model_uploads::complete(&parts.db, stamp, &taken, &revision).await?;
                if imported.is_some() {
                    tracing::info!(upload = %upload.id, revision = %revision.sha256, "weights were uploaded");
                }
                imported.is_some()
            }
            Err(reason) => {
                tracing::debug!(upload = %upload.id, reason, "upload refused");
                model_uploads::refuse(&parts.db, stamp, &taken, &reason).await?
            }
        };
        if !stood {
            tracing::debug!(upload = %upload.id, "upload was given up or taken by another meanwhile");
        }
        Ok(())
    }

    /// The revision that an upload is; the inner error says why it is none.
    async fn read(
        &self,
        upload: &ModelUpload,
        taking: &dyn TakesParts,
    ) -> anyhow::Result<Result<NewRevision, String>> {
        let parts = &self.0;
        let files = model_uploads::files(&parts.db, upload.id).await?;
        let folder = tempfile::tempdir_in(&parts.scratch).context("the scratch folder")?;
        let reading = Reading {
            blobs: &*parts.blobs,
            taking,
            place: upload.id.to_string(),
            folder: folder.path(),
        };
        let states = match reading.read_all(&files).await? {
            Ok(states) => states,
            Err(reason) => return Ok(Err(reason)),
        };
        let checkpoint = match parts.checkpoints.look(folder.path()).await? {
            Ok(checkpoint) => checkpoint,
            Err(reason) => return Ok(Err(reason)),
        };
        let (artifacts, within) = match reading::agreed(&files, &checkpoint) {
            Ok(agreed) => agreed,
            Err(reason) => return Ok(Err(reason)),
        };
        reading.keep_all(&files, &states, within).await?;
        let model = models::get(&parts.db, &upload.model).await?;
        let model = model.with_context(|| format!("{} is registered no more", upload.model))?;
        let weights = Weights {
            artifacts,
            need: checkpoint.need,
            terms: checkpoint.terms,
        };
        let by = Bringing {
            id: parts.ids.make(),
            at: parts.clock.now(),
            tenant: upload.tenant.clone(),
            member: Some(upload.member.clone()),
            upload: Some(upload.id),
        };
        Ok(Ok(importing::revision(&*parts.blobs, model, weights, by).await?))
    }

    /// Keeps the hold on an upload up for as long as it is awaited; returns when it does not stand any more.
    async fn keep(&self, taken: &mut Taken) {
        let parts = &self.0;
        let hold = parts.settings.hold();
        loop {
            tokio::time::sleep(hold.unsigned_abs() / 3).await;
            match model_uploads::prolong(&parts.db, taken, parts.clock.now() + hold).await {
                Ok(true) => {}
                Ok(false) => return,
                // Another may take it; what is stored is decided by who holds it then.
                Err(error) => tracing::warn!(%error, "the hold on an upload could not be prolonged"),
            }
        }
    }
}

#[async_trait]
impl Step for ModelUploads {
    const NAME: &'static str = "model_uploads";

    async fn step(&mut self) -> anyhow::Result<Outcome> {
        let parts = &self.0;
        let Some(taking) = parts.blobs.in_parts() else {
            return Ok(Outcome::Idle);
        };
        let now = parts.clock.now();
        model_uploads::expire(&parts.db, Stamp::of_hub(&parts.ids, now)).await?;
        self.clear(&*taking).await?;
        let until = now + parts.settings.hold();
        match model_uploads::take(&parts.db, now, until).await? {
            Some(taken) => {
                self.settle(taken, &*taking).await?;
                Ok(Outcome::Worked)
            }
            None => Ok(Outcome::Idle),
        }
    }
}
