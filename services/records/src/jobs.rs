//! Jobs: read, cancelled and requeued by their tenant. What workers do to them is in `attempts`.

mod moving;
mod requeueing;
mod row;

pub(crate) use moving::change_all;
pub use requeueing::requeue_failed;
pub(crate) use row::JobRow;
pub use row::{Job, JobFault};

use crate::{
    At, Db, RecordsError, Stamp, Tx,
    answers::{self, Answer},
    attempts,
    batches::{self, Delta, add as add_counts},
    combining, on,
    read::{Reading, below, number},
    run::Run as _,
    turns,
};
use domain::{
    batch::{BatchRefusal, StoredBatch},
    combining::Role,
    document::Warning,
    id::{BatchId, JobId, OrderId},
    job::{DEAD_LETTERED, JobRefusal, JobState, Tries},
    names::TenantName,
};
use serde_json::json;
use sqlx::types::Json;

const GET: &str = "SELECT * FROM jobs WHERE id = $1 AND tenant = $2";
const GET_WHOLE: &str = "SELECT j.*, d.warnings AS document_warnings FROM jobs j JOIN documents d ON d.id = j.document \
    WHERE j.id = $1 AND j.tenant = $2";
const GET_IN_BATCH: &str = "SELECT * FROM jobs WHERE id = $1 AND batch || '' = $2";
const BATCH_OF: &str = "SELECT batch FROM jobs WHERE id = $1 AND tenant = $2";
const FAULTS: &str = "SELECT attempt, code, message, at FROM job_faults WHERE job = $1 ORDER BY at, attempt";
// The batch is hidden from the planner where a job is named, or it might look for that among all jobs of the batch.
const OF_BATCH: &str = "SELECT * FROM jobs WHERE tenant = $1 AND batch = $2 AND (document_place, page_number, question) \
    > (COALESCE((SELECT document_place FROM jobs WHERE id = CAST($3 AS TEXT) AND batch || '' = $2), -1), \
    COALESCE((SELECT page_number FROM jobs WHERE id = CAST($3 AS TEXT) AND batch || '' = $2), -1), \
    COALESCE((SELECT question FROM jobs WHERE id = CAST($3 AS TEXT) AND batch || '' = $2), -1)) \
    ORDER BY document_place, page_number, question LIMIT $4";
const LIST_FAILED: &str = "SELECT * FROM jobs WHERE tenant = $1 AND state = 'failed' AND id < $2 \
    ORDER BY id DESC LIMIT $3";
const LIST_DEAD: &str = "SELECT * FROM jobs WHERE tenant = $1 AND state = 'failed' AND code = $4 AND id < $2 \
    ORDER BY id DESC LIMIT $3";
const WRITE_STATE: &str = "UPDATE jobs SET state = $2, not_before = $3, order_id = $4, attempt = $5, settled_at = $6, \
    code = $7, message = $8, decision = $9, faults = $10, losses = $11, held_since = $12 WHERE id = $1";
const OUT_OF_ORDER: &str = "SELECT * FROM jobs WHERE order_id = $1 AND state IN ('dispatched', 'running')";

pub(crate) const STATEMENTS: &[&str] = &[
    GET,
    GET_WHOLE,
    GET_IN_BATCH,
    BATCH_OF,
    FAULTS,
    OF_BATCH,
    LIST_FAILED,
    LIST_DEAD,
    WRITE_STATE,
    OUT_OF_ORDER,
    requeueing::REQUEUE_FAILED,
    requeueing::WAIT_AGAIN,
    moving::MOVE,
];

/// A job with all that is known of it.
#[derive(Debug, Clone)]
pub struct WholeJob {
    /// The job.
    pub job: Job,
    /// Its answer, if it is answered.
    pub answer: Option<Answer>,
    /// Attempts that came to nothing, the oldest first.
    pub faults: Vec<JobFault>,
    /// What is amiss with the pages of its document.
    pub warnings: Vec<Warning>,
}

#[derive(sqlx::FromRow)]
struct WholeJobRow {
    #[sqlx(flatten)]
    job: JobRow,
    document_warnings: Option<Json<Vec<Warning>>>,
}

/// Which failed jobs to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailedJobs {
    /// All.
    All,
    /// Those that were given up after too many attempts.
    DeadLettered,
}

/// A job of `tenant`.
pub async fn get(db: &Db, tenant: &TenantName, id: JobId) -> Result<Option<WholeJob>, RecordsError> {
    match find(db, tenant, id).await? {
        Some(found) => found.whole(db).await.map(Some),
        None => Ok(None),
    }
}

/// A job, before what belongs to it is read: that is never older than the job.
#[derive(Debug)]
pub struct FoundJob {
    /// The job.
    pub job: Job,
    warnings: Vec<Warning>,
}

/// As [`get`], so far as to tell what else is to be read.
pub async fn find(db: &Db, tenant: &TenantName, id: JobId) -> Result<Option<FoundJob>, RecordsError> {
    let row = on!(db, |c| sqlx::query_as::<_, WholeJobRow>(GET_WHOLE)
        .bind(id.to_string())
        .bind(tenant.as_str())
        .fetch_optional(c))?;
    let Some(row) = row else { return Ok(None) };
    let warnings = row.document_warnings.map(|warnings| warnings.0);
    Ok(Some(FoundJob {
        job: row.job.read()?,
        warnings: warnings.unwrap_or_default(),
    }))
}

impl FoundJob {
    /// The job with all that is known of it.
    pub async fn whole(self, db: &Db) -> Result<WholeJob, RecordsError> {
        let Self { job, warnings } = self;
        let faults = async {
            match job.tries != Tries::default() {
                true => faults(db, job.id).await,
                false => Ok(Vec::new()),
            }
        };
        let (faults, answer) = tokio::try_join!(faults, answers::of_job(db, &job.tenant, job.id))?;
        Ok(WholeJob {
            job,
            answer,
            faults,
            warnings,
        })
    }
}

async fn faults(db: &Db, id: JobId) -> Result<Vec<JobFault>, RecordsError> {
    let text = id.to_string();
    let faults = on!(db, |c| sqlx::query_as::<_, (i64, String, String, At)>(FAULTS)
        .bind(&text)
        .fetch_all(c))?;
    let reading = Reading {
        table: "job_faults",
        id: &text,
    };
    let fault = |(attempt, code, message, at): (i64, String, String, At)| {
        Ok(JobFault {
            attempt: reading.whole(attempt)?,
            code,
            message,
            at: at.0,
        })
    };
    faults.into_iter().map(fault).collect()
}

/// The state of a job of `tenant`.
pub async fn state(db: &Db, tenant: &TenantName, id: JobId) -> Result<Option<JobState>, RecordsError> {
    let row = on!(db, |c| sqlx::query_as::<_, JobRow>(GET)
        .bind(id.to_string())
        .bind(tenant.as_str())
        .fetch_optional(c))?;
    Ok(row.map(JobRow::read).transpose()?.map(|job| job.state))
}

/// Up to `limit` jobs of a batch of `tenant` in order of document, page and question, after the job `after`.
pub async fn of_batch(
    db: &Db,
    tenant: &TenantName,
    batch: BatchId,
    after: Option<JobId>,
    limit: u32,
) -> Result<Vec<Job>, RecordsError> {
    let rows = on!(db, |c| sqlx::query_as::<_, JobRow>(OF_BATCH)
        .bind(tenant.as_str())
        .bind(batch.to_string())
        .bind(after.map(|id| id.to_string()))
        .bind(i64::from(limit))
        .fetch_all(c))?;
    rows.into_iter().map(JobRow::read).collect()
}

/// The jobs of the batch of one page that `job` of `tenant` belongs to, in the order of its questions, `limit` at most.
pub async fn of_one_call(
    db: &Db,
    tenant: &TenantName,
    job: JobId,
    limit: u32,
) -> Result<Vec<JobId>, RecordsError> {
    let id = job.to_string();
    let batch: Option<String> = on!(db, |c| sqlx::query_scalar(BATCH_OF)
        .bind(&id)
        .bind(tenant.as_str())
        .fetch_optional(c))?;
    let Some(batch) = batch else {
        return Ok(Vec::new());
    };
    let reading = Reading {
        table: "jobs",
        id: &id,
    };
    let jobs = of_batch(db, tenant, reading.parsed(&batch)?, None, limit).await?;
    Ok(jobs.into_iter().map(|job| job.id).collect())
}

/// Up to `limit` failed jobs of `tenant`, newest first, older than `after`.
pub async fn failed(
    db: &Db,
    tenant: &TenantName,
    which: FailedJobs,
    after: Option<JobId>,
    limit: u32,
) -> Result<Vec<Job>, RecordsError> {
    let before = below(after);
    let rows = match which {
        FailedJobs::All => on!(db, |c| sqlx::query_as::<_, JobRow>(LIST_FAILED)
            .bind(tenant.as_str())
            .bind(&before)
            .bind(i64::from(limit))
            .fetch_all(c))?,
        FailedJobs::DeadLettered => on!(db, |c| sqlx::query_as::<_, JobRow>(LIST_DEAD)
            .bind(tenant.as_str())
            .bind(&before)
            .bind(i64::from(limit))
            .bind(DEAD_LETTERED)
            .fetch_all(c))?,
    };
    rows.into_iter().map(JobRow::read).collect()
}

/// Cancels a job. Gives the order that was out for it: the queue is to forget it. Other jobs of that order
/// wait again. `None`: the tenant has no such job.
pub async fn cancel(
    db: &Db,
    stamp: Stamp<'_>,
    tenant: &TenantName,
    id: JobId,
) -> Result<Option<Result<Option<OrderId>, JobRefusal>>, RecordsError> {
    let mut tx = db.begin().await?;
    let Some((batch, job)) = lock(&mut tx, tenant, id).await? else {
        return Ok(None);
    };
    let out = job.state.out();
    let state = match job.state.clone().cancel(stamp.at) {
        Ok(state) => state,
        Err(refusal) => return Ok(Some(Err(refusal))),
    };
    change(&mut tx, &job, &state, job.tries).await?;
    if let Some(out) = out {
        for other in out_of(&mut tx, out.order).await? {
            if let Ok(state) = other.state.clone().hand_back(out, stamp.at) {
                change(&mut tx, &other, &state, other.tries).await?;
            }
        }
        attempts::close(&mut tx, stamp, out.order, "withdrawn").await?;
    }
    stamp.audit(
        &mut tx,
        tenant,
        "job.cancelled",
        id.to_string(),
        None,
        json!({ "batch": batch.id }),
    );
    batches::complete_if_done(&mut tx, stamp, batch.id).await?;
    tx.commit().await?;
    Ok(Some(Ok(out.map(|out| out.order))))
}

/// Why a job is not queued again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequeueRefusal {
    /// The job did not fail.
    #[error(transparent)]
    Job(#[from] JobRefusal),
    /// Its batch takes no more work.
    #[error(transparent)]
    Batch(#[from] BatchRefusal),
}

/// Queues a failed or refused job again, from the beginning. `None`: the tenant has no such job.
pub async fn requeue(
    db: &Db,
    stamp: Stamp<'_>,
    tenant: &TenantName,
    id: JobId,
) -> Result<Option<Result<(), RequeueRefusal>>, RecordsError> {
    let mut tx = db.begin().await?;
    let Some((batch, job)) = lock(&mut tx, tenant, id).await? else {
        return Ok(None);
    };
    let requeued = match job.role {
        Role::Whole => job.state.clone().wait_again(),
        Role::Page | Role::Source | Role::Part => job.state.clone().requeue(stamp.at),
    };
    let state = match requeued {
        Ok(state) => state,
        Err(refusal) => return Ok(Some(Err(refusal.into()))),
    };
    match batch.takes_more(stamp.at).and_then(|()| batch.state.reopen()) {
        Ok(state) => batches::write_state(&mut tx, batch.id, state),
        Err(refusal) => return Ok(Some(Err(refusal.into()))),
    }
    change(&mut tx, &job, &state, Tries::default()).await?;
    combining::forget_parts(&mut tx, &[job.id]).await?;
    stamp.audit(
        &mut tx,
        tenant,
        "job.requeued",
        id.to_string(),
        None,
        json!({ "batch": batch.id }),
    );
    tx.commit().await?;
    Ok(Some(Ok(())))
}

async fn lock(
    tx: &mut Tx,
    tenant: &TenantName,
    id: JobId,
) -> Result<Option<(StoredBatch, Job)>, RecordsError> {
    let text = id.to_string();
    let batch: Option<String> = on!(tx: &mut *tx, |c| sqlx::query_scalar(BATCH_OF)
        .bind(&text)
        .bind(tenant.as_str())
        .fetch_optional(c))?;
    let Some(batch) = batch else { return Ok(None) };
    let batch = Reading {
        table: "jobs",
        id: &text,
    }
    .parsed(&batch)?;
    let Some(batch) = batches::lock(tx, batch).await? else {
        return Ok(None);
    };
    Ok(in_batch(tx, batch.id, id).await?.map(|job| (batch, job)))
}

/// A job of a batch that is locked.
pub(crate) async fn in_batch(tx: &mut Tx, batch: BatchId, id: JobId) -> Result<Option<Job>, RecordsError> {
    let row = on!(tx: tx, |c| sqlx::query_as::<_, JobRow>(GET_IN_BATCH)
        .bind(id.to_string())
        .bind(batch.to_string())
        .fetch_optional(c))?;
    row.map(JobRow::read).transpose()
}

/// The jobs for which `order` is out.
pub(crate) async fn out_of(tx: &mut Tx, order: OrderId) -> Result<Vec<Job>, RecordsError> {
    let rows =
        on!(tx: tx, |c| sqlx::query_as::<_, JobRow>(OUT_OF_ORDER).bind(order.to_string()).fetch_all(c))?;
    rows.into_iter().map(JobRow::read).collect()
}

/// Stores a job's new state and moves the counters of its (locked) batch.
pub(crate) async fn change(tx: &mut Tx, job: &Job, to: &JobState, tries: Tries) -> Result<(), RecordsError> {
    let columns = row::Columns::of(to);
    on!(tx: &mut *tx, |c| sqlx::query(WRITE_STATE)
        .bind(job.id.to_string())
        .bind(to.phase().as_str())
        .bind(columns.not_before)
        .bind(columns.order)
        .bind(columns.attempt)
        .bind(columns.settled_at)
        .bind(columns.code)
        .bind(columns.message)
        .bind(columns.decision)
        .bind(number(tries.faults))
        .bind(number(tries.losses))
        .bind(columns.held_since)
        .run(c))?;
    let delta = Delta::default().moved(job.state.phase(), to.phase());
    if let JobState::Queued { not_before } = to {
        turns::mark(tx, job.batch, *not_before);
    }
    add_counts(tx, job.batch, &delta);
    Ok(())
}
