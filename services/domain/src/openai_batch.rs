//! Batches as clients of OpenAI's API know them: what is true of one, and what is wrong with its file.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// When a batch came into each of its states.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moments {
    /// Its file was found to be good.
    pub in_progress: Option<OffsetDateTime>,
    /// Every request had its verdict, or the time was up.
    pub finalizing: Option<OffsetDateTime>,
    /// Its files were written.
    pub completed: Option<OffsetDateTime>,
    /// Its file was found to be none of requests.
    pub failed: Option<OffsetDateTime>,
    /// Its files were written, and its time was up before every request had its verdict.
    pub expired: Option<OffsetDateTime>,
    /// Its tenant did not want the rest any more.
    pub cancelling: Option<OffsetDateTime>,
    /// What was under way was taken back, and its files were written.
    pub cancelled: Option<OffsetDateTime>,
}

/// What is true of a batch, in OpenAI's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Its file is being read.
    Validating,
    /// Its requests are being answered.
    InProgress,
    /// Its files are being written.
    Finalizing,
    /// It is over: every request has its verdict.
    Completed,
    /// It is over: its file is none of requests.
    Failed,
    /// It is over: its time was up.
    Expired,
    /// What is under way is being taken back.
    Cancelling,
    /// It is over: its tenant did not want the rest.
    Cancelled,
}

impl Status {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Validating => "validating",
            Self::InProgress => "in_progress",
            Self::Finalizing => "finalizing",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Cancelling => "cancelling",
            Self::Cancelled => "cancelled",
        }
    }
}

impl Moments {
    /// The state that it is in.
    pub fn status(&self) -> Status {
        let known = [
            (self.failed, Status::Failed),
            (self.cancelled, Status::Cancelled),
            (self.expired, Status::Expired),
            (self.completed, Status::Completed),
            (self.cancelling, Status::Cancelling),
            (self.finalizing, Status::Finalizing),
            (self.in_progress, Status::InProgress),
        ];
        let found = known.into_iter().find(|(at, _)| at.is_some());
        found.map_or(Status::Validating, |(_, status)| status)
    }

    /// How it ends, now that its files are written; some request `has_expired`, or none.
    pub fn ending(&self, has_expired: bool) -> Ending {
        match (self.cancelling, has_expired) {
            (Some(_), _) => Ending::Cancelled,
            (None, true) => Ending::Expired,
            (None, false) => Ending::Completed,
        }
    }
}

/// How a batch may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// See [`Status::Completed`].
    Completed,
    /// See [`Status::Failed`].
    Failed,
    /// See [`Status::Expired`].
    Expired,
    /// See [`Status::Cancelled`].
    Cancelled,
}

impl Ending {
    /// The state that it ends in.
    pub fn status(self) -> Status {
        match self {
            Self::Completed => Status::Completed,
            Self::Failed => Status::Failed,
            Self::Expired => Status::Expired,
            Self::Cancelled => Status::Cancelled,
        }
    }
}

/// How many requests of a batch that is over have an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// With one.
    pub answered: u64,
    /// Without.
    pub unanswered: u64,
}

/// What is wrong with a line, or with the whole file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineFault {
    /// A stable word.
    pub code: String,
    /// Which line, from 1.
    pub line: Option<u64>,
    /// What is wrong, for a person.
    pub message: String,
    /// The member at fault.
    pub param: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Option<OffsetDateTime> = Some(OffsetDateTime::UNIX_EPOCH);

    #[test]
    fn the_latest_state_counts() {
        let mut moments = Moments::default();
        assert_eq!(moments.status(), Status::Validating);
        moments.in_progress = NOW;
        assert_eq!(moments.status(), Status::InProgress);
        moments.finalizing = NOW;
        assert_eq!(moments.status(), Status::Finalizing);
        assert_eq!(moments.ending(true), Ending::Expired);
        assert_eq!(moments.ending(false), Ending::Completed);
        moments.cancelling = NOW;
        assert_eq!(moments.status(), Status::Cancelling);
        assert_eq!(moments.ending(true), Ending::Cancelled);
        moments.cancelled = NOW;
        assert_eq!(moments.status(), Status::Cancelled);
    }
}
