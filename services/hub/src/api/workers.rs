//! `/v1/workers`: which workers are heard of, what they say of themselves, and for which orders there is none.

use crate::{app::ok, caller::Authenticated, problem::Problem, work_settings::WorkSettings};
use actix_web::{
    HttpResponse,
    web::{self, Data},
};
use domain::{
    access::Act,
    clock::SharedClock,
    digest::Sha256,
    id::WorkerId,
    names::ModelName,
    worker::{Loaded, Speed},
};
use records::{
    Db,
    workers::{self, HeardWorker, WaitingOrders},
};
use serde::Serialize;
use time::OffsetDateTime;

/// The paths of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config.route("/v1/workers", web::get().to(list));
}

/// A worker in JSON.
#[derive(Serialize)]
struct WorkerView {
    id: WorkerId,
    version: String,
    device: String,
    memory_bytes: Option<u64>,
    value_bytes: u64,
    loaded: Vec<Loaded>,
    speeds: Vec<Speed>,
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    heard_at: OffsetDateTime,
}

/// Orders that wait for a worker, and no worker that is heard of has room for their model.
#[derive(Serialize)]
struct LackingView {
    model: ModelName,
    revision_sha256: Sha256,
    /// None if it is not known; then there is no worker at all.
    need: Option<NeedView>,
    orders: u64,
}

#[derive(Serialize)]
struct NeedView {
    f32_bytes: u64,
    bf16_bytes: u64,
}

#[derive(Serialize)]
struct WorkersView {
    data: Vec<WorkerView>,
    next: Option<String>,
    lacking: Vec<LackingView>,
}

impl LackingView {
    fn of(waiting: WaitingOrders) -> Self {
        Self {
            model: waiting.model,
            revision_sha256: waiting.revision_sha256,
            need: waiting.need.map(|need| NeedView {
                f32_bytes: need.bytes(4),
                bf16_bytes: need.bytes(2),
            }),
            orders: waiting.orders,
        }
    }
}

impl WorkerView {
    fn of(heard: HeardWorker) -> Self {
        let said = heard.announcement;
        Self {
            id: said.worker,
            version: said.version,
            device: said.device,
            memory_bytes: said.room.memory_bytes,
            value_bytes: said.room.value_bytes,
            loaded: said.loaded,
            speeds: said.speeds,
            since: heard.since,
            heard_at: heard.heard_at,
        }
    }
}

/// All of them at once: there are as many as there are machines.
async fn list(
    caller: Authenticated,
    db: Data<Db>,
    clock: Data<SharedClock>,
    settings: Data<WorkSettings>,
) -> Result<HttpResponse, Problem> {
    caller.may(Act::ReadWorkers)?;
    let now = clock.now();
    let alive = workers::alive(&db, now - settings.worker_gone()).await?;
    let lacking = workers::lacking(&db, &alive, now).await?;
    Ok(ok(WorkersView {
        lacking: lacking.into_iter().map(LackingView::of).collect(),
        data: alive.into_iter().map(WorkerView::of).collect(),
        next: None,
    }))
}
