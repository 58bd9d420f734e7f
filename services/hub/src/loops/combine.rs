//! Combine: when all that was asked of a document's pages has a verdict, what was answered becomes a text, and the job
//! that gives the answer about the document reads it. Where it is too long for the context, portions of it are read first.

use super::{Outcome, Step, drive};
use crate::{removed_files::are_back, signals::Signals, work_settings::WorkSettings};
use async_trait::async_trait;
use domain::{
    clock::SharedClock,
    combining::{Input, NO_PAGE_ANSWERED, NO_ROOM, Portion, SourcePage, portions, room},
    id::IdMaker,
    question::Asked,
};
use exchange::blobs::{Blobs, one_piece};
use records::{
    Db, Stamp, batches,
    combining::{self, Composed, NewText},
    jobs::Job,
};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// How many jobs are looked up at once.
const PORTION: u32 = 16;

/// What combine works with.
#[derive(Clone)]
pub struct CombineParts {
    /// The records.
    pub db: Db,
    /// Where texts go.
    pub blobs: Arc<dyn Blobs>,
    /// Makes ids.
    pub ids: IdMaker,
    /// Tells the time.
    pub clock: SharedClock,
    /// The limits.
    pub settings: Arc<WorkSettings>,
    /// Wakes the other loops, and those who wait for verdicts.
    pub signals: Arc<Signals>,
}

/// See the module's text. Several may run at once, in one process or many: each job is given its text by one of them.
pub struct Combine(CombineParts);

impl Combine {
    /// A combine over `parts`.
    pub fn new(parts: CombineParts) -> Self {
        Self(parts)
    }

    /// Runs until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let (signals, idle) = (self.0.signals.clone(), self.0.settings.idle());
        drive(self, idle, &signals.combine, shutdown).await;
    }

    /// Gives texts to jobs that have nothing to wait for any more.
    pub async fn step(&mut self) -> anyhow::Result<Outcome> {
        let due = combining::due(&self.0.db, PORTION).await?;
        let mut fault = None;
        for job in &due {
            // One that cannot be composed does not hold up the others.
            if let Err(error) = self.compose(job).await {
                fault = Some(error);
            }
        }
        match (fault, due.is_empty()) {
            (Some(error), _) => Err(error),
            (None, true) => Ok(Outcome::Idle),
            (None, false) => Ok(Outcome::Worked),
        }
    }

    async fn compose(&self, job: &Job) -> anyhow::Result<()> {
        let parts = &self.0;
        let asked = batches::questions(&parts.db, &job.tenant, job.batch).await?;
        let inputs = combining::inputs(&parts.db, job).await?;
        let composed = match self.room(job, &asked) {
            Some(room) => self.store(inputs, room).await?,
            None => Composed::Nothing {
                code: NO_ROOM,
                message: format!(
                    "question and answer leave no room for what pages answered: combine_context_tokens is {}",
                    parts.settings.combine_context_tokens
                ),
                pages: pages_of(inputs),
            },
        };
        let stamp = Stamp::of_hub(&parts.ids, parts.clock.now());
        let mut stood = combining::compose(&parts.db, stamp, job, &composed).await;
        if are_back(&parts.db, parts.blobs.as_ref(), &stood).await? {
            stood = combining::compose(&parts.db, stamp, job, &composed).await;
        }
        if stood? {
            match composed {
                Composed::Nothing { .. } => parts.signals.settled(job.id),
                Composed::Whole(_) | Composed::Parts(_) => parts.signals.dispatch.notify_one(),
            }
        }
        Ok(())
    }

    fn room(&self, job: &Job, asked: &[Asked]) -> Option<u32> {
        let settings = &self.0.settings;
        let question = asked.get(usize::try_from(job.question).ok()?)?;
        room(
            settings.combine_context_tokens,
            &question.text,
            &question.parameters,
        )
    }

    /// Puts the texts into the blobs.
    async fn store(&self, inputs: Vec<Input>, room: u32) -> anyhow::Result<Composed> {
        let pages = pages_of(inputs.clone());
        let mut texts = Vec::new();
        for Portion { texts: said, pages } in portions(inputs, room) {
            let bytes = said.to_bytes();
            let limit = bytes.len() as u64;
            let stored = self.0.blobs.put(one_piece(bytes), limit).await?;
            texts.push(NewText {
                sha256: stored.sha256,
                bytes: stored.bytes,
                pages,
            });
        }
        Ok(match <[NewText; 1]>::try_from(texts) {
            Ok([text]) => Composed::Whole(text),
            Err(texts) if texts.is_empty() => Composed::Nothing {
                code: NO_PAGE_ANSWERED,
                message: format!("none of the {} pages of the document gave an answer", pages.len()),
                pages,
            },
            Err(texts) => Composed::Parts(texts),
        })
    }
}

fn pages_of(inputs: Vec<Input>) -> Vec<SourcePage> {
    inputs.into_iter().flat_map(|input| input.pages).collect()
}

#[async_trait]
impl Step for Combine {
    const NAME: &'static str = "combine";

    async fn step(&mut self) -> anyhow::Result<Outcome> {
        Combine::step(self).await
    }
}
