//! The requests of a batch: which job each became, or why none.

use super::{OpenaiBatch, Progress, Stood};
use crate::{
    At, Db, RecordsError, on,
    read::{Reading, number},
    run::Run as _,
};
use domain::id::{JobId, OpenaiBatchId};
use serde_json::Value;
use sqlx::types::Json;
use time::OffsetDateTime;

const INSERT: &str =
    "INSERT INTO openai_rows (batch, place, custom_id, job, status, fault) VALUES ($1, $2, $3, $4, $5, $6)";
const FED: &str = "UPDATE openai_batches SET fed_rows = fed_rows + 1, fed_bytes = $3, fed_lines = $4, held_until = $5 \
    WHERE id = $1 AND held_until = $2";
const OF_BATCH: &str = "SELECT place, custom_id, job, status, fault FROM openai_rows WHERE batch = $1 \
    AND place > $2 ORDER BY place LIMIT $3";
const PROGRESS: &str = "SELECT COALESCE(SUM(CASE WHEN r.job IS NULL OR b.completed_at IS NOT NULL \
    OR b.cancelled_at IS NOT NULL OR b.expired_at IS NOT NULL THEN 1 ELSE 0 END), 0), \
    COALESCE(SUM(CASE WHEN j.state = 'answered' THEN 1 ELSE 0 END), 0), \
    COALESCE(SUM(CASE WHEN r.job IS NULL OR j.state IN ('failed', 'cancelled', 'expired', 'refused') THEN 1 ELSE 0 END), 0) \
    FROM openai_rows r LEFT JOIN jobs j ON j.id = r.job LEFT JOIN batches b ON b.id = j.batch WHERE r.batch = $1";

pub(super) const STATEMENTS: &[&str] = &[INSERT, FED, OF_BATCH, PROGRESS];

/// What became of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum RowVerdict {
    /// It became jobs, of which this is the first.
    Job(JobId),
    /// It was refused with that status and body.
    Refused(u16, Value),
}

/// A request of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRow {
    /// Its line, from 1.
    pub place: u64,
    /// What its sender calls it.
    pub custom_id: String,
    /// What became of it.
    pub verdict: RowVerdict,
}

/// Stores what became of the next request of a batch's file, the one before the byte `end`, and holds the batch until `until`.
pub async fn feed(
    db: &Db,
    batch: &mut OpenaiBatch,
    row: &StoredRow,
    end: u64,
    until: OffsetDateTime,
) -> Result<Stood, RecordsError> {
    let mut tx = db.begin().await?;
    let id = batch.id.to_string();
    let stood = on!(tx: &mut tx, |c| sqlx::query(FED)
        .bind(&id)
        .bind(At(batch.held_until))
        .bind(number(end))
        .bind(number(row.place))
        .bind(At(until))
        .run(c))?;
    if stood == 0 {
        return Ok(false);
    }
    let (job, refused) = match &row.verdict {
        RowVerdict::Job(job) => (Some(job.to_string()), None),
        RowVerdict::Refused(status, fault) => (None, Some((i64::from(*status), Json(fault)))),
    };
    let (status, fault) = refused.unzip();
    on!(tx: &mut tx, |c| sqlx::query(INSERT)
        .bind(&id)
        .bind(number(row.place))
        .bind(&row.custom_id)
        .bind(job.as_deref())
        .bind(status)
        .bind(fault)
        .run(c))?;
    tx.commit().await?;
    batch.fed = (batch.fed.0 + 1, end);
    batch.fed_lines = row.place;
    batch.held_until = until;
    Ok(true)
}

#[derive(sqlx::FromRow)]
struct Row {
    place: i64,
    custom_id: String,
    job: Option<String>,
    status: Option<i64>,
    fault: Option<Json<Value>>,
}

impl Row {
    fn read(self, batch: &str) -> Result<StoredRow, RecordsError> {
        let row = Reading {
            table: "openai_rows",
            id: batch,
        };
        let verdict = match (self.job, self.status, self.fault) {
            (Some(job), None, None) => RowVerdict::Job(row.parsed(&job)?),
            (None, Some(status), Some(fault)) => RowVerdict::Refused(row.whole(status)?, fault.0),
            _ => return Err(row.nonsense("it has a job or a fault")),
        };
        Ok(StoredRow {
            place: row.whole(self.place)?,
            custom_id: self.custom_id,
            verdict,
        })
    }
}

/// Up to `limit` requests of a batch that somebody holds, behind the line `after`.
pub async fn rows(
    db: &Db,
    batch: OpenaiBatchId,
    after: u64,
    limit: u32,
) -> Result<Vec<StoredRow>, RecordsError> {
    let id = batch.to_string();
    let rows: Vec<Row> = on!(db, |c| sqlx::query_as(OF_BATCH)
        .bind(&id)
        .bind(number(after))
        .bind(i64::from(limit))
        .fetch_all(c))?;
    rows.into_iter().map(|row| row.read(&id)).collect()
}

/// How far the requests of a batch are.
pub async fn progress(db: &Db, batch: OpenaiBatchId) -> Result<Progress, RecordsError> {
    let id = batch.to_string();
    let (settled, answered, unanswered): (i64, i64, i64) =
        on!(db, |c| sqlx::query_as(PROGRESS).bind(&id).fetch_one(c))?;
    let row = Reading {
        table: "openai_rows",
        id: &id,
    };
    Ok(Progress {
        settled: row.whole(settled)?,
        answered: row.whole(answered)?,
        unanswered: row.whole(unanswered)?,
    })
}
