//! The one place that reads the system's time.

use domain::clock::{Clock, to_microseconds};
use time::OffsetDateTime;

/// The clock of this machine.
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "everything else takes the time from this clock"
    )]
    fn now(&self) -> OffsetDateTime {
        to_microseconds(OffsetDateTime::now_utc())
    }
}
