//! A batch: documents and the questions that every page of them is asked, for one model and one purpose.

use crate::{
    digest::Sha256,
    document::DocumentCounts,
    gate::{Allowed, Duty},
    id::{BatchId, DecisionId},
    job::JobPhase,
    names::{MemberName, ModelName, TenantName},
    purpose::Purpose,
    turn::Priority,
};
use serde::Serialize;
use std::collections::BTreeMap;
use time::OffsetDateTime;

/// Words of the tenant's own that come back with the batch.
pub type Metadata = BTreeMap<String, String>;

/// A batch that the gate allowed, about to be stored. [`Batch::open`] is the only way to one.
#[derive(Debug, Clone)]
pub struct Batch {
    id: BatchId,
    tenant: TenantName,
    member: MemberName,
    license: LicenseFacts,
    metadata: Metadata,
    priority: Priority,
    opened_at: OffsetDateTime,
}

/// What the gate's allow says about a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct LicenseFacts {
    /// The model that answers.
    pub model: ModelName,
    /// Its revision, fixed for the life of the batch.
    pub revision_sha256: Sha256,
    /// The use that was allowed.
    pub purpose: Purpose,
    /// The decision that allowed it.
    pub decision: DecisionId,
    /// The text of the terms, where the license has one.
    pub terms_sha256: Option<Sha256>,
    /// What the license obliges the tenant to.
    pub duties: Vec<Duty>,
}

impl LicenseFacts {
    /// What must be shown with answers.
    pub fn notices(&self) -> impl Iterator<Item = &str> {
        self.duties.iter().filter_map(Duty::notice)
    }
}

impl Batch {
    /// A new batch under `allowed`.
    pub fn open(id: BatchId, allowed: &Allowed, metadata: Metadata, at: OffsetDateTime) -> Self {
        let license = LicenseFacts {
            model: allowed.model().clone(),
            revision_sha256: allowed.revision_sha256(),
            purpose: allowed.purpose(),
            decision: allowed.decision(),
            terms_sha256: allowed.terms_sha256(),
            duties: allowed.duties().to_vec(),
        };
        let (tenant, member) = (allowed.tenant().clone(), allowed.member().clone());
        Self {
            id,
            tenant,
            member,
            license,
            metadata,
            priority: Priority::default(),
            opened_at: at,
        }
    }

    /// The same with a priority of its tenant's choice.
    pub fn with_priority(self, priority: Priority) -> Self {
        Self { priority, ..self }
    }

    /// Its id.
    pub fn id(&self) -> BatchId {
        self.id
    }

    /// Whose it is.
    pub fn tenant(&self) -> &TenantName {
        &self.tenant
    }

    /// Who opened it.
    pub fn member(&self) -> &MemberName {
        &self.member
    }

    /// Under which license facts.
    pub fn license(&self) -> &LicenseFacts {
        &self.license
    }

    /// The tenant's own words.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Before which other work of its tenant it goes.
    pub fn priority(&self) -> Priority {
        self.priority
    }

    /// When it was opened.
    pub fn opened_at(&self) -> OffsetDateTime {
        self.opened_at
    }
}

/// A batch as the records tell of it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredBatch {
    /// Its id.
    pub id: BatchId,
    /// Whose it is.
    pub tenant: TenantName,
    /// Who opened it.
    pub member: MemberName,
    /// Under which license facts.
    pub license: LicenseFacts,
    /// The tenant's own words.
    pub metadata: Metadata,
    /// Before which other work of its tenant it goes.
    pub priority: Priority,
    /// When it was opened.
    pub opened_at: OffsetDateTime,
    /// What is true of it now.
    pub state: BatchState,
    /// Its documents by state.
    pub documents: DocumentCounts,
    /// How many pages its documents gave so far.
    pub pages: u64,
    /// Its jobs by state.
    pub jobs: JobCounts,
}

/// What is true of a batch now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchState {
    /// It takes documents.
    Open,
    /// Its documents are split and its jobs answered.
    Running {
        /// When it was submitted.
        submitted_at: OffsetDateTime,
    },
    /// Every document and every job has its verdict.
    Completed {
        /// When it was submitted.
        submitted_at: OffsetDateTime,
        /// When the last verdict fell.
        at: OffsetDateTime,
    },
    /// The tenant does not want the rest any more.
    Cancelled {
        /// When it was submitted, if it was.
        submitted_at: Option<OffsetDateTime>,
        /// When it was cancelled.
        at: OffsetDateTime,
    },
}

/// Why a batch does not change as asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BatchRefusal {
    /// Its state does not allow it.
    #[error("the batch is {0}")]
    WrongState(&'static str),
    /// It has no documents.
    #[error("the batch has no documents; upload one first")]
    Empty,
    /// Some document or job has no verdict yet.
    #[error("the batch has work left")]
    Unfinished,
}

impl BatchState {
    /// The word in JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            BatchState::Open => "open",
            BatchState::Running { .. } => "running",
            BatchState::Completed { .. } => "completed",
            BatchState::Cancelled { .. } => "cancelled",
        }
    }

    /// Whether it takes documents.
    pub fn takes_documents(&self) -> Result<(), BatchRefusal> {
        match self {
            BatchState::Open => Ok(()),
            other => Err(BatchRefusal::WrongState(other.as_str())),
        }
    }

    /// The tenant has uploaded all it wants. Submitting again changes nothing.
    pub fn submit(self, documents: &DocumentCounts, at: OffsetDateTime) -> Result<Self, BatchRefusal> {
        match self {
            BatchState::Open if documents.total() == 0 => Err(BatchRefusal::Empty),
            BatchState::Open => Ok(BatchState::Running { submitted_at: at }),
            BatchState::Running { .. } | BatchState::Completed { .. } => Ok(self),
            BatchState::Cancelled { .. } => Err(BatchRefusal::WrongState(self.as_str())),
        }
    }

    /// The tenant does not want the rest any more. Cancelling again changes nothing.
    pub fn cancel(self, at: OffsetDateTime) -> Result<Self, BatchRefusal> {
        match self {
            BatchState::Open => Ok(BatchState::Cancelled {
                submitted_at: None,
                at,
            }),
            BatchState::Running { submitted_at } => Ok(BatchState::Cancelled {
                submitted_at: Some(submitted_at),
                at,
            }),
            BatchState::Cancelled { .. } => Ok(self),
            BatchState::Completed { .. } => Err(BatchRefusal::WrongState(self.as_str())),
        }
    }

    /// The last verdict has fallen.
    pub fn complete(
        self,
        documents: &DocumentCounts,
        jobs: &JobCounts,
        at: OffsetDateTime,
    ) -> Result<Self, BatchRefusal> {
        match self {
            BatchState::Running { .. } if documents.unsettled() + jobs.unsettled() > 0 => {
                Err(BatchRefusal::Unfinished)
            }
            BatchState::Running { submitted_at } => Ok(BatchState::Completed { submitted_at, at }),
            other => Err(BatchRefusal::WrongState(other.as_str())),
        }
    }

    /// A job of it was requeued: a completed batch has work again.
    pub fn reopen(self) -> Result<Self, BatchRefusal> {
        match self {
            BatchState::Completed { submitted_at, .. } => Ok(BatchState::Running { submitted_at }),
            BatchState::Running { .. } => Ok(self),
            other => Err(BatchRefusal::WrongState(other.as_str())),
        }
    }
}

/// How many jobs are in each state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct JobCounts {
    /// See [`JobPhase::Queued`].
    pub queued: u64,
    /// See [`JobPhase::Dispatched`].
    pub dispatched: u64,
    /// See [`JobPhase::Running`].
    pub running: u64,
    /// See [`JobPhase::Held`].
    pub held: u64,
    /// See [`JobPhase::Answered`].
    pub answered: u64,
    /// See [`JobPhase::Failed`].
    pub failed: u64,
    /// See [`JobPhase::Cancelled`].
    pub cancelled: u64,
    /// See [`JobPhase::Refused`].
    pub refused: u64,
}

impl JobCounts {
    /// The number in `phase`.
    pub fn of(&self, phase: JobPhase) -> u64 {
        match phase {
            JobPhase::Queued => self.queued,
            JobPhase::Dispatched => self.dispatched,
            JobPhase::Running => self.running,
            JobPhase::Held => self.held,
            JobPhase::Answered => self.answered,
            JobPhase::Failed => self.failed,
            JobPhase::Cancelled => self.cancelled,
            JobPhase::Refused => self.refused,
        }
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        JobPhase::ALL.iter().map(|&phase| self.of(phase)).sum()
    }

    /// Those without a verdict.
    pub fn unsettled(&self) -> u64 {
        JobPhase::UNSETTLED.iter().map(|&phase| self.of(phase)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::Duration;

    fn now() -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + Duration::days(20_000)
    }

    fn one(waiting: u64) -> DocumentCounts {
        DocumentCounts {
            waiting,
            split: 1 - waiting,
            ..DocumentCounts::default()
        }
    }

    #[test]
    fn a_batch_without_documents_cannot_be_submitted() {
        assert_eq!(
            BatchState::Open.submit(&DocumentCounts::default(), now()),
            Err(BatchRefusal::Empty)
        );
    }

    #[test]
    fn submitting_and_cancelling_again_change_nothing() {
        let later = now() + Duration::hours(1);
        let running = BatchState::Open.submit(&one(1), now()).unwrap();
        assert_eq!(running.submit(&one(1), later), Ok(running));
        let cancelled = running.cancel(now()).unwrap();
        assert_eq!(cancelled.cancel(later), Ok(cancelled));
        assert_eq!(
            cancelled.submit(&one(1), later),
            Err(BatchRefusal::WrongState("cancelled"))
        );
    }

    #[test]
    fn a_batch_completes_only_when_every_document_and_job_has_its_verdict() {
        let running = BatchState::Running { submitted_at: now() };
        let busy = JobCounts {
            running: 1,
            answered: 3,
            ..JobCounts::default()
        };
        let done = JobCounts {
            failed: 1,
            answered: 3,
            ..JobCounts::default()
        };
        assert_eq!(
            running.complete(&one(1), &done, now()),
            Err(BatchRefusal::Unfinished)
        );
        assert_eq!(
            running.complete(&one(0), &busy, now()),
            Err(BatchRefusal::Unfinished)
        );
        let completed = running.complete(&one(0), &done, now()).unwrap();
        assert_eq!(
            completed,
            BatchState::Completed {
                submitted_at: now(),
                at: now()
            }
        );
        assert_eq!(
            completed.cancel(now()),
            Err(BatchRefusal::WrongState("completed"))
        );
        assert_eq!(completed.reopen(), Ok(running));
    }

    #[test]
    fn counts_add_up_over_every_phase() {
        let jobs = JobCounts {
            queued: 1,
            dispatched: 2,
            running: 3,
            held: 4,
            answered: 5,
            failed: 6,
            cancelled: 7,
            refused: 8,
        };
        assert_eq!((jobs.total(), jobs.unsettled()), (36, 10));
    }
}
