//! A batch: documents and the questions that every page of them is asked, for one model and one purpose.

use crate::{
    digest::Sha256,
    document::DocumentCounts,
    gate::{Allowed, Duty},
    id::{ApiKeyId, BatchId, DecisionId},
    names::{MemberName, ModelName, TenantName},
    purpose::Purpose,
    trace::Trace,
    turn::Priority,
};
use std::collections::BTreeMap;
use time::OffsetDateTime;

mod counts;

pub use counts::JobCounts;

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
    expires_at: Option<OffsetDateTime>,
    key: Option<ApiKeyId>,
    trace: Option<Trace>,
    is_awaited: bool,
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
            expires_at: None,
            key: None,
            trace: None,
            is_awaited: false,
        }
    }

    /// The same with a priority of its tenant's choice.
    pub fn with_priority(self, priority: Priority) -> Self {
        Self { priority, ..self }
    }

    /// The same with a moment from which on nothing more of it is answered.
    pub fn with_end(self, expires_at: Option<OffsetDateTime>) -> Self {
        Self { expires_at, ..self }
    }

    /// The same, opened with an API key.
    pub fn with_key(self, key: Option<ApiKeyId>) -> Self {
        Self { key, ..self }
    }

    /// The same in the trace of whoever opens it.
    pub fn with_trace(self, trace: Option<Trace>) -> Self {
        Self { trace, ..self }
    }

    /// The same, if `is_awaited`, of somebody who waits for the answers while they are written.
    pub fn awaited(self, is_awaited: bool) -> Self {
        Self { is_awaited, ..self }
    }

    /// Whether somebody waits for the answers while they are written.
    pub fn is_awaited(&self) -> bool {
        self.is_awaited
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

    /// From when on nothing more of it is answered.
    pub fn expires_at(&self) -> Option<OffsetDateTime> {
        self.expires_at
    }

    /// The API key that it was opened with, if it was one.
    pub fn key(&self) -> Option<ApiKeyId> {
        self.key
    }

    /// In which trace it was opened.
    pub fn trace(&self) -> Option<&Trace> {
        self.trace.as_ref()
    }

    /// What the records tell of it when it has just been stored, in a state that it may be in before it has documents.
    pub fn stored(&self, state: BatchState) -> StoredBatch {
        StoredBatch {
            id: self.id,
            tenant: self.tenant.clone(),
            member: self.member.clone(),
            license: self.license.clone(),
            metadata: self.metadata.clone(),
            priority: self.priority,
            opened_at: self.opened_at,
            expires_at: self.expires_at,
            trace: self.trace.clone(),
            is_awaited: self.is_awaited,
            state,
            documents: DocumentCounts::default(),
            pages: 0,
            jobs: JobCounts::default(),
            documents_gone_at: None,
            answers_gone_at: None,
        }
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
    /// From when on nothing more of it is answered.
    pub expires_at: Option<OffsetDateTime>,
    /// In which trace it was opened.
    pub trace: Option<Trace>,
    /// Whether somebody waits for the answers while they are written.
    pub is_awaited: bool,
    /// What is true of it now.
    pub state: BatchState,
    /// Its documents by state.
    pub documents: DocumentCounts,
    /// How many pages its documents gave so far.
    pub pages: u64,
    /// Its jobs by state.
    pub jobs: JobCounts,
    /// Since when its documents are deleted and given out to nobody.
    pub documents_gone_at: Option<OffsetDateTime>,
    /// The same of its answers.
    pub answers_gone_at: Option<OffsetDateTime>,
}

impl StoredBatch {
    /// Whether its time was up at `at`, whether or not that was written down.
    pub fn is_over(&self, at: OffsetDateTime) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= at)
    }

    /// Whether its tenant may still add to it at `at`: documents, and jobs that are tried again.
    pub fn takes_more(&self, at: OffsetDateTime) -> Result<(), BatchRefusal> {
        match self.is_over(at) {
            true => Err(BatchRefusal::Over),
            false if self.documents_gone_at.or(self.answers_gone_at).is_some() => Err(BatchRefusal::Deleted),
            false => Ok(()),
        }
    }
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
    /// Its time was up before every verdict had fallen.
    Expired {
        /// When it was submitted, if it was.
        submitted_at: Option<OffsetDateTime>,
        /// When that was written down.
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
    /// Its time is up.
    #[error("the time of the batch is up; open another one")]
    Over,
    /// Its documents, or its answers, were deleted.
    #[error("documents or answers of the batch were deleted; open another one")]
    Deleted,
}

impl BatchState {
    /// The word in JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            BatchState::Open => "open",
            BatchState::Running { .. } => "running",
            BatchState::Completed { .. } => "completed",
            BatchState::Cancelled { .. } => "cancelled",
            BatchState::Expired { .. } => "expired",
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
            BatchState::Cancelled { .. } | BatchState::Expired { .. } => {
                Err(BatchRefusal::WrongState(self.as_str()))
            }
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
            BatchState::Completed { .. } | BatchState::Expired { .. } => {
                Err(BatchRefusal::WrongState(self.as_str()))
            }
        }
    }

    /// Its time is up.
    pub fn expire(self, at: OffsetDateTime) -> Result<Self, BatchRefusal> {
        let submitted_at = match self {
            BatchState::Open => None,
            BatchState::Running { submitted_at } => Some(submitted_at),
            other => return Err(BatchRefusal::WrongState(other.as_str())),
        };
        Ok(BatchState::Expired { submitted_at, at })
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

#[cfg(test)]
mod tests;
