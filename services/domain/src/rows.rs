//! The rows of a batch: one for each job, and one for each document that has become no pages.

use crate::{
    batch::JobCounts,
    document::{DocumentCounts, DocumentState},
    id::{BadId, DocumentId, JobId},
    job::{EXPIRED, JobPhase},
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// None yet.
    Pending,
    /// None yet: it waits for an acceptance.
    Held,
    /// There is an answer.
    Answered,
    /// There will be none, and a fault says why.
    Failed,
    /// The tenant does not want it any more.
    Cancelled,
    /// The gate no longer allowed it.
    Refused,
    /// The time of its batch was up.
    Expired,
}

impl Verdict {
    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Pending => "pending",
            Verdict::Held => "held",
            Verdict::Answered => "answered",
            Verdict::Failed => "failed",
            Verdict::Cancelled => "cancelled",
            Verdict::Refused => "refused",
            Verdict::Expired => "expired",
        }
    }

    /// That of a document that has become no pages. One that has gives rows by its jobs.
    pub fn of_document(state: &DocumentState) -> Self {
        match state {
            DocumentState::Failed { code, .. } if code == EXPIRED => Verdict::Expired,
            DocumentState::Failed { .. } => Verdict::Failed,
            DocumentState::Cancelled { .. } => Verdict::Cancelled,
            DocumentState::Received
            | DocumentState::Waiting
            | DocumentState::Splitting { .. }
            | DocumentState::Split { .. } => Verdict::Pending,
        }
    }
}

impl From<JobPhase> for Verdict {
    fn from(phase: JobPhase) -> Self {
        match phase {
            JobPhase::Waiting | JobPhase::Queued | JobPhase::Dispatched | JobPhase::Running => {
                Verdict::Pending
            }
            JobPhase::Held => Verdict::Held,
            JobPhase::Answered => Verdict::Answered,
            JobPhase::Failed => Verdict::Failed,
            JobPhase::Cancelled => Verdict::Cancelled,
            JobPhase::Refused => Verdict::Refused,
            JobPhase::Expired => Verdict::Expired,
        }
    }
}

/// How many rows have each verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct RowCounts {
    /// All of them: the sum of the others.
    pub total: u64,
    /// See [`Verdict::Pending`].
    pub pending: u64,
    /// See [`Verdict::Held`].
    pub held: u64,
    /// See [`Verdict::Answered`].
    pub answered: u64,
    /// See [`Verdict::Failed`].
    pub failed: u64,
    /// See [`Verdict::Cancelled`].
    pub cancelled: u64,
    /// See [`Verdict::Refused`].
    pub refused: u64,
    /// See [`Verdict::Expired`].
    pub expired: u64,
}

impl RowCounts {
    /// Those of a batch with these jobs and documents. `expired` of the documents that failed did because their time was up.
    pub fn of(jobs: &JobCounts, documents: &DocumentCounts, expired: u64) -> Self {
        Self {
            total: jobs.total() + documents.total() - documents.split,
            pending: jobs.unsettled() - jobs.held + documents.unsettled(),
            held: jobs.held,
            answered: jobs.answered,
            failed: jobs.failed + documents.failed - expired,
            cancelled: jobs.cancelled + documents.cancelled,
            refused: jobs.refused,
            expired: jobs.expired + expired,
        }
    }

    /// What all of them came to. `None` while some have no verdict, and where there are none.
    pub fn outcome(&self) -> Option<Outcome> {
        if self.pending + self.held > 0 || self.total == 0 {
            return None;
        }
        Some(match (self.answered, self.failed) {
            (answered, _) if answered == self.total => Outcome::AllAnswered,
            (0, failed) if failed == self.total => Outcome::AllFailed,
            (0, _) => Outcome::NoneAnswered,
            _ => Outcome::SomeAnswered,
        })
    }
}

/// Numbers of pages in their order, such as `1-3 5`.
pub fn runs(pages: impl IntoIterator<Item = u32>) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for page in pages {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(page) => *last = page,
            _ => runs.push((page, page)),
        }
    }
    let run = |(first, last): (u32, u32)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    runs.into_iter().map(run).collect::<Vec<_>>().join(" ")
}

/// What the rows of a batch came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every row has an answer.
    AllAnswered,
    /// Some have.
    SomeAnswered,
    /// None has, for more than one reason or because all were cancelled, refused or expired.
    NoneAnswered,
    /// Every row failed.
    AllFailed,
}

/// What names a row: its job, or the document that has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum RowId {
    /// A page with a question.
    Job(JobId),
    /// A document without pages.
    Document(DocumentId),
}

impl FromStr for RowId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        match text.starts_with(DocumentId::PREFIX) {
            true => text.parse().map(RowId::Document),
            false => text.parse().map(RowId::Job),
        }
    }
}

impl TryFrom<String> for RowId {
    type Error = BadId;

    fn try_from(text: String) -> Result<Self, BadId> {
        text.parse()
    }
}

impl fmt::Display for RowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RowId::Job(id) => id.fmt(f),
            RowId::Document(id) => id.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents() -> DocumentCounts {
        DocumentCounts {
            waiting: 1,
            split: 9,
            failed: 5,
            cancelled: 2,
            ..DocumentCounts::default()
        }
    }

    #[test]
    fn rows_are_jobs_and_documents_without_pages_and_their_counts_add_up() {
        let jobs = JobCounts {
            waiting: 1,
            queued: 1,
            dispatched: 2,
            running: 3,
            held: 4,
            answered: 5,
            failed: 6,
            cancelled: 7,
            refused: 8,
            expired: 9,
        };
        let rows = RowCounts::of(&jobs, &documents(), 2);
        let parts = [
            rows.pending,
            rows.held,
            rows.answered,
            rows.failed,
            rows.cancelled,
            rows.refused,
            rows.expired,
        ];
        assert_eq!(parts, [8, 4, 5, 9, 9, 8, 11]);
        assert_eq!(parts.iter().sum::<u64>(), rows.total);
        assert_eq!(rows.outcome(), None);
    }

    #[test]
    fn an_outcome_is_told_when_every_row_has_its_verdict() {
        let outcome = |answered, failed, cancelled, pending| {
            let total = answered + failed + cancelled + pending;
            let rows = RowCounts {
                total,
                answered,
                failed,
                cancelled,
                pending,
                ..RowCounts::default()
            };
            rows.outcome()
        };
        assert_eq!(outcome(0, 0, 0, 0), None);
        assert_eq!(outcome(3, 0, 0, 1), None);
        assert_eq!(outcome(3, 0, 0, 0), Some(Outcome::AllAnswered));
        assert_eq!(outcome(3, 1, 0, 0), Some(Outcome::SomeAnswered));
        assert_eq!(outcome(0, 3, 0, 0), Some(Outcome::AllFailed));
        assert_eq!(outcome(0, 3, 1, 0), Some(Outcome::NoneAnswered));
        assert_eq!(outcome(0, 0, 1, 0), Some(Outcome::NoneAnswered));
    }

    #[test]
    fn pages_that_follow_each_other_are_one_run() {
        assert_eq!(runs([1, 2, 4, 5, 6, 9]), "1-2 4-6 9");
        assert_eq!(runs([7]), "7");
        assert_eq!(runs([]), "");
    }

    #[test]
    fn a_row_is_named_by_its_job_or_its_document() {
        for text in ["job_01jd9z5m2k7q8r3s4t5v6w7x8y", "doc_01jd9z5m2k7q8r3s4t5v6w7x8y"] {
            assert_eq!(text.parse::<RowId>().unwrap().to_string(), text);
        }
        assert!("bat_01jd9z5m2k7q8r3s4t5v6w7x8y".parse::<RowId>().is_err());
    }

    #[test]
    fn a_document_whose_time_was_up_has_expired() {
        let failed = |code: &str| DocumentState::Failed {
            code: code.into(),
            message: String::new(),
            at: time::OffsetDateTime::UNIX_EPOCH,
        };
        assert_eq!(Verdict::of_document(&failed(EXPIRED)), Verdict::Expired);
        assert_eq!(Verdict::of_document(&failed("pdf_locked")), Verdict::Failed);
        assert_eq!(Verdict::of_document(&DocumentState::Waiting), Verdict::Pending);
    }
}
