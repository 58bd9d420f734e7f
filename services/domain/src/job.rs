//! A job: one page and one question, from waiting to its verdict.
//!
//! An order carries several jobs of a page. A job knows the order that is out for it: whatever comes from
//! another order, or another attempt, is **fenced** and changes nothing.

use crate::{
    id::{DecisionId, OrderId},
    order::Fault,
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use time::{Duration, OffsetDateTime};

/// The code of a job that was given up after too many attempts.
pub const DEAD_LETTERED: &str = "dead_lettered";
/// The code of an attempt whose worker was never heard of again.
pub const ATTEMPT_LOST: &str = "attempt_lost";

/// The code of what had no verdict when the time of its batch was up.
pub const EXPIRED: &str = "expired";

/// What is true of a job now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobState {
    /// It combines answers that have not all come: nothing of it can be dispatched or held.
    Waiting,
    /// It waits to be dispatched.
    Queued {
        /// Not earlier than this.
        not_before: OffsetDateTime,
    },
    /// An order for it is out, and no worker has begun.
    Dispatched(Out),
    /// A worker has said that it began.
    Running(Out),
    /// Its answer is stored.
    Answered {
        /// When.
        at: OffsetDateTime,
    },
    /// There will be no answer, unless it is requeued.
    Failed {
        /// A stable word; [`DEAD_LETTERED`] if attempts were used up.
        code: String,
        /// What happened, for a person.
        message: String,
        /// When.
        at: OffsetDateTime,
    },
    /// The tenant does not want it any more.
    Cancelled {
        /// When.
        at: OffsetDateTime,
    },
    /// What allowed it stands no more, and a new acceptance would let it go on.
    Held(Hold),
    /// The gate no longer allowed it when its turn came, and no acceptance would help.
    Refused {
        /// The decision that says why.
        decision: DecisionId,
        /// When.
        at: OffsetDateTime,
    },
    /// The time of its batch was up before it had another verdict.
    Expired {
        /// When that was written down.
        at: OffsetDateTime,
    },
}

/// Why a job is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The decision that says why.
    pub decision: DecisionId,
    /// The code of the decision's first reason.
    pub code: String,
    /// Since when.
    pub since: OffsetDateTime,
}

/// The order that is out for a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Out {
    /// The order.
    pub order: OrderId,
    /// Its attempt number.
    pub attempt: u32,
}

/// The word for a state, in tables, JSON and counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobPhase {
    /// [`JobState::Waiting`].
    Waiting,
    /// [`JobState::Queued`].
    Queued,
    /// [`JobState::Dispatched`].
    Dispatched,
    /// [`JobState::Running`].
    Running,
    /// [`JobState::Held`].
    Held,
    /// [`JobState::Answered`].
    Answered,
    /// [`JobState::Failed`].
    Failed,
    /// [`JobState::Cancelled`].
    Cancelled,
    /// [`JobState::Refused`].
    Refused,
    /// [`JobState::Expired`].
    Expired,
}

impl JobPhase {
    /// All of them, in the order of a job's life.
    pub const ALL: [JobPhase; 10] = [
        JobPhase::Waiting,
        JobPhase::Queued,
        JobPhase::Dispatched,
        JobPhase::Running,
        JobPhase::Held,
        JobPhase::Answered,
        JobPhase::Failed,
        JobPhase::Cancelled,
        JobPhase::Refused,
        JobPhase::Expired,
    ];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            JobPhase::Waiting => "waiting",
            JobPhase::Queued => "queued",
            JobPhase::Dispatched => "dispatched",
            JobPhase::Running => "running",
            JobPhase::Held => "held",
            JobPhase::Answered => "answered",
            JobPhase::Failed => "failed",
            JobPhase::Cancelled => "cancelled",
            JobPhase::Refused => "refused",
            JobPhase::Expired => "expired",
        }
    }

    /// Those without a verdict, in the order of a job's life.
    pub const UNSETTLED: [JobPhase; 5] = [
        JobPhase::Waiting,
        JobPhase::Queued,
        JobPhase::Dispatched,
        JobPhase::Running,
        JobPhase::Held,
    ];

    /// Whether a job stays in this state unless somebody requeues it.
    pub fn is_settled(self) -> bool {
        !Self::UNSETTLED.contains(&self)
    }
}

impl fmt::Display for JobPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The word names no state of a job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a job is waiting, queued, dispatched, running, held, answered, failed, cancelled, refused or expired"
)]
pub struct BadPhase;

impl FromStr for JobPhase {
    type Err = BadPhase;

    fn from_str(text: &str) -> Result<Self, BadPhase> {
        Self::ALL
            .into_iter()
            .find(|phase| phase.as_str() == text)
            .ok_or(BadPhase)
    }
}

/// Attempts that came to nothing, by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tries {
    /// A worker reported a fault that may pass.
    pub faults: u32,
    /// A worker began and was never heard of again.
    pub losses: u32,
}

/// When attempts at a job are repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryRule {
    /// After this many reported faults the job is dead-lettered.
    pub most_faults: u32,
    /// After this many lost attempts the job is dead-lettered.
    pub most_losses: u32,
    /// The pause after the first fault; it doubles with each further one.
    pub first_pause: Duration,
    /// No pause is longer.
    pub longest_pause: Duration,
}

impl RetryRule {
    /// How long to pause after fault number `tries` (from 1): half of it fixed, half of it drawn by
    /// `random` (0 to 1), so that jobs that failed together do not come back together.
    pub fn pause(&self, tries: u32, random: f64) -> Duration {
        let doubled = self.first_pause * f64::from(2u32.saturating_pow(tries.saturating_sub(1).min(30)));
        doubled.min(self.longest_pause) * (0.5 + random.clamp(0.0, 1.0) / 2.0)
    }
}

/// Why a job does not change as asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JobRefusal {
    /// It comes from an order or attempt that is not the one that is out: it changes nothing.
    #[error("another attempt is out, or none")]
    Fenced,
    /// The job's state does not allow it.
    #[error("the job is {0}")]
    WrongState(JobPhase),
}

impl JobState {
    /// The word for it.
    pub fn phase(&self) -> JobPhase {
        match self {
            JobState::Waiting => JobPhase::Waiting,
            JobState::Queued { .. } => JobPhase::Queued,
            JobState::Dispatched(_) => JobPhase::Dispatched,
            JobState::Running(_) => JobPhase::Running,
            JobState::Held(_) => JobPhase::Held,
            JobState::Answered { .. } => JobPhase::Answered,
            JobState::Failed { .. } => JobPhase::Failed,
            JobState::Cancelled { .. } => JobPhase::Cancelled,
            JobState::Refused { .. } => JobPhase::Refused,
            JobState::Expired { .. } => JobPhase::Expired,
        }
    }

    /// The order that is out for it.
    pub fn out(&self) -> Option<Out> {
        match self {
            JobState::Dispatched(out) | JobState::Running(out) => Some(*out),
            _ => None,
        }
    }

    fn fenced_by(self, out: Out) -> Result<Self, JobRefusal> {
        if self.out() == Some(out) {
            Ok(self)
        } else {
            Err(JobRefusal::Fenced)
        }
    }

    /// An order goes out for it.
    pub fn dispatch(self, out: Out) -> Result<Self, JobRefusal> {
        match self {
            JobState::Queued { .. } => Ok(JobState::Dispatched(out)),
            other => Err(JobRefusal::WrongState(other.phase())),
        }
    }

    /// A worker began.
    pub fn start(self, out: Out) -> Result<Self, JobRefusal> {
        self.fenced_by(out).map(|_| JobState::Running(out))
    }

    /// Its answer has come.
    pub fn answer(self, out: Out, at: OffsetDateTime) -> Result<Self, JobRefusal> {
        self.fenced_by(out).map(|_| JobState::Answered { at })
    }

    /// A worker reported `fault`. `tries` counts this one already.
    pub fn fault(
        self,
        out: Out,
        fault: &Fault,
        tries: Tries,
        rule: &RetryRule,
        at: OffsetDateTime,
        random: f64,
    ) -> Result<Self, JobRefusal> {
        self.fenced_by(out)?;
        if !fault.may_pass {
            return Ok(JobState::Failed {
                code: fault.code.clone(),
                message: fault.message.clone(),
                at,
            });
        }
        if tries.faults >= rule.most_faults {
            return Ok(dead_letter(tries.faults, &fault.code, &fault.message, at));
        }
        Ok(JobState::Queued {
            not_before: at + rule.pause(tries.faults, random),
        })
    }

    /// The order is gone and its worker with it. `tries` counts this one already, if a worker had begun.
    pub fn lose(
        self,
        out: Out,
        tries: Tries,
        rule: &RetryRule,
        at: OffsetDateTime,
    ) -> Result<Self, JobRefusal> {
        self.fenced_by(out)?;
        if tries.losses >= rule.most_losses {
            return Ok(dead_letter(
                tries.losses,
                ATTEMPT_LOST,
                "the worker vanished at work",
                at,
            ));
        }
        Ok(JobState::Queued { not_before: at })
    }

    /// The worker gave the order back unfinished, or the order was withdrawn for the sake of another job.
    pub fn hand_back(self, out: Out, at: OffsetDateTime) -> Result<Self, JobRefusal> {
        self.fenced_by(out).map(|_| JobState::Queued { not_before: at })
    }

    /// The tenant does not want it any more.
    pub fn cancel(self, at: OffsetDateTime) -> Result<Self, JobRefusal> {
        match self.phase() {
            phase if phase.is_settled() => Err(JobRefusal::WrongState(phase)),
            _ => Ok(JobState::Cancelled { at }),
        }
    }

    /// The time of its batch is up. An order that is out for it is fenced from now on.
    pub fn expire(self, at: OffsetDateTime) -> Result<Self, JobRefusal> {
        match self.phase() {
            phase if phase.is_settled() => Err(JobRefusal::WrongState(phase)),
            _ => Ok(JobState::Expired { at }),
        }
    }

    /// What allowed it stands no more. An order that is out for it is fenced from now on.
    pub fn hold(self, hold: Hold) -> Result<Self, JobRefusal> {
        match self {
            JobState::Queued { .. } | JobState::Dispatched(_) | JobState::Running(_) => {
                Ok(JobState::Held(hold))
            }
            other => Err(JobRefusal::WrongState(other.phase())),
        }
    }

    /// The gate allows it again.
    pub fn resume(self, at: OffsetDateTime) -> Result<Self, JobRefusal> {
        match self {
            JobState::Held(_) => Ok(JobState::Queued { not_before: at }),
            other => Err(JobRefusal::WrongState(other.phase())),
        }
    }

    /// The gate no longer allows it, and no acceptance would help.
    pub fn refuse(self, decision: DecisionId, at: OffsetDateTime) -> Result<Self, JobRefusal> {
        match self {
            JobState::Queued { .. } => Ok(JobState::Refused { decision, at }),
            other => Err(JobRefusal::WrongState(other.phase())),
        }
    }

    /// Somebody mended the cause: it is tried again from the beginning.
    pub fn requeue(self, at: OffsetDateTime) -> Result<Self, JobRefusal> {
        match self {
            JobState::Failed { .. } | JobState::Refused { .. } => Ok(JobState::Queued { not_before: at }),
            other => Err(JobRefusal::WrongState(other.phase())),
        }
    }
}

fn dead_letter(tries: u32, code: &str, message: &str, at: OffsetDateTime) -> JobState {
    let message = format!("{tries} attempts came to nothing, the last with {code}: {message}");
    JobState::Failed {
        code: DEAD_LETTERED.into(),
        message,
        at,
    }
}

mod waiting;

#[cfg(test)]
mod tests;
