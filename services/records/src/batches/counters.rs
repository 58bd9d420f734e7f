//! The counters of a batch. They change only by sums that leave the totals right.

use crate::{RecordsError, Tx, backlog, on, read::number, run::Run as _};
use domain::{batch::StoredBatch, document::DocumentPhase, id::BatchId, job::JobPhase};

pub(super) const ADD: &str = "UPDATE batches SET \
    documents_total = documents_total + $2, documents_received = documents_received + $3, \
    documents_waiting = documents_waiting + $4, documents_split = documents_split + $5, \
    documents_failed = documents_failed + $6, documents_cancelled = documents_cancelled + $7, \
    pages_total = pages_total + $8, jobs_total = jobs_total + $9, jobs_queued = jobs_queued + $10, \
    jobs_dispatched = jobs_dispatched + $11, jobs_running = jobs_running + $12, \
    jobs_answered = jobs_answered + $13, jobs_failed = jobs_failed + $14, \
    jobs_cancelled = jobs_cancelled + $15, jobs_stopped = jobs_stopped + $16, \
    jobs_held = jobs_held + $17, jobs_expired = jobs_expired + $18, jobs_waiting = jobs_waiting + $19 WHERE id = $1";

/// What is added to the counters of a batch; less than zero where something leaves a state.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Delta {
    documents: [i64; 5],
    pages: i64,
    jobs: [i64; 10],
}

impl Delta {
    /// `number` documents more in `phase`.
    pub fn documents(mut self, phase: DocumentPhase, number: i64) -> Self {
        let place = match phase {
            DocumentPhase::Received => 0,
            DocumentPhase::Waiting | DocumentPhase::Splitting => 1,
            DocumentPhase::Split => 2,
            DocumentPhase::Failed => 3,
            DocumentPhase::Cancelled => 4,
        };
        self.documents[place] += number;
        self
    }

    /// `number` pages more.
    pub fn pages(mut self, number: i64) -> Self {
        self.pages += number;
        self
    }

    /// `number` jobs more in `phase`.
    pub fn jobs(mut self, phase: JobPhase, number: i64) -> Self {
        self.jobs[phase as usize] += number;
        self
    }

    /// Whatever of `batch` has no verdict leaves its state.
    pub fn none_unsettled(self, batch: &StoredBatch) -> Self {
        let documents = self
            .documents(DocumentPhase::Received, -number(batch.documents.received))
            .documents(DocumentPhase::Waiting, -number(batch.documents.waiting));
        JobPhase::UNSETTLED.into_iter().fold(documents, |delta, phase| {
            delta.jobs(phase, -number(batch.jobs.of(phase)))
        })
    }

    /// One job goes from one state to another.
    pub fn moved(self, from: JobPhase, to: JobPhase) -> Self {
        self.jobs(from, -1).jobs(to, 1)
    }
}

/// Adds `delta` to the counters of a batch.
pub(crate) async fn add(tx: &mut Tx, batch: BatchId, delta: &Delta) -> Result<(), RecordsError> {
    let [received, waiting, split, failed, cancelled] = delta.documents;
    let [
        combining,
        queued,
        dispatched,
        running,
        held,
        answered,
        jobs_failed,
        jobs_cancelled,
        refused,
        expired,
    ] = delta.jobs;
    on!(tx: tx, |c| sqlx::query(ADD)
        .bind(batch.to_string())
        .bind(delta.documents.iter().sum::<i64>())
        .bind(received)
        .bind(waiting)
        .bind(split)
        .bind(failed)
        .bind(cancelled)
        .bind(delta.pages)
        .bind(delta.jobs.iter().sum::<i64>())
        .bind(queued + combining)
        .bind(dispatched)
        .bind(running)
        .bind(answered)
        .bind(jobs_failed)
        .bind(jobs_cancelled + expired)
        .bind(refused + held)
        .bind(held)
        .bind(expired)
        .bind(combining)
        .run(c))?;
    backlog::add(
        tx,
        batch,
        waiting + combining + queued + dispatched + running + held,
    )
    .await
}
