//! Stops the work of a batch that the gate no longer allows, held while an acceptance would help and refused otherwise;
//! or whose time is up.

use crate::signals::Signals;
use domain::{
    gate::Refusal,
    id::{BatchId, JobId, OrderId},
};
use exchange::queue::Queue;
use records::{Db, RecordsError, Stamp, dispatching, expiring, holding};

/// What it takes to stop work.
pub struct Stopping<'a> {
    /// The records.
    pub db: &'a Db,
    /// Forgets the orders.
    pub queue: &'a dyn Queue,
    /// Tells those who wait for verdicts.
    pub signals: &'a Signals,
}

/// Stops the jobs of `batch` that wait, and if they can be held those that are out too. Gives how many.
pub async fn stop(
    with: &Stopping<'_>,
    stamp: Stamp<'_>,
    batch: BatchId,
    refusal: &Refusal,
) -> Result<usize, RecordsError> {
    let (decision, code) = (refusal.decision, refusal.code());
    let stopped: Vec<JobId> = if refusal.waits_for_acceptance() {
        let held = holding::hold(with.db, stamp, batch, decision, code).await?;
        withdraw(with.queue, &held.withdrawn).await;
        tracing::info!(%batch, %decision, jobs = held.jobs.len(), code, "jobs are held");
        metrics::counter!("glmhub_jobs_held_total").increment(held.jobs.len() as u64);
        held.jobs
    } else {
        let refused = dispatching::refuse(with.db, stamp, batch, decision, code).await?;
        tracing::info!(%batch, %decision, jobs = refused.len(), code, "jobs refused");
        refused
    };
    for job in &stopped {
        with.signals.settled(*job);
    }
    with.signals.deliver.notify_one();
    Ok(stopped.len())
}

/// Expires what of `batch` has no verdict, if its time is up. Tells whether it was this call that did.
pub async fn expire(with: &Stopping<'_>, stamp: Stamp<'_>, batch: BatchId) -> Result<bool, RecordsError> {
    let Some(expired) = expiring::expire(with.db, stamp, batch).await? else {
        return Ok(false);
    };
    withdraw(with.queue, &expired.withdrawn).await;
    tracing::info!(%batch, jobs = expired.jobs.len(), "the time of a batch was up");
    metrics::counter!("glmhub_jobs_expired_total").increment(expired.jobs.len() as u64);
    for job in &expired.jobs {
        with.signals.settled(*job);
    }
    with.signals.deliver.notify_one();
    // Its orders were in the places of others.
    with.signals.dispatch.notify_one();
    Ok(true)
}

/// Tells the queue to forget orders. Their attempts are closed already: if the queue does not hear of it, only
/// some computing is wasted, and its reports are fenced.
pub async fn withdraw(queue: &dyn Queue, orders: &[OrderId]) {
    for order in orders {
        if let Err(error) = queue.withdraw(*order).await {
            tracing::warn!(%order, cause = %error, "an order that was taken back could not be withdrawn");
        }
    }
}
