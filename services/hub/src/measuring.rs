//! What is counted when somebody wants to know: work in the records, orders in the queue, workers.

use crate::{
    depths::{Depth, Depths},
    work_settings::WorkSettings,
};
use domain::{clock::SharedClock, job::JobPhase};
use exchange::queue::Queue;
use records::{Db, RecordsError, counts, webhooks::deliveries, workers};
use std::{fmt::Display, future::Future, sync::Arc, time::Duration};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

/// How long a part may take to answer before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it is counted for a collector, to which metrics are sent four times as seldom.
const EVERY: Duration = Duration::from_secs(15);
/// How often without a collector: often enough that no minute is left out.
const SELDOM: Duration = Duration::from_secs(30);

/// Counts into the metrics, and into what is kept of the last hour. What cannot be counted now keeps its last value; the
/// gauge of the part says so, and the hour has a gap.
pub(crate) async fn measure(
    db: &Db,
    queue: &dyn Queue,
    now: OffsetDateTime,
    settings: &WorkSettings,
    depths: &Depths,
) {
    let alive_since = now - settings.worker_gone();
    let (records, orders) = tokio::join!(
        answers("records", async {
            let jobs = count_records(db).await?;
            let orders = count_workers(db, alive_since, now).await?;
            depths.note(now, Depth { jobs, orders });
            Ok::<_, RecordsError>(())
        }),
        answers("queue", count_orders(queue)),
    );
    for (part, well) in [("records", records), ("queue", orders)] {
        metrics::gauge!("glmhub_part_up", "part" => part).set(f64::from(u8::from(well)));
    }
}

/// What counts for those who do not ask: the last hour, and a collector.
#[derive(Clone)]
pub struct Measuring {
    /// The records.
    pub db: Db,
    /// The queue.
    pub queue: Arc<dyn Queue>,
    /// Tells the time.
    pub clock: SharedClock,
    /// Says after how long a worker is gone.
    pub settings: Arc<WorkSettings>,
    /// Keeps what was counted in the last hour.
    pub depths: Arc<Depths>,
    /// Whether there is a collector, for which it is counted more often.
    pub has_collector: bool,
}

impl Measuring {
    /// Counts again and again until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let every = if self.has_collector { EVERY } else { SELDOM };
        loop {
            let now = self.clock.now();
            measure(&self.db, self.queue.as_ref(), now, &self.settings, &self.depths).await;
            let pause = shutdown.run_until_cancelled(tokio::time::sleep(every));
            if pause.await.is_none() {
                return;
            }
        }
    }
}

/// Whether a part answers in time.
pub(crate) async fn answers<E: Display>(
    part: &'static str,
    answer: impl Future<Output = Result<(), E>>,
) -> bool {
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::warn!(part, cause = %error, "a part is not ready");
            false
        }
        Err(_) => {
            tracing::warn!(part, "a part did not answer in time");
            false
        }
    }
}

/// Gives how many jobs wait for their turn.
async fn count_records(db: &Db) -> Result<u64, RecordsError> {
    let counted = counts::work(db).await?;
    for (state, count) in counted.batches {
        metrics::gauge!("glmhub_batches", "state" => state).set(count as f64);
    }
    for phase in JobPhase::ALL {
        metrics::gauge!("glmhub_jobs", "state" => phase.as_str()).set(counted.jobs.of(phase) as f64);
    }
    metrics::gauge!("glmhub_deliveries_pending").set(deliveries::pending(db).await? as f64);
    Ok(counted.jobs.queued)
}

/// Gives how many orders are out.
async fn count_workers(
    db: &Db,
    alive_since: OffsetDateTime,
    now: OffsetDateTime,
) -> Result<u64, RecordsError> {
    let alive = workers::alive(db, alive_since).await?;
    metrics::gauge!("glmhub_workers").set(alive.len() as f64);
    let lacking = workers::lacking(db, &alive, now).await?;
    metrics::gauge!("glmhub_orders_lacking_worker")
        .set(lacking.iter().map(|one| one.orders).sum::<u64>() as f64);
    let mut out = 0;
    for orders in workers::orders(db).await? {
        out += orders.waiting + orders.begun;
        for (state, count) in [("waiting", orders.waiting), ("begun", orders.begun)] {
            let model = orders.model.clone();
            metrics::gauge!("glmhub_orders", "model" => model, "state" => state).set(count as f64);
        }
    }
    Ok(out)
}

async fn count_orders(queue: &dyn Queue) -> Result<(), exchange::queue::QueueError> {
    let depth = queue.depth().await?;
    metrics::gauge!("glmhub_queue_orders", "state" => "waiting").set(depth.waiting as f64);
    metrics::gauge!("glmhub_queue_orders", "state" => "leased").set(depth.leased as f64);
    metrics::gauge!("glmhub_queue_reports").set(depth.reports as f64);
    Ok(())
}
