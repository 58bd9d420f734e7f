//! `/healthz`, `/readyz` and `/metrics`: for those who run the hub. They need no token and tell nothing of any tenant.

use crate::{
    app::ok,
    depths::Depths,
    measuring::{answers, measure},
    problem::Problem,
    work_settings::WorkSettings,
};
use actix_web::{
    HttpResponse,
    web::{self, Data},
};
use domain::clock::SharedClock;
use exchange::{blobs::Blobs, queue::Queue};
use metrics_exporter_prometheus::PrometheusHandle;
use records::Db;
use serde_json::{Map, json};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What Prometheus 3 asks of a scrape.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
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

async fn metrics(
    db: Data<Db>,
    queue: Data<dyn Queue>,
    clock: Data<SharedClock>,
    settings: Data<WorkSettings>,
    depths: Data<Depths>,
    handle: Data<PrometheusHandle>,
) -> HttpResponse {
    measure(&db, queue.get_ref(), clock.now(), &settings, &depths).await;
    HttpResponse::Ok()
        .content_type(METRICS_TYPE)
        .body(handle.render())
}
