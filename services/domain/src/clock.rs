//! Time and randomness come in from outside, so that every rule can be tested at a chosen moment.

use std::sync::Arc;
use time::OffsetDateTime;

/// Tells the time. Handed in at start-up; tests hand in one they turn themselves.
pub trait Clock: Send + Sync {
    /// The present moment in UTC, in whole microseconds (what both databases keep).
    fn now(&self) -> OffsetDateTime;
}

/// A clock that may be shared between threads.
pub type SharedClock = Arc<dyn Clock>;

/// Cuts a moment to whole microseconds.
pub fn to_microseconds(at: OffsetDateTime) -> OffsetDateTime {
    let micros = at.nanosecond() / 1_000 * 1_000;
    at.replace_nanosecond(micros).unwrap_or(at)
}

/// A clock that stands still until it is turned. For tests of time-dependent rules.
pub struct HandClock(std::sync::Mutex<OffsetDateTime>);

impl HandClock {
    /// A clock that shows `start`.
    pub fn at(start: OffsetDateTime) -> Self {
        Self(std::sync::Mutex::new(to_microseconds(start)))
    }

    /// Moves the clock forward (or back, for a negative span).
    pub fn turn(&self, by: time::Duration) {
        let mut shown = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *shown += by;
    }
}

impl Clock for HandClock {
    fn now(&self) -> OffsetDateTime {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
