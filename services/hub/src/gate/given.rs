//! An allow on its way to the work that it is for.

use super::Confirmed;
use domain::gate::Allowed;
use time::{Duration, OffsetDateTime};

/// An allow that was just given.
#[derive(Debug)]
pub struct Given {
    /// What is allowed.
    pub allowed: Allowed,
    /// When it was asked for.
    at: OffsetDateTime,
    /// The revocation epoch of the tenant then.
    epoch: u64,
}

impl Given {
    pub(super) fn new(allowed: Allowed, at: OffsetDateTime, epoch: u64) -> Self {
        Self { allowed, at, epoch }
    }

    /// For how long nobody need ask again: no longer than an order may be on its way between the gate and the queue.
    const FRESH: Duration = Duration::SECOND;

    /// What the allow stands on, if it is as good as one that is asked for `now`.
    pub(crate) fn confirmed(&self, now: OffsetDateTime) -> Option<Confirmed> {
        let is_fresh = (self.at..self.at + Self::FRESH).contains(&now);
        is_fresh.then(|| Confirmed::of(&self.allowed, self.epoch))
    }
}
