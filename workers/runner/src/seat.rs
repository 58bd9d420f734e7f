//! How many work at the engine.

/// A place at the engine, from the first thing that is computed to the last: operators see how many are taken.
pub(crate) struct Seat;

impl Seat {
    pub(crate) fn take() -> Self {
        metrics::gauge!("glmhub_engine_at_work").increment(1.0);
        Self
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        metrics::gauge!("glmhub_engine_at_work").decrement(1.0);
    }
}
