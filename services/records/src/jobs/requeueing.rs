//! All failed jobs of a batch are tried again, in one go.

use crate::{
    At, Db, RecordsError, Stamp,
    batches::{self, Delta, add as add_counts},
    combining, on,
    read::number,
    turns,
};
use domain::{batch::BatchRefusal, id::BatchId, job::JobPhase, names::TenantName};
use serde_json::json;

pub(super) const REQUEUE_FAILED: &str = "UPDATE jobs SET state = 'queued', not_before = $2, settled_at = NULL, code = NULL, \
    message = NULL, faults = 0, losses = 0 WHERE batch = $1 AND state = 'failed' AND (role IS NULL OR role = 'source') RETURNING id";
// Answers that were combined are combined anew, when those have come that are tried again.
pub(super) const WAIT_AGAIN: &str = "UPDATE jobs SET state = 'waiting', settled_at = NULL, code = NULL, message = NULL, \
    faults = 0, losses = 0 WHERE batch = $1 AND state = 'failed' AND role = 'whole' RETURNING id";

/// Queues every failed job of a batch again, from the beginning; those that were refused or cancelled stay as they are.
/// Gives how many. `None`: the tenant has no such batch.
pub async fn requeue_failed(
    db: &Db,
    stamp: Stamp<'_>,
    tenant: &TenantName,
    id: BatchId,
) -> Result<Option<Result<usize, BatchRefusal>>, RecordsError> {
    let mut tx = db.begin().await?;
    let batch = batches::lock(&mut tx, id).await?;
    let Some(batch) = batch.filter(|batch| batch.tenant == *tenant) else {
        return Ok(None);
    };
    let state = match batch.takes_more(stamp.at).and_then(|()| batch.state.reopen()) {
        Ok(state) => state,
        Err(refusal) => return Ok(Some(Err(refusal))),
    };
    let jobs: Vec<String> = on!(tx: &mut tx, |c| sqlx::query_scalar(REQUEUE_FAILED)
        .bind(id.to_string())
        .bind(At(stamp.at))
        .fetch_all(c))?;
    let wholes: Vec<String> = on!(tx: &mut tx, |c| sqlx::query_scalar(WAIT_AGAIN)
        .bind(id.to_string())
        .fetch_all(c))?;
    combining::forget_parts(&mut tx, &wholes).await?;
    let count = jobs.len() + wholes.len();
    if count == 0 {
        return Ok(Some(Ok(0)));
    }
    batches::write_state(&mut tx, id, state);
    let delta = Delta::default()
        .jobs(JobPhase::Failed, -number(count))
        .jobs(JobPhase::Waiting, number(wholes.len()))
        .jobs(JobPhase::Queued, number(jobs.len()));
    turns::mark(&mut tx, id, stamp.at);
    add_counts(&mut tx, id, &delta);
    let detail = json!({ "jobs": count });
    stamp.audit(&mut tx, tenant, "batch.requeued", id.to_string(), None, detail);
    tx.commit().await?;
    Ok(Some(Ok(count)))
}
