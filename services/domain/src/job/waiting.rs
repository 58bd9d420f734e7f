//! Jobs that combine what others answer wait for these, and are looked through anew when they are tried again.

use super::{JobRefusal, JobState};
use time::OffsetDateTime;

impl JobState {
    /// What it combines is there.
    pub fn ready(self, at: OffsetDateTime) -> Result<Self, JobRefusal> {
        match self {
            JobState::Waiting => Ok(JobState::Queued { not_before: at }),
            other => Err(JobRefusal::WrongState(other.phase())),
        }
    }

    /// There is nothing that it could combine.
    pub fn fail_empty(self, code: &str, message: String, at: OffsetDateTime) -> Result<Self, JobRefusal> {
        match self {
            JobState::Waiting => Ok(JobState::Failed {
                code: code.to_owned(),
                message,
                at,
            }),
            other => Err(JobRefusal::WrongState(other.phase())),
        }
    }

    /// As [`JobState::requeue`], of a job that combines answers: they are looked through anew.
    pub fn wait_again(self) -> Result<Self, JobRefusal> {
        match self {
            JobState::Failed { .. } | JobState::Refused { .. } => Ok(JobState::Waiting),
            other => Err(JobRefusal::WrongState(other.phase())),
        }
    }
}
