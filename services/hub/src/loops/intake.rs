//! Intake: documents of submitted batches become pages, and pages with questions become jobs.
//!
//! A document is held for a short time, again and again, while it is split; a process that dies leaves the hold to end,
//! and another takes the document again. A document that is at fault fails alone, the batch goes on.

use super::{Outcome, Step, drive};
use crate::{
    removed_files::are_back,
    signals::Signals,
    splitting::{SplitDocument, SplitFault, Splitting},
    work_settings::WorkSettings,
};
use anyhow::Context;
use async_trait::async_trait;
use domain::{clock::SharedClock, id::IdMaker, names::TenantName};
use exchange::spans::{Kind, Span};
use records::{
    Db, Stamp,
    documents::{self, TakenDocument},
};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What intake works with.
#[derive(Clone)]
pub struct IntakeParts {
    /// The records.
    pub db: Db,
    /// Splits documents.
    pub splitting: Arc<Splitting>,
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
pub struct Intake {
    parts: IntakeParts,
    last: Option<TenantName>,
}

impl Intake {
    /// An intake that begins with the first tenant.
    pub fn new(parts: IntakeParts) -> Self {
        Self { parts, last: None }
    }

    /// Takes back what an earlier process held. Only for the start of a process that is the only one.
    pub async fn at_start(&self) -> anyhow::Result<()> {
        documents::put_back_all(&self.parts.db).await?;
        Ok(())
    }

    /// Runs until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let (signals, idle) = (self.parts.signals.clone(), self.parts.settings.idle());
        drive(self, idle, &signals.intake, shutdown).await;
    }

    /// Splits one document, if one waits.
    pub async fn step(&mut self) -> anyhow::Result<Outcome> {
        let parts = &self.parts;
        let now = parts.clock.now();
        let until = now + parts.settings.split_hold();
        let taken = documents::take(&parts.db, self.last.as_ref(), now, until).await?;
        let Some(taken) = taken else {
            return Ok(Outcome::Idle);
        };
        // Another one that rests may look for the next.
        parts.signals.intake.notify_one();
        self.last = Some(taken.tenant.clone());
        self.settle(taken).await?;
        Ok(Outcome::Worked)
    }

    async fn settle(&self, mut taken: TakenDocument) -> anyhow::Result<()> {
        let parts = &self.parts;
        let id = taken.document.id;
        let mut span = Span::begin("intake", Kind::Internal, taken.trace.as_ref());
        span.tell("glmhub.document", id.to_string());
        let split = tokio::select! {
            split = parts.splitting.split(taken.document.sha256) => split,
            () = self.keep(&mut taken) => {
                tracing::debug!(document = %id, "document was cancelled or taken by another meanwhile");
                return Ok(());
            }
        };
        let taken = &taken;
        let stamp = Stamp::of_hub(&parts.ids, parts.clock.now());
        let stood = match split {
            Ok(SplitDocument { pages, warnings }) => {
                let mut stood = documents::split(&parts.db, stamp, taken, &pages, &warnings).await;
                if are_back(&parts.db, parts.splitting.blobs(), &stood).await? {
                    stood = documents::split(&parts.db, stamp, taken, &pages, &warnings).await;
                }
                let stood = stood?;
                tracing::debug!(document = %id, pages = pages.len(), trace = %span.trace(), "document split");
                span.tell("glmhub.pages", pages.len() as i64);
                parts.signals.dispatch.notify_one();
                stood
            }
            Err(SplitFault::Document(error)) => {
                tracing::debug!(document = %id, code = error.code(), trace = %span.trace(), "document failed");
                span.failed(error.code());
                documents::fail(&parts.db, stamp, taken, error.code(), &error.to_string()).await?
            }
            Err(SplitFault::Ours(fault)) => {
                span.failed("put_back");
                documents::put_back(&parts.db, taken).await?;
                return Err(fault).with_context(|| format!("document {id} was put back"));
            }
        };
        if !stood {
            tracing::debug!(document = %id, "document was cancelled or taken by another meanwhile");
        }
        Ok(())
    }
}

impl Intake {
    /// Keeps the hold on a document up for as long as it is awaited; returns when it does not stand any more.
    async fn keep(&self, taken: &mut TakenDocument) {
        let parts = &self.parts;
        let hold = parts.settings.split_hold();
        loop {
            tokio::time::sleep(hold.unsigned_abs() / 3).await;
            match documents::prolong(&parts.db, taken, parts.clock.now() + hold).await {
                Ok(true) => {}
                Ok(false) => return,
                // Another may take it; what is stored is decided by who holds it then.
                Err(error) => tracing::warn!(%error, "the hold on a document could not be prolonged"),
            }
        }
    }
}

#[async_trait]
impl Step for Intake {
    const NAME: &'static str = "intake";

    async fn step(&mut self) -> anyhow::Result<Outcome> {
        Intake::step(self).await
    }
}
