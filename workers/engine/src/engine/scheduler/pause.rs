//! When running answers have their turn while something long is computed.

use std::time::{Duration, Instant};

/// Since when something was not done, and what it took when it was.
#[derive(Default)]
pub(super) struct Pause(Option<(Instant, Duration)>);

impl Pause {
    /// What began then has just ended.
    pub fn after(began: Instant) -> Self {
        Self(Some((Instant::now(), began.elapsed())))
    }

    /// Whether it has been left alone for `share` times as long as it took.
    pub fn is_over(&self, share: f64) -> bool {
        self.0
            .is_none_or(|(ended, took)| ended.elapsed() >= took.mul_f64(share))
    }
}
