//! What came of everything in a fleet, counted in the answers of the API, in the database and at the receiver of webhooks.

use super::{Fleet, database::psql};
use crate::{client::Client, receiver::Receiver, tally::Tally};

/// Attempts at one page that were out at the same time: each pair is a page that was dispatched twice. After a fault that
/// may pass, the jobs of a page wait each for a time of its own and rightly go out apart: such pages do not count.
const AT_ONCE: &str = "SELECT count(*) FROM attempts a JOIN attempts b ON a.page = b.page AND a.attempt < b.attempt \
    AND (a.closed_at IS NULL OR b.dispatched_at < a.closed_at) WHERE NOT EXISTS (SELECT 1 FROM job_faults f \
    JOIN jobs j ON j.id = f.job WHERE j.page = a.page AND f.code <> 'attempt_lost')";
const ATTEMPTS: &str = "SELECT outcome || ' ' || count(*) FROM attempts GROUP BY outcome ORDER BY outcome";
const OPEN: &str = "SELECT count(*) FROM attempts WHERE closed_at IS NULL";
const BY_HOW_MANY: &str = "SELECT count(DISTINCT worker) FROM answers";

/// The numbers of a test.
pub struct Count {
    pub told: Tally,
    pub at_once: String,
    pub open: String,
    pub attempts: String,
    pub workers: String,
}

impl Count {
    /// See [`Tally::of`].
    pub async fn of(fleet: &Fleet, client: &Client, batches: &[String], receiver: &Receiver) -> Self {
        Self {
            told: Tally::of(client, batches, receiver).await,
            at_once: psql(&fleet.database, AT_ONCE),
            open: psql(&fleet.database, OPEN),
            attempts: psql(&fleet.database, ATTEMPTS).replace('\n', ", "),
            workers: psql(&fleet.database, BY_HOW_MANY),
        }
    }

    /// Holds that no page was out twice at the same time, and what [`Count::check_by_any_clock`] holds.
    pub fn check(&self, fleet: &Fleet) {
        self.check_by_any_clock(fleet);
        assert_eq!(self.at_once, "0");
    }

    /// Prints the numbers, and holds that every job has one answer, every event was told, and the audit log is whole.
    /// Where clocks of hubs differ, what they wrote down does not tell what was at the same time.
    pub fn check_by_any_clock(&self, fleet: &Fleet) {
        self.told.check();
        eprintln!("counted: {self}");
        assert_eq!(self.open, "0");
        eprintln!("the audit log: {}", fleet.perform(&["audit", "verify"]).trim());
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            told: _,
            at_once,
            open,
            attempts,
            workers,
        } = self;
        write!(
            f,
            "answers by {workers} workers; attempts: {attempts}, {open} open, "
        )?;
        write!(f, "{at_once} of a page at the same time")
    }
}
