//! A row of `batches`, and what it means.

use crate::{
    At, RecordsError,
    read::{Reading, trace},
    turns,
};
use domain::{
    batch::{BatchState, JobCounts, LicenseFacts, Metadata, StoredBatch},
    document::DocumentCounts,
    gate::Duty,
    id::OrderId,
};
use sqlx::types::Json;

#[derive(sqlx::FromRow)]
pub(crate) struct BatchRow {
    id: String,
    tenant: String,
    member: String,
    model: String,
    revision_sha256: String,
    purpose: String,
    decision: String,
    terms_sha256: Option<String>,
    duties: Json<Vec<Duty>>,
    metadata: Json<Metadata>,
    opened_at: At,
    priority: i64,
    submitted_at: Option<At>,
    completed_at: Option<At>,
    cancelled_at: Option<At>,
    expires_at: Option<At>,
    expired_at: Option<At>,
    traceparent: Option<String>,
    tracestate: Option<String>,
    awaited: i64,
    documents_received: i64,
    documents_waiting: i64,
    documents_split: i64,
    documents_failed: i64,
    documents_cancelled: i64,
    pages_total: i64,
    jobs_queued: i64,
    jobs_dispatched: i64,
    jobs_running: i64,
    jobs_answered: i64,
    jobs_failed: i64,
    jobs_cancelled: i64,
    jobs_stopped: i64,
    jobs_held: i64,
    jobs_expired: i64,
    jobs_waiting: i64,
    documents_gone_at: Option<At>,
    answers_gone_at: Option<At>,
}

impl BatchRow {
    pub(crate) fn read(self) -> Result<StoredBatch, RecordsError> {
        let reading = Reading {
            table: "batches",
            id: &self.id,
        };
        Ok(StoredBatch {
            id: reading.parsed(&self.id)?,
            tenant: reading.parsed(&self.tenant)?,
            member: reading.parsed(&self.member)?,
            opened_at: self.opened_at.0,
            expires_at: self.expires_at.map(|at| at.0),
            trace: trace(self.traceparent.as_deref(), self.tracestate.as_deref()),
            is_awaited: self.awaited != 0,
            state: self.state(reading)?,
            documents: self.documents(reading)?,
            pages: reading.whole(self.pages_total)?,
            jobs: self.jobs(reading)?,
            license: LicenseFacts {
                model: reading.parsed(&self.model)?,
                revision_sha256: reading.parsed(&self.revision_sha256)?,
                purpose: reading.parsed(&self.purpose)?,
                decision: reading.parsed(&self.decision)?,
                terms_sha256: reading.parsed_if(self.terms_sha256.as_deref())?,
                duties: self.duties.0,
            },
            metadata: self.metadata.0,
            documents_gone_at: self.documents_gone_at.map(|at| at.0),
            answers_gone_at: self.answers_gone_at.map(|at| at.0),
            priority: turns::priority(reading, self.priority)?,
        })
    }

    fn state(&self, reading: Reading<'_>) -> Result<BatchState, RecordsError> {
        let submitted_at = self.submitted_at.map(|at| at.0);
        match (
            submitted_at,
            self.completed_at,
            self.cancelled_at,
            self.expired_at,
        ) {
            (None, None, None, None) => Ok(BatchState::Open),
            (Some(submitted_at), None, None, None) => Ok(BatchState::Running { submitted_at }),
            (Some(submitted_at), Some(At(at)), None, None) => Ok(BatchState::Completed { submitted_at, at }),
            (_, None, Some(At(at)), None) => Ok(BatchState::Cancelled { submitted_at, at }),
            (_, None, None, Some(At(at))) => Ok(BatchState::Expired { submitted_at, at }),
            _ => Err(reading.nonsense("completed although not submitted, or ended in more than one way")),
        }
    }

    fn documents(&self, reading: Reading<'_>) -> Result<DocumentCounts, RecordsError> {
        Ok(DocumentCounts {
            received: reading.whole(self.documents_received)?,
            waiting: reading.whole(self.documents_waiting)?,
            split: reading.whole(self.documents_split)?,
            failed: reading.whole(self.documents_failed)?,
            cancelled: reading.whole(self.documents_cancelled)?,
        })
    }

    fn jobs(&self, reading: Reading<'_>) -> Result<JobCounts, RecordsError> {
        Ok(JobCounts {
            waiting: reading.whole(self.jobs_waiting)?,
            queued: reading.whole(self.jobs_queued - self.jobs_waiting)?,
            dispatched: reading.whole(self.jobs_dispatched)?,
            running: reading.whole(self.jobs_running)?,
            answered: reading.whole(self.jobs_answered)?,
            failed: reading.whole(self.jobs_failed)?,
            cancelled: reading.whole(self.jobs_cancelled - self.jobs_expired)?,
            held: reading.whole(self.jobs_held)?,
            refused: reading.whole(self.jobs_stopped - self.jobs_held)?,
            expired: reading.whole(self.jobs_expired)?,
        })
    }
}

/// The columns `submitted_at`, `completed_at`, `cancelled_at` and `expired_at` of a state.
pub(super) fn times(state: BatchState) -> [Option<At>; 4] {
    let at = |at| Some(At(at));
    match state {
        BatchState::Open => [None; 4],
        BatchState::Running { submitted_at } => [at(submitted_at), None, None, None],
        BatchState::Completed {
            submitted_at,
            at: completed,
        } => [at(submitted_at), at(completed), None, None],
        BatchState::Cancelled {
            submitted_at,
            at: cancelled,
        } => [submitted_at.map(At), None, at(cancelled), None],
        BatchState::Expired {
            submitted_at,
            at: expired,
        } => [submitted_at.map(At), None, None, at(expired)],
    }
}

pub(super) fn order_id(text: &str) -> Result<OrderId, RecordsError> {
    Reading {
        table: "attempts",
        id: text,
    }
    .parsed(text)
}
