//! What is done to batches and jobs once they are there, by the API and on the dashboard.

use super::{
    batches::{no_batch, refused},
    desk::Desk,
    jobs::{no_job, wrong_state},
};
use crate::{problem::Problem, stopping::withdraw};
use domain::{
    access::Caller,
    id::{BatchId, JobId},
};
use records::{
    batches,
    jobs::{self, RequeueRefusal},
};

impl Desk {
    /// Cancels all of a batch of the caller's tenant that has no verdict. Problems: 404, 409 `batch_state`.
    pub(crate) async fn cancel_batch(&self, caller: &Caller, id: BatchId) -> Result<(), Problem> {
        let cancelled = batches::cancel(&self.db, self.stamp_of(caller), &caller.tenant, id).await?;
        let cancelled = cancelled.ok_or_else(no_batch)?.map_err(refused)?;
        withdraw(self.queue.get_ref(), &cancelled.withdrawn).await;
        Ok(())
    }

    /// Queues the jobs of a batch again that failed. Problems: 404, 409 `batch_…`.
    pub(crate) async fn requeue_batch(&self, caller: &Caller, id: BatchId) -> Result<(), Problem> {
        let requeued = jobs::requeue_failed(&self.db, self.stamp_of(caller), &caller.tenant, id).await?;
        requeued.ok_or_else(no_batch)?.map_err(refused)?;
        self.signals.dispatch.notify_one();
        Ok(())
    }

    /// Cancels a job of the caller's tenant. Problems: 404, 409 `job_state`.
    pub(crate) async fn cancel_job(&self, caller: &Caller, id: JobId) -> Result<(), Problem> {
        let cancelled = jobs::cancel(&self.db, self.stamp_of(caller), &caller.tenant, id).await?;
        let order = cancelled.ok_or_else(no_job)?.map_err(wrong_state)?;
        withdraw(self.queue.get_ref(), order.as_slice()).await;
        self.signals.settled(id);
        self.signals.dispatch.notify_one();
        Ok(())
    }

    /// Queues a job again that failed or was refused. Problems: 404, 409 `job_state` or `batch_…`.
    pub(crate) async fn requeue_job(&self, caller: &Caller, id: JobId) -> Result<(), Problem> {
        let requeued = jobs::requeue(&self.db, self.stamp_of(caller), &caller.tenant, id).await?;
        requeued.ok_or_else(no_job)?.map_err(|why| match why {
            RequeueRefusal::Job(refusal) => wrong_state(refusal),
            RequeueRefusal::Batch(refusal) => refused(refusal),
        })?;
        self.signals.dispatch.notify_one();
        Ok(())
    }
}
