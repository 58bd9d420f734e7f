//! How much of everything there is, over all tenants: for whoever watches the hub.

use crate::{Db, RecordsError, on, read::Reading};
use domain::batch::JobCounts;

// Sums of BIGINT are NUMERIC on PostgreSQL.
const WORK: &str = "SELECT \
    CAST(COUNT(CASE WHEN submitted_at IS NULL AND cancelled_at IS NULL AND expired_at IS NULL THEN 1 END) AS BIGINT), \
    CAST(COUNT(CASE WHEN submitted_at IS NOT NULL AND completed_at IS NULL AND cancelled_at IS NULL \
        AND expired_at IS NULL THEN 1 END) AS BIGINT), \
    CAST(COUNT(completed_at) AS BIGINT), CAST(COUNT(cancelled_at) AS BIGINT), CAST(COUNT(expired_at) AS BIGINT), \
    CAST(COALESCE(SUM(jobs_queued - jobs_waiting), 0) AS BIGINT), CAST(COALESCE(SUM(jobs_dispatched), 0) AS BIGINT), \
    CAST(COALESCE(SUM(jobs_running), 0) AS BIGINT), CAST(COALESCE(SUM(jobs_answered), 0) AS BIGINT), \
    CAST(COALESCE(SUM(jobs_failed), 0) AS BIGINT), CAST(COALESCE(SUM(jobs_cancelled - jobs_expired), 0) AS BIGINT), \
    CAST(COALESCE(SUM(jobs_stopped - jobs_held), 0) AS BIGINT), CAST(COALESCE(SUM(jobs_held), 0) AS BIGINT), \
    CAST(COALESCE(SUM(jobs_expired), 0) AS BIGINT), CAST(COALESCE(SUM(jobs_waiting), 0) AS BIGINT) \
    FROM batches";

pub(crate) const STATEMENTS: &[&str] = &[WORK];

/// Batches and jobs by state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkCounts {
    /// Batches by state.
    pub batches: [(&'static str, u64); 5],
    /// Jobs by state.
    pub jobs: JobCounts,
}

type Row = (
    i64,
    i64,
    i64,
    i64,
    i64,
    i64,
    i64,
    i64,
    i64,
    i64,
    i64,
    i64,
    i64,
    i64,
    i64,
);

/// Counts batches and jobs. Reads every batch once; jobs are counted by their batches' own counters.
pub async fn work(db: &Db) -> Result<WorkCounts, RecordsError> {
    let row: Row = on!(db, |c| sqlx::query_as(WORK).fetch_one(c))?;
    let whole = |count: i64| {
        Reading {
            table: "batches",
            id: "*",
        }
        .whole::<u64>(count)
    };
    Ok(WorkCounts {
        batches: [
            ("open", whole(row.0)?),
            ("running", whole(row.1)?),
            ("completed", whole(row.2)?),
            ("cancelled", whole(row.3)?),
            ("expired", whole(row.4)?),
        ],
        jobs: JobCounts {
            waiting: whole(row.14)?,
            queued: whole(row.5)?,
            dispatched: whole(row.6)?,
            running: whole(row.7)?,
            answered: whole(row.8)?,
            failed: whole(row.9)?,
            cancelled: whole(row.10)?,
            refused: whole(row.11)?,
            held: whole(row.12)?,
            expired: whole(row.13)?,
        },
    })
}
