//! A row of `jobs`, and what it means.

use crate::{
    At, RecordsError,
    read::{Reading, number},
};
use domain::{
    combining::Role,
    id::{BatchId, DocumentId, JobId, PageId},
    job::{Hold, JobPhase, JobState, Out, Tries},
    names::TenantName,
};
use time::OffsetDateTime;

/// A job as the records tell of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Whose it is.
    pub tenant: TenantName,
    /// The batch that it belongs to.
    pub batch: BatchId,
    /// The document of its page.
    pub document: DocumentId,
    /// Its page.
    pub page: PageId,
    /// Its page's place in the document: the page's number, from 1.
    pub page_number: u32,
    /// What it is for.
    pub role: Role,
    /// The question's place in the batch, from 0.
    pub question: u32,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// What is true of it now.
    pub state: JobState,
    /// Attempts that came to nothing.
    pub tries: Tries,
}

impl Job {
    /// The number of the page that it is about, from 1; none if it combines answers of more than one.
    pub fn page(&self) -> Option<u32> {
        self.role.has_page().then_some(self.page_number)
    }
}

/// An attempt that came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFault {
    /// Which attempt at the page it was.
    pub attempt: u32,
    /// A stable word.
    pub code: String,
    /// What happened.
    pub message: String,
    /// When.
    pub at: OffsetDateTime,
}

#[derive(sqlx::FromRow)]
pub(crate) struct JobRow {
    id: String,
    tenant: String,
    batch: String,
    document: String,
    page: String,
    page_number: i64,
    role: Option<String>,
    question: i64,
    state: String,
    created_at: At,
    not_before: Option<At>,
    order_id: Option<String>,
    attempt: Option<i64>,
    settled_at: Option<At>,
    code: Option<String>,
    message: Option<String>,
    decision: Option<String>,
    held_since: Option<At>,
    faults: i64,
    losses: i64,
}

impl JobRow {
    pub(crate) fn read(self) -> Result<Job, RecordsError> {
        let reading = Reading {
            table: "jobs",
            id: &self.id,
        };
        Ok(Job {
            id: reading.parsed(&self.id)?,
            tenant: reading.parsed(&self.tenant)?,
            batch: reading.parsed(&self.batch)?,
            document: reading.parsed(&self.document)?,
            page: reading.parsed(&self.page)?,
            page_number: reading.whole(self.page_number)?,
            role: reading.required(Role::of_word(self.role.as_deref()), "a known role")?,
            question: reading.whole(self.question)?,
            created_at: self.created_at.0,
            tries: Tries {
                faults: reading.whole(self.faults)?,
                losses: reading.whole(self.losses)?,
            },
            state: self.state(reading)?,
        })
    }

    fn state(&self, reading: Reading<'_>) -> Result<JobState, RecordsError> {
        let at = || reading.required(self.settled_at, "settled_at").map(|at| at.0);
        let out = || {
            let order = reading.required(self.order_id.as_deref(), "order_id")?;
            let attempt = reading.required(self.attempt, "attempt")?;
            Ok::<_, RecordsError>(Out {
                order: reading.parsed(order)?,
                attempt: reading.whole(attempt)?,
            })
        };
        let decision = || reading.parsed(reading.required(self.decision.as_deref(), "decision")?);
        Ok(match reading.parsed(&self.state)? {
            JobPhase::Waiting => JobState::Waiting,
            JobPhase::Queued => JobState::Queued {
                not_before: reading.required(self.not_before, "not_before")?.0,
            },
            JobPhase::Dispatched => JobState::Dispatched(out()?),
            JobPhase::Running => JobState::Running(out()?),
            JobPhase::Held => JobState::Held(Hold {
                decision: decision()?,
                code: reading.required(self.code.clone(), "code")?,
                since: reading.required(self.held_since, "held_since")?.0,
            }),
            JobPhase::Answered => JobState::Answered { at: at()? },
            JobPhase::Failed => JobState::Failed {
                code: reading.required(self.code.clone(), "code")?,
                message: reading.required(self.message.clone(), "message")?,
                at: at()?,
            },
            JobPhase::Cancelled => JobState::Cancelled { at: at()? },
            JobPhase::Refused => JobState::Refused {
                decision: decision()?,
                at: at()?,
            },
            JobPhase::Expired => JobState::Expired { at: at()? },
        })
    }
}

/// The facts of a state as columns; those that it does not have are empty.
#[derive(Default)]
pub(super) struct Columns<'a> {
    pub(super) not_before: Option<At>,
    pub(super) order: Option<String>,
    pub(super) attempt: Option<i64>,
    pub(super) settled_at: Option<At>,
    pub(super) code: Option<&'a str>,
    pub(super) message: Option<&'a str>,
    pub(super) decision: Option<String>,
    pub(super) held_since: Option<At>,
}

impl<'a> Columns<'a> {
    pub(super) fn of(state: &'a JobState) -> Self {
        let none = Columns::default();
        match state {
            JobState::Waiting => none,
            JobState::Queued { not_before } => Columns {
                not_before: Some(At(*not_before)),
                ..none
            },
            JobState::Dispatched(out) | JobState::Running(out) => Columns {
                order: Some(out.order.to_string()),
                attempt: Some(number(out.attempt)),
                ..none
            },
            JobState::Held(hold) => Columns {
                held_since: Some(At(hold.since)),
                code: Some(&hold.code),
                decision: Some(hold.decision.to_string()),
                ..none
            },
            JobState::Answered { at } | JobState::Cancelled { at } | JobState::Expired { at } => Columns {
                settled_at: Some(At(*at)),
                ..none
            },
            JobState::Failed { code, message, at } => Columns {
                settled_at: Some(At(*at)),
                code: Some(code),
                message: Some(message),
                ..none
            },
            JobState::Refused { decision, at } => Columns {
                settled_at: Some(At(*at)),
                decision: Some(decision.to_string()),
                ..none
            },
        }
    }
}
