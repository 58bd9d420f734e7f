//! Decisions of the last days, as a simulation replays them.

use super::Row;
use crate::{At, Db, RecordsError, on, read::Reading};
use domain::gate::DecisionRecord;
use time::OffsetDateTime;

// One more than wanted tells that there were more.
const SINCE: &str = "SELECT d.*, \
        (SELECT CAST(COALESCE(SUM(b.jobs_total), 0) AS BIGINT) FROM batches b WHERE b.decision = d.id) AS jobs \
    FROM decisions d WHERE d.at >= $1 ORDER BY d.at DESC, d.id DESC LIMIT $2";

pub(super) const STATEMENTS: &[&str] = &[SINCE];

/// Decisions of the last days.
#[derive(Debug)]
pub struct Recent {
    /// Each with the number of jobs that stand on it, newest first.
    pub decisions: Vec<(DecisionRecord, u64)>,
    /// Whether there were more than could be taken.
    pub cut: bool,
}

/// The newest `most` decisions of all tenants since `since`.
pub async fn since(db: &Db, since: OffsetDateTime, most: u32) -> Result<Recent, RecordsError> {
    let rows: Vec<CountedRow> = on!(db, |c| sqlx::query_as(SINCE)
        .bind(At(since))
        .bind(i64::from(most) + 1)
        .fetch_all(c))?;
    let cut = rows.len() > most as usize;
    let read = |row: CountedRow| {
        let jobs = Reading {
            table: "batches",
            id: &row.decision.id,
        }
        .whole(row.jobs)?;
        Ok((row.decision.read()?, jobs))
    };
    let decisions: Result<_, RecordsError> = rows.into_iter().take(most as usize).map(read).collect();
    Ok(Recent {
        decisions: decisions?,
        cut,
    })
}

#[derive(sqlx::FromRow)]
struct CountedRow {
    #[sqlx(flatten)]
    decision: Row,
    jobs: i64,
}
