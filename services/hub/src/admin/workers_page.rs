//! `/admin/workers`: which workers are heard of, what waits for them and has waited in the last hour, and what none of
//! them has room for.

use super::{
    depth_plots::{self, DepthPlots, DepthRows},
    live::{self, Live, Look, Piece},
    refused::Refused,
    shell::Shell,
    visitor::Visitor,
};
use crate::{depths::Depths, problem::Problem, site, work_settings::WorkSettings};
use actix_web::{HttpResponse, http::StatusCode, web::Data};
use askama::Template;
use domain::{access::Act, clock::SharedClock, digest::Sha256, language::Language};
use records::{
    Db,
    workers::{self, HeardWorker, OrdersOfModel, WaitingOrders},
};
use time::OffsetDateTime;

/// See the module's text.
#[derive(Template)]
#[template(path = "workers.html")]
pub struct WorkersPage {
    t: Language,
    shell: Shell,
    live: String,
    list: WorkersList,
    plots: DepthPlots,
    rows: DepthRows,
}

/// What changes on the page whenever a worker is heard of.
#[derive(Template)]
#[template(path = "workers_list.html")]
pub struct WorkersList {
    t: Language,
    workers: Vec<Row>,
    queues: Vec<Queue>,
    /// The most orders that any model has waiting, by which the bars are drawn.
    most: u64,
    lacking: Vec<(String, u64)>,
}

/// A worker.
struct Row {
    id: String,
    version: String,
    device: String,
    memory: String,
    loaded: Vec<String>,
    speeds: Vec<String>,
    since: String,
    heard: String,
}

/// Orders of a model that are out.
struct Queue {
    model: String,
    waiting: u64,
    begun: u64,
}

impl Row {
    fn of(heard: HeardWorker, now: OffsetDateTime, t: Language) -> Self {
        let said = heard.announcement;
        let seconds = (now - heard.heard_at).whole_seconds().max(0);
        let speeds = said.speeds.iter().map(|speed| {
            let (pages, tokens) = (speed.pages_per_minute, speed.tokens_per_second);
            t.of(
                format!(
                    "{}: {pages:.1} pages a minute, {tokens:.1} tokens a second",
                    speed.model
                ),
                format!("{}：每分钟 {pages:.1} 页，每秒 {tokens:.1} 个词元", speed.model),
            )
        });
        Self {
            id: said.worker.to_string(),
            version: said.version,
            device: said.device,
            memory: said.room.memory_bytes.map(gigabytes).unwrap_or_default(),
            speeds: speeds.collect(),
            loaded: said
                .loaded
                .iter()
                .map(|one| {
                    let mut revision = one.revision_sha256.to_string();
                    revision.truncate(12);
                    format!("{} @ {revision}", one.model)
                })
                .collect(),
            since: site::minute(heard.since),
            // Told in steps, so that a worker that says nothing new changes nothing here.
            heard: match seconds {
                ..10 => t.of("just now", "刚刚").to_owned(),
                _ => t.of(
                    format!("{} s ago", seconds / 10 * 10),
                    format!("{} 秒前", seconds / 10 * 10),
                ),
            },
        }
    }
}

fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}

impl WorkersList {
    fn of(
        alive: Vec<HeardWorker>,
        orders: Vec<OrdersOfModel>,
        lacking: Vec<WaitingOrders>,
        now: OffsetDateTime,
        t: Language,
    ) -> Self {
        let queues = orders.into_iter().filter(|one| one.waiting + one.begun > 0);
        let queues: Vec<Queue> = queues
            .map(|one| Queue {
                model: one.model,
                waiting: one.waiting,
                begun: one.begun,
            })
            .collect();
        Self {
            t,
            most: queues
                .iter()
                .map(|queue| queue.waiting + queue.begun)
                .max()
                .unwrap_or(0),
            workers: alive.into_iter().map(|heard| Row::of(heard, now, t)).collect(),
            queues,
            lacking: lacking
                .into_iter()
                .map(|one| (one.model.to_string(), one.orders))
                .collect(),
        }
    }

    async fn now(
        db: &Db,
        settings: &WorkSettings,
        now: OffsetDateTime,
        t: Language,
    ) -> Result<Self, Problem> {
        let alive = workers::alive(db, now - settings.worker_gone()).await?;
        let lacking = workers::lacking(db, &alive, now).await?;
        let orders = workers::orders(db).await?;
        Ok(Self::of(alive, orders, lacking, now, t))
    }

    fn sample(t: Language) -> Self {
        Self {
            t,
            workers: vec![Row {
                id: "wrk_00000000000000000000000000".into(),
                version: "0.1.0".into(),
                device: "cpu".into(),
                memory: "24.0 GB".into(),
                loaded: vec!["THUDM/glm-4v-9b @ 0123456789ab".into()],
                speeds: vec!["THUDM/glm-4v-9b: 3.0 pages a minute".into()],
                since: "2026-01-01 12:00 UTC".into(),
                heard: "just now".into(),
            }],
            queues: vec![Queue {
                model: "THUDM/glm-4v-9b".into(),
                waiting: 3,
                begun: 1,
            }],
            most: 4,
            lacking: vec![("THUDM/glm-4v-9b".into(), 2)],
        }
    }
}

impl WorkersPage {
    /// One to look at.
    pub fn sample(t: Language) -> Self {
        let hour = depth_plots::sample();
        Self {
            t,
            shell: Shell::sample(t),
            live: "/admin/workers/live".into(),
            list: WorkersList::sample(t),
            plots: DepthPlots::of(Some(&hour), t),
            rows: DepthRows::of(Some(&hour), t),
        }
    }

    /// Without any, and nothing was measured.
    pub fn empty_sample(t: Language) -> Self {
        let list = WorkersList {
            t,
            workers: vec![],
            queues: vec![],
            most: 0,
            lacking: vec![],
        };
        Self {
            list,
            plots: DepthPlots::of(None, t),
            rows: DepthRows::of(None, t),
            ..Self::sample(t)
        }
    }
}

/// The page.
pub async fn get(
    visitor: Visitor,
    db: Data<Db>,
    clock: Data<SharedClock>,
    settings: Data<WorkSettings>,
    depths: Data<Depths>,
) -> Result<HttpResponse, Refused> {
    visitor.caller.may(Act::ReadWorkers)?;
    let now = clock.now();
    let hour = depths.last_hour(now);
    let shown = WorkersPage {
        t: visitor.t,
        shell: Shell::of(&visitor, "/admin/workers"),
        live: "/admin/workers/live".into(),
        list: WorkersList::now(&db, &settings, now, visitor.t).await?,
        plots: DepthPlots::of(hour.as_ref(), visitor.t),
        rows: DepthRows::of(hour.as_ref(), visitor.t),
    };
    Ok(site::live_page(StatusCode::OK, &shown)?)
}

/// What changes on the page, as it does.
pub async fn live(
    live: Live,
    clock: Data<SharedClock>,
    settings: Data<WorkSettings>,
    depths: Data<Depths>,
) -> Result<HttpResponse, Refused> {
    live.visitor.caller.may(Act::ReadWorkers)?;
    let told: Vec<(String, Sha256)> = Vec::new();
    live::tell(live, Act::ReadWorkers, told, async move |live: &Live| {
        let (now, t) = (clock.now(), live.visitor.t);
        let hour = depths.last_hour(now);
        Ok(Look {
            pieces: vec![
                piece("workers", &WorkersList::now(&live.db, &settings, now, t).await?)?,
                piece("depth", &DepthPlots::of(hour.as_ref(), t))?,
                piece("depth_rows", &DepthRows::of(hour.as_ref(), t))?,
            ],
            over: false,
        })
    })
}

fn piece(name: &str, part: &impl Template) -> Result<Piece, Problem> {
    Ok(Piece {
        name: name.to_owned(),
        html: part.render().map_err(Problem::internal)?,
    })
}
