//! `/v1/workers`: which workers are heard of, and what they say of themselves.

use crate::{app::ok, caller::Authenticated, problem::Problem, work_settings::WorkSettings};
use actix_web::{
    HttpResponse,
    web::{self, Data},
};
use domain::{
    access::Act,
    clock::SharedClock,
    id::WorkerId,
    worker::{Loaded, Speed},
};
use records::{
    Db,
    workers::{self, HeardWorker},
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
    loaded: Vec<Loaded>,
    speeds: Vec<Speed>,
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    heard_at: OffsetDateTime,
}

#[derive(Serialize)]
struct WorkersView {
    data: Vec<WorkerView>,
    next: Option<String>,
}

impl WorkerView {
    fn of(heard: HeardWorker) -> Self {
        let said = heard.announcement;
        Self {
            id: said.worker,
            version: said.version,
            device: said.device,
            memory_bytes: said.memory_bytes,
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
    let alive = workers::alive(&db, clock.now() - settings.worker_gone()).await?;
    Ok(ok(WorkersView {
        data: alive.into_iter().map(WorkerView::of).collect(),
        next: None,
    }))
}
