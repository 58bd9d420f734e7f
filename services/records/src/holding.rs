//! Work that nothing allows any more is held, and goes on when it is allowed again.

use crate::{
    At, Db, RecordsError, Stamp,
    batches::{self, BatchRow, Delta, add as add_counts},
    on,
    read::{Reading, number},
    run::Run as _,
    turns,
};
use domain::{
    batch::StoredBatch,
    gate::Allowed,
    id::{BatchId, DecisionId, JobId, OrderId},
    job::JobPhase,
    names::TenantName,
    webhook::EventKind,
};
use serde_json::json;
use sqlx::types::Json;

const AT_WORK: &str = "SELECT * FROM batches WHERE tenant = COALESCE($1, tenant) AND id > $2 \
    AND jobs_queued + jobs_dispatched + jobs_running > 0 ORDER BY id LIMIT $3";
const HELD: &str = "SELECT * FROM batches WHERE jobs_held > 0 AND id > $1 ORDER BY id LIMIT $2";
const HOLD: &str = "UPDATE jobs SET state = 'held', held_since = $2, decision = $3, code = $4, not_before = NULL, \
    order_id = NULL, attempt = NULL WHERE batch = $1 AND state IN ('queued', 'dispatched', 'running') RETURNING id";
const RESUME: &str = "UPDATE jobs SET state = 'queued', not_before = $2, held_since = NULL, decision = NULL, \
    code = NULL WHERE batch = $1 AND state = 'held' RETURNING id";
const ALLOW: &str = "UPDATE batches SET decision = $2, terms_sha256 = $3, duties = $4 WHERE id = $1";

pub(crate) const STATEMENTS: &[&str] = &[AT_WORK, HELD, HOLD, RESUME, ALLOW];

/// The phases that a job is held in.
const HOLDABLE: [JobPhase; 3] = [JobPhase::Queued, JobPhase::Dispatched, JobPhase::Running];

/// What was held of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeldJobs {
    /// The jobs.
    pub jobs: Vec<JobId>,
    /// Orders that were out for them: their attempts are closed, and the queue is to forget them.
    pub withdrawn: Vec<OrderId>,
}

/// Up to `limit` batches with jobs that wait or are out, in order of their ids, after `after`: of `tenant`, or of all.
pub async fn at_work(
    db: &Db,
    tenant: Option<&TenantName>,
    after: Option<BatchId>,
    limit: u32,
) -> Result<Vec<StoredBatch>, RecordsError> {
    let rows = on!(db, |c| sqlx::query_as::<_, BatchRow>(AT_WORK)
        .bind(tenant.map(TenantName::as_str))
        .bind(after.map(|id| id.to_string()).unwrap_or_default())
        .bind(i64::from(limit))
        .fetch_all(c))?;
    rows.into_iter().map(BatchRow::read).collect()
}

/// Up to `limit` batches with held jobs, of all tenants, in order of their ids, after `after`.
pub async fn held(db: &Db, after: Option<BatchId>, limit: u32) -> Result<Vec<StoredBatch>, RecordsError> {
    let rows = on!(db, |c| sqlx::query_as::<_, BatchRow>(HELD)
        .bind(after.map(|id| id.to_string()).unwrap_or_default())
        .bind(i64::from(limit))
        .fetch_all(c))?;
    rows.into_iter().map(BatchRow::read).collect()
}

/// Holds all jobs of a batch that wait or are out. Whatever a worker still reports of them is fenced from now on.
pub async fn hold(
    db: &Db,
    stamp: Stamp<'_>,
    id: BatchId,
    decision: DecisionId,
    code: &str,
) -> Result<HeldJobs, RecordsError> {
    let mut tx = db.begin().await?;
    let Some(batch) = batches::lock(&mut tx, id).await? else {
        return Ok(HeldJobs::default());
    };
    let jobs: Vec<String> = on!(tx: &mut tx, |c| sqlx::query_scalar(HOLD)
        .bind(id.to_string())
        .bind(At(stamp.at))
        .bind(decision.to_string())
        .bind(code)
        .fetch_all(c))?;
    if jobs.is_empty() {
        return Ok(HeldJobs::default());
    }
    let withdrawn = batches::withdraw_attempts(&mut tx, stamp, id).await?;
    let mut delta = Delta::default().jobs(JobPhase::Held, number(jobs.len()));
    for phase in HOLDABLE {
        delta = delta.jobs(phase, -number(batch.jobs.of(phase)));
    }
    add_counts(&mut tx, id, &delta);
    let detail = json!({ "code": code, "jobs": jobs.len() });
    stamp.audit(
        &mut tx,
        &batch.tenant,
        "batch.held",
        id.to_string(),
        Some(decision),
        detail,
    );
    // Pages that are split later are held later: their tenant knows already.
    if batch.jobs.held == 0 {
        let kind = EventKind::BatchHeld {
            batch: id,
            decision,
            code: code.to_owned(),
        };
        stamp.tell(&mut tx, &batch.tenant, kind).await?;
    }
    tx.commit().await?;
    Ok(HeldJobs {
        jobs: read(&jobs)?,
        withdrawn,
    })
}

/// Queues the held jobs of a batch again, under `allowed`: what is answered from now on stands on that decision.
/// Gives which; none, if `allowed` is about something else.
pub async fn resume(
    db: &Db,
    stamp: Stamp<'_>,
    id: BatchId,
    allowed: &Allowed,
) -> Result<Vec<JobId>, RecordsError> {
    let mut tx = db.begin().await?;
    let batch = batches::lock(&mut tx, id).await?;
    let Some(batch) = batch.filter(|batch| is_about(allowed, batch)) else {
        return Ok(vec![]);
    };
    let jobs: Vec<String> = on!(tx: &mut tx, |c| sqlx::query_scalar(RESUME)
        .bind(id.to_string())
        .bind(At(stamp.at))
        .fetch_all(c))?;
    if jobs.is_empty() {
        return Ok(vec![]);
    }
    on!(tx: &mut tx, |c| sqlx::query(ALLOW)
        .bind(id.to_string())
        .bind(allowed.decision().to_string())
        .bind(allowed.terms_sha256().map(|sha256| sha256.to_string()))
        .bind(Json(allowed.duties()))
        .run(c))?;
    let delta = Delta::default()
        .jobs(JobPhase::Held, -number(jobs.len()))
        .jobs(JobPhase::Queued, number(jobs.len()));
    turns::mark(&mut tx, id, stamp.at);
    add_counts(&mut tx, id, &delta);
    let detail = json!({ "jobs": jobs.len(), "earlier": batch.license.decision });
    stamp.audit(
        &mut tx,
        &batch.tenant,
        "batch.resumed",
        id.to_string(),
        Some(allowed.decision()),
        detail,
    );
    stamp
        .tell(&mut tx, &batch.tenant, EventKind::BatchResumed { batch: id })
        .await?;
    tx.commit().await?;
    read(&jobs)
}

fn is_about(allowed: &Allowed, batch: &StoredBatch) -> bool {
    let license = &batch.license;
    *allowed.tenant() == batch.tenant
        && *allowed.model() == license.model
        && allowed.revision_sha256() == license.revision_sha256
        && allowed.purpose() == license.purpose
}

fn read(jobs: &[String]) -> Result<Vec<JobId>, RecordsError> {
    let read = |id: &String| Reading { table: "jobs", id }.parsed(id);
    jobs.iter().map(read).collect()
}
