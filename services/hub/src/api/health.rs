//! `/healthz`, `/readyz` and `/metrics`: for those who run the hub. They need no token and tell nothing of any tenant.

use crate::{app::ok, problem::Problem, work_settings::WorkSettings};
use actix_web::{
    HttpResponse,
    web::{self, Data},
};
use domain::{clock::SharedClock, job::JobPhase};
use exchange::{blobs::Blobs, queue::Queue};
use metrics_exporter_prometheus::PrometheusHandle;
use records::{Db, counts, webhooks::deliveries, workers};
use serde_json::{Map, json};
use std::{fmt::Display, future::Future, time::Duration};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

/// What Prometheus 3 asks of a scrape.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// How long a part may take to answer before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often what was measured is taken in when nobody scrapes, so that it does not pile up.
const UPKEEP: Duration = Duration::from_secs(5);

/// The paths of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/healthz", web::get().to(healthz))
        .route("/readyz", web::get().to(readyz))
        .route("/metrics", web::get().to(metrics));
}

/// Keeps what was measured small until `shutdown`, whether or not somebody scrapes.
pub async fn upkeep(handle: PrometheusHandle, shutdown: CancellationToken) {
    while shutdown
        .run_until_cancelled(tokio::time::sleep(UPKEEP))
        .await
        .is_some()
    {
        handle.run_upkeep();
    }
}

async fn healthz() -> HttpResponse {
    ok(json!({ "status": "alive" }))
}

async fn readyz(
    db: Data<Db>,
    blobs: Data<dyn Blobs>,
    queue: Data<dyn Queue>,
) -> Result<HttpResponse, Problem> {
    let (records, blobs, queue) = tokio::join!(
        answers("records", db.ping()),
        answers("blobs", blobs.ping()),
        answers("queue", async { queue.depth().await.map(drop) }),
    );
    let parts = [("records", records), ("blobs", blobs), ("queue", queue)];
    let failed: Vec<&str> = parts
        .iter()
        .filter(|(_, well)| !well)
        .map(|(name, _)| *name)
        .collect();
    let state = |well: bool| if well { "ok" } else { "failed" };
    let states: Map<String, _> = parts
        .iter()
        .map(|(name, well)| ((*name).into(), state(*well).into()))
        .collect();
    if failed.is_empty() {
        return Ok(ok(json!({ "status": "ready", "parts": states })));
    }
    let detail = format!("{} did not answer; the log says why", failed.join(" and "));
    Err(Problem::unavailable("not_ready", detail, 5).with("parts", states))
}

/// Whether a part answers in time.
async fn answers<E: Display>(part: &'static str, answer: impl Future<Output = Result<(), E>>) -> bool {
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

async fn metrics(
    db: Data<Db>,
    queue: Data<dyn Queue>,
    clock: Data<SharedClock>,
    settings: Data<WorkSettings>,
    handle: Data<PrometheusHandle>,
) -> HttpResponse {
    let now = clock.now();
    let alive_since = now - settings.worker_gone();
    // What cannot be counted now keeps its last value; the gauge of the part says so.
    let (records, orders) = tokio::join!(
        answers("records", async {
            count_records(&db).await?;
            count_workers(&db, alive_since, now).await
        }),
        answers("queue", count_orders(queue.get_ref())),
    );
    for (part, well) in [("records", records), ("queue", orders)] {
        metrics::gauge!("glmhub_part_up", "part" => part).set(f64::from(u8::from(well)));
    }
    HttpResponse::Ok()
        .content_type(METRICS_TYPE)
        .body(handle.render())
}

async fn count_records(db: &Db) -> Result<(), records::RecordsError> {
    let counted = counts::work(db).await?;
    for (state, count) in counted.batches {
        metrics::gauge!("glmhub_batches", "state" => state).set(count as f64);
    }
    for phase in JobPhase::ALL {
        metrics::gauge!("glmhub_jobs", "state" => phase.as_str()).set(counted.jobs.of(phase) as f64);
    }
    metrics::gauge!("glmhub_deliveries_pending").set(deliveries::pending(db).await? as f64);
    Ok(())
}

async fn count_workers(
    db: &Db,
    alive_since: OffsetDateTime,
    now: OffsetDateTime,
) -> Result<(), records::RecordsError> {
    let alive = workers::alive(db, alive_since).await?;
    metrics::gauge!("glmhub_workers").set(alive.len() as f64);
    let lacking = workers::lacking(db, &alive, now).await?;
    metrics::gauge!("glmhub_orders_lacking_worker")
        .set(lacking.iter().map(|one| one.orders).sum::<u64>() as f64);
    for orders in workers::orders(db).await? {
        for (state, count) in [("waiting", orders.waiting), ("begun", orders.begun)] {
            let model = orders.model.clone();
            metrics::gauge!("glmhub_orders", "model" => model, "state" => state).set(count as f64);
        }
    }
    Ok(())
}

async fn count_orders(queue: &dyn Queue) -> Result<(), exchange::queue::QueueError> {
    let depth = queue.depth().await?;
    metrics::gauge!("glmhub_queue_orders", "state" => "waiting").set(depth.waiting as f64);
    metrics::gauge!("glmhub_queue_orders", "state" => "leased").set(depth.leased as f64);
    metrics::gauge!("glmhub_queue_reports").set(depth.reports as f64);
    Ok(())
}
