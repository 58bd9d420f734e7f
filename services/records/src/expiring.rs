//! Batches whose time is up: what has no verdict expires.

use crate::{
    At, Db, RecordsError, Stamp, Tx,
    batches::{self, Delta, add as add_counts},
    on,
    read::{Reading, number},
    run::Run as _,
};
use domain::{
    batch::StoredBatch,
    document::DocumentPhase,
    id::{BatchId, JobId, OrderId},
    job::{EXPIRED, JobPhase},
    webhook::EventKind,
};
use serde_json::json;
use time::OffsetDateTime;

const DUE: &str = "SELECT id FROM batches WHERE completed_at IS NULL AND cancelled_at IS NULL AND expired_at IS NULL \
    AND expires_at IS NOT NULL AND expires_at <= $1 ORDER BY expires_at, id LIMIT $2";
const EXPIRE_JOBS: &str = "UPDATE jobs SET state = 'expired', settled_at = $2, not_before = NULL, order_id = NULL, \
    attempt = NULL, held_since = NULL, decision = NULL, code = NULL \
    WHERE batch = $1 AND state IN ('waiting', 'queued', 'dispatched', 'running', 'held') RETURNING id";
const FAIL_DOCUMENTS: &str = "UPDATE documents SET state = 'failed', splitting_until = NULL, settled_at = $2, code = $3, \
    message = $4 WHERE batch = $1 AND state IN ('received', 'waiting', 'splitting')";

pub(crate) const STATEMENTS: &[&str] = &[DUE, EXPIRE_JOBS, FAIL_DOCUMENTS];

/// What of a batch had no verdict when its time was up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExpiredJobs {
    /// The jobs.
    pub jobs: Vec<JobId>,
    /// Orders that were out for them: their attempts are closed, and the queue is to forget them.
    pub withdrawn: Vec<OrderId>,
}

/// Up to `limit` batches whose time is up and of which that was not written down yet, of all tenants, the longest first.
pub async fn due(db: &Db, now: OffsetDateTime, limit: u32) -> Result<Vec<BatchId>, RecordsError> {
    let ids: Vec<String> = on!(db, |c| sqlx::query_scalar(DUE)
        .bind(At(now))
        .bind(i64::from(limit))
        .fetch_all(c))?;
    let read = |id: &String| Reading { table: "batches", id }.parsed(id);
    ids.iter().map(read).collect()
}

/// Writes down that the time of a batch is up: its jobs without a verdict expire, its documents that are no pages yet
/// fail, and its tenant is told. `None`: it is not up, or somebody was first, and nothing changed.
pub async fn expire(db: &Db, stamp: Stamp<'_>, id: BatchId) -> Result<Option<ExpiredJobs>, RecordsError> {
    let mut tx = db.begin().await?;
    let batch = batches::lock(&mut tx, id).await?;
    let Some(batch) = batch.filter(|batch| batch.is_over(stamp.at)) else {
        return Ok(None);
    };
    let Ok(state) = batch.state.expire(stamp.at) else {
        return Ok(None);
    };
    batches::write_state(&mut tx, id, state);
    let jobs = settle(&mut tx, stamp, &batch).await?;
    let withdrawn = batches::withdraw_attempts(&mut tx, stamp, id).await?;
    let detail = json!({ "jobs": jobs.len(), "documents": batch.documents.unsettled() });
    stamp.audit(
        &mut tx,
        &batch.tenant,
        "batch.expired",
        id.to_string(),
        None,
        detail,
    );
    let kind = EventKind::BatchExpired { batch: id };
    stamp.tell(&mut tx, &batch.tenant, kind).await?;
    tx.commit().await?;
    let read = |id: &String| Reading { table: "jobs", id }.parsed(id);
    Ok(Some(ExpiredJobs {
        jobs: jobs.iter().map(read).collect::<Result<_, _>>()?,
        withdrawn,
    }))
}

/// Settles jobs and documents of a locked batch, with its counters. Gives the jobs.
async fn settle(tx: &mut Tx, stamp: Stamp<'_>, batch: &StoredBatch) -> Result<Vec<String>, RecordsError> {
    let (id, at) = (batch.id.to_string(), At(stamp.at));
    let jobs: Vec<String> =
        on!(tx: &mut *tx, |c| sqlx::query_scalar(EXPIRE_JOBS).bind(&id).bind(at).fetch_all(c))?;
    on!(tx: &mut *tx, |c| sqlx::query(FAIL_DOCUMENTS)
        .bind(&id)
        .bind(at)
        .bind(EXPIRED)
        .bind("the time of its batch was up before it was split into pages")
        .run(c))?;
    let delta = Delta::default()
        .none_unsettled(batch)
        .documents(DocumentPhase::Failed, number(batch.documents.unsettled()))
        .jobs(JobPhase::Expired, number(jobs.len()));
    add_counts(tx, batch.id, &delta);
    Ok(jobs)
}
