//! How many jobs of a batch are in which state.

use crate::job::JobPhase;
use serde::Serialize;

/// How many jobs are in each state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct JobCounts {
    /// See [`JobPhase::Waiting`].
    pub waiting: u64,
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
    /// See [`JobPhase::Expired`].
    pub expired: u64,
}

impl JobCounts {
    /// The number in `phase`.
    pub fn of(&self, phase: JobPhase) -> u64 {
        match phase {
            JobPhase::Waiting => self.waiting,
            JobPhase::Queued => self.queued,
            JobPhase::Dispatched => self.dispatched,
            JobPhase::Running => self.running,
            JobPhase::Held => self.held,
            JobPhase::Answered => self.answered,
            JobPhase::Failed => self.failed,
            JobPhase::Cancelled => self.cancelled,
            JobPhase::Refused => self.refused,
            JobPhase::Expired => self.expired,
        }
    }

    /// As many, when one has gone from one phase to another.
    pub fn moved(mut self, from: JobPhase, to: JobPhase) -> Self {
        *self.of_mut(from) = self.of(from).saturating_sub(1);
        *self.of_mut(to) += 1;
        self
    }

    fn of_mut(&mut self, phase: JobPhase) -> &mut u64 {
        match phase {
            JobPhase::Waiting => &mut self.waiting,
            JobPhase::Queued => &mut self.queued,
            JobPhase::Dispatched => &mut self.dispatched,
            JobPhase::Running => &mut self.running,
            JobPhase::Held => &mut self.held,
            JobPhase::Answered => &mut self.answered,
            JobPhase::Failed => &mut self.failed,
            JobPhase::Cancelled => &mut self.cancelled,
            JobPhase::Refused => &mut self.refused,
            JobPhase::Expired => &mut self.expired,
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
