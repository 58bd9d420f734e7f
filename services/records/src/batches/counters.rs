//! The counters of a batch. They change only by sums that leave the totals right.

use crate::{At, Tx, backlog, later::Write, read::number};
use domain::{batch::StoredBatch, document::DocumentPhase, id::BatchId, job::JobPhase};

pub(super) const ADD: &str = "UPDATE batches SET \
    documents_total = documents_total + $2, documents_received = documents_received + $3, \
    documents_waiting = documents_waiting + $4, documents_split = documents_split + $5, \
    documents_failed = documents_failed + $6, documents_cancelled = documents_cancelled + $7, \
    pages_total = pages_total + $8, jobs_total = jobs_total + $9, jobs_queued = jobs_queued + $10, \
    jobs_dispatched = jobs_dispatched + $11, jobs_running = jobs_running + $12, \
    jobs_answered = jobs_answered + $13, jobs_failed = jobs_failed + $14, \
    jobs_cancelled = jobs_cancelled + $15, jobs_stopped = jobs_stopped + $16, \
    jobs_held = jobs_held + $17, jobs_expired = jobs_expired + $18, jobs_waiting = jobs_waiting + $19, \
    completed_at = COALESCE($20, completed_at) WHERE id = $1";

/// What is added to the counters of a batch; less than zero where something leaves a state.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Delta {
    documents: [i64; 5],
    pages: i64,
    jobs: [i64; 10],
    completed_at: Option<At>,
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

    /// With it the last verdict falls.
    pub fn completed(mut self, at: At) -> Self {
        self.completed_at = Some(at);
        self
    }

    /// One job goes from one state to another.
    pub fn moved(self, from: JobPhase, to: JobPhase) -> Self {
        self.jobs(from, -1).jobs(to, 1)
    }
}

/// Adds `delta` to the counters of a batch.
pub(crate) fn add(tx: &mut Tx, batch: BatchId, delta: &Delta) {
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
    // First, as it looks the batch's tenant up.
    let change = waiting + combining + queued + dispatched + running + held;
    backlog::add(tx, batch, change);
    let counts = [
        delta.documents.iter().sum::<i64>(),
        received,
        waiting,
        split,
        failed,
        cancelled,
        delta.pages,
        delta.jobs.iter().sum::<i64>(),
        queued + combining,
        dispatched,
        running,
        answered,
        jobs_failed,
        jobs_cancelled + expired,
        refused + held,
        held,
        expired,
        combining,
    ];
    let write = Write::of(ADD).bind(batch.to_string());
    let write = counts.into_iter().fold(write, Write::bind);
    tx.later(write.bind(delta.completed_at));
}
