//! Attempts: what workers report about the orders that are out, and orders that vanished.
//!
//! Every function is fenced: it changes something only if the attempt is the one that is out and still open.

mod open;
mod progress;

pub use open::{OpenAttempt, forget_missing, mark_missing, open_after};
pub(crate) use progress::answered_with;
pub use progress::{Of, Progress, Said, Told, batches_of, progress};

use crate::{
    At, Db, RecordsError, Stamp, Tx,
    batches::{self, complete_if_done},
    jobs::{self, Job},
    on,
    read::{Reading, number},
    run::Run as _,
};
use domain::{
    batch::StoredBatch,
    id::{JobId, OrderId, WorkerId},
    job::{ATTEMPT_LOST, JobState, Out, RetryRule},
    order::Fault,
    webhook::EventKind,
};
use serde_json::json;
use time::OffsetDateTime;

const HEARD: &str = "UPDATE attempts SET started_at = COALESCE(started_at, $3), worker = $4, missing_since = NULL \
    WHERE order_id = $1 AND attempt = $2 AND closed_at IS NULL";
const STILL_OPEN: &str = "SELECT attempt, started_at FROM attempts WHERE order_id = $1 AND closed_at IS NULL";
const CLOSE: &str =
    "UPDATE attempts SET closed_at = $2, outcome = $3 WHERE order_id = $1 AND closed_at IS NULL";
const INSERT_FAULT: &str = "INSERT INTO job_faults (job, order_id, attempt, code, message, at) \
    VALUES ($1, $2, $3, $4, $5, $6)";

pub(crate) const STATEMENTS: &[&str] = &[
    HEARD,
    STILL_OPEN,
    CLOSE,
    INSERT_FAULT,
    progress::BATCHES_OF,
    progress::OPEN,
    progress::HEARD,
    progress::DONE,
    open::OPEN_AFTER,
    open::MARK_MISSING,
    open::FORGET_MISSING,
];

/// Whether a report changed anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It was of the attempt that is out; what it says is stored.
    Stored,
    /// It was of an older attempt, of a job that has its verdict, or of an order that nobody knows.
    Fenced,
}

/// From whom a report is, about which order.
#[derive(Debug, Clone, Copy)]
pub struct Sender {
    /// The order and attempt.
    pub out: Out,
    /// The worker.
    pub worker: WorkerId,
}

/// When a fault leads to another attempt.
#[derive(Debug, Clone, Copy)]
pub struct Retry<'a> {
    /// The rule.
    pub rule: &'a RetryRule,
    /// Drawn from 0 to 1: spreads attempts in time.
    pub random: f64,
}

/// A worker could not answer a job: it is queued again, or has failed.
pub async fn fault(
    db: &Db,
    stamp: Stamp<'_>,
    sender: Sender,
    job: JobId,
    fault: &Fault,
    retry: Retry<'_>,
) -> Result<Taken, RecordsError> {
    let mut tx = db.begin().await?;
    let Some((batch, job)) = hear_of(&mut tx, stamp, sender, job).await? else {
        return Ok(Taken::Fenced);
    };
    let mut tries = job.tries;
    tries.faults += 1;
    let next = job
        .state
        .clone()
        .fault(sender.out, fault, tries, retry.rule, stamp.at, retry.random);
    let Ok(state) = next else { return Ok(Taken::Fenced) };
    insert_fault(&mut tx, stamp, &job, sender.out, &fault.code, &fault.message).await?;
    jobs::change(&mut tx, &job, &state, tries).await?;
    tell_if_failed(&mut tx, stamp, &job, &state).await?;
    close_if_done(&mut tx, stamp, sender.out.order).await?;
    complete_if_done(&mut tx, stamp, batch.id).await?;
    tx.commit().await?;
    Ok(Taken::Stored)
}

/// A worker gave an order back: its jobs without a verdict wait again, and nothing is counted against them.
pub async fn hand_back(db: &Db, stamp: Stamp<'_>, sender: Sender) -> Result<Taken, RecordsError> {
    let mut tx = db.begin().await?;
    if hear(&mut tx, stamp, sender).await?.is_none() {
        return Ok(Taken::Fenced);
    }
    for job in jobs::out_of(&mut tx, sender.out.order).await? {
        if let Ok(state) = job.state.clone().hand_back(sender.out, stamp.at) {
            jobs::change(&mut tx, &job, &state, job.tries).await?;
        }
    }
    close(&mut tx, stamp, sender.out.order, "handed_back").await?;
    tx.commit().await?;
    Ok(Taken::Stored)
}

/// A worker would not begin a job, or broke it off, for no fault of the job's: it waits again, not before `next`, and
/// nothing is counted against it.
pub async fn give_back(
    db: &Db,
    stamp: Stamp<'_>,
    sender: Sender,
    job: JobId,
    next: OffsetDateTime,
) -> Result<Taken, RecordsError> {
    let mut tx = db.begin().await?;
    let Some((_, job)) = hear_of(&mut tx, stamp, sender, job).await? else {
        return Ok(Taken::Fenced);
    };
    let Ok(state) = job.state.clone().hand_back(sender.out, next) else {
        return Ok(Taken::Fenced);
    };
    jobs::change(&mut tx, &job, &state, job.tries).await?;
    close_if_done(&mut tx, stamp, sender.out.order).await?;
    tx.commit().await?;
    Ok(Taken::Stored)
}

/// The queue no longer has an order and no report will come: its jobs wait again. What a worker had begun
/// is counted, so that a page that kills every worker does not go round for ever.
pub async fn lose(
    db: &Db,
    stamp: Stamp<'_>,
    order: OrderId,
    rule: &RetryRule,
) -> Result<Taken, RecordsError> {
    let mut tx = db.begin().await?;
    let Some(batch) = batches::lock_of(&mut tx, order).await? else {
        return Ok(Taken::Fenced);
    };
    let open: Option<(i64, Option<At>)> =
        on!(tx: &mut tx, |c| sqlx::query_as(STILL_OPEN).bind(order.to_string()).fetch_optional(c))?;
    let Some((attempt, started_at)) = open else {
        return Ok(Taken::Fenced);
    };
    let attempt = Reading {
        table: "attempts",
        id: &order.to_string(),
    }
    .whole(attempt)?;
    let out = Out { order, attempt };
    for job in jobs::out_of(&mut tx, order).await? {
        lose_job(&mut tx, stamp, &job, out, started_at.is_some(), rule).await?;
    }
    close(&mut tx, stamp, order, "lost").await?;
    complete_if_done(&mut tx, stamp, batch.id).await?;
    tx.commit().await?;
    Ok(Taken::Stored)
}

async fn lose_job(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    job: &Job,
    out: Out,
    begun: bool,
    rule: &RetryRule,
) -> Result<(), RecordsError> {
    let mut tries = job.tries;
    tries.losses += u32::from(begun);
    let Ok(state) = job.state.clone().lose(out, tries, rule, stamp.at) else {
        return Ok(());
    };
    if begun {
        insert_fault(tx, stamp, job, out, ATTEMPT_LOST, "the worker vanished at work").await?;
    }
    jobs::change(tx, job, &state, tries).await?;
    tell_if_failed(tx, stamp, job, &state).await
}

/// Locks the batch of the sender's order and notes that the sender lives. `None`: the attempt is not open.
async fn hear(tx: &mut Tx, stamp: Stamp<'_>, sender: Sender) -> Result<Option<StoredBatch>, RecordsError> {
    let batch = batches::lock_of(tx, sender.out.order).await?;
    // When its time is up nothing is heard of it any more, whether or not that was written down.
    let Some(batch) = batch.filter(|batch| !batch.is_over(stamp.at)) else {
        return Ok(None);
    };
    let heard = on!(tx: tx, |c| sqlx::query(HEARD)
            .bind(sender.out.order.to_string())
            .bind(number(sender.out.attempt))
            .bind(At(stamp.at))
            .bind(sender.worker.to_string())
        .run(c))?;
    Ok((heard == 1).then_some(batch))
}

async fn hear_of(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    sender: Sender,
    job: JobId,
) -> Result<Option<(StoredBatch, Job)>, RecordsError> {
    let Some(batch) = hear(tx, stamp, sender).await? else {
        return Ok(None);
    };
    Ok(jobs::in_batch(tx, batch.id, job).await?.map(|job| (batch, job)))
}

/// Closes the attempt of `order`, if it is open.
pub(crate) async fn close(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    order: OrderId,
    outcome: &'static str,
) -> Result<(), RecordsError> {
    on!(tx: tx, |c| sqlx::query(CLOSE).bind(order.to_string()).bind(At(stamp.at)).bind(outcome).run(c))?;
    Ok(())
}

async fn close_if_done(tx: &mut Tx, stamp: Stamp<'_>, order: OrderId) -> Result<(), RecordsError> {
    if jobs::out_of(tx, order).await?.is_empty() {
        close(tx, stamp, order, "done").await
    } else {
        Ok(())
    }
}

async fn insert_fault(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    job: &Job,
    out: Out,
    code: &str,
    message: &str,
) -> Result<(), RecordsError> {
    on!(tx: tx, |c| sqlx::query(INSERT_FAULT)
        .bind(job.id.to_string())
        .bind(out.order.to_string())
        .bind(number(out.attempt))
        .bind(code)
        .bind(message)
        .bind(At(stamp.at))
        .run(c))?;
    Ok(())
}

pub(crate) async fn tell_if_failed(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    job: &Job,
    to: &JobState,
) -> Result<(), RecordsError> {
    let JobState::Failed { code, .. } = to else {
        return Ok(());
    };
    let detail = json!({ "batch": job.batch, "code": code });
    stamp.audit(tx, &job.tenant, "job.failed", job.id.to_string(), None, detail);
    stamp
        .tell(
            tx,
            &job.tenant,
            EventKind::JobFailed {
                job: job.id,
                batch: job.batch,
                code: code.clone(),
            },
        )
        .await
}
