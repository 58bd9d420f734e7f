//! `GET /v1/jobs/{job}/stream`: what becomes of a job, told as it happens, in server-sent events.
//!
//! Each state that is seen is told as `state`; one that lasts for less than a look may be passed over. The last event
//! is `verdict` with the whole job, or `stopped` with the problem that a call refused by the gate is answered with: the
//! license no longer allows the job.

use super::{job_view::JobView, jobs::whole, stopped};
use crate::{
    caller::Authenticated,
    problem::Problem,
    signals::{Signals, Verdicts},
};
use actix_web::{
    HttpResponse,
    http::header::{CACHE_CONTROL, ContentType},
    web::{self, Bytes, Data, Path},
};
use domain::{access::Act, id::JobId, job::JobPhase, names::TenantName};
use futures_util::{Stream, stream};
use records::Db;
use serde::Serialize;
use serde_json::json;
use std::{convert::Infallible, time::Duration};
use tokio::time::Instant;

/// How often it is looked without being told: what became of the job may have been collected by another process.
const LOOK_AFTER: Duration = Duration::from_millis(500);
/// After so long without an event something is sent, so that nothing in between takes the connection for dead.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// The paths of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config.route("/v1/jobs/{job}/stream", web::get().to(follow));
}

async fn follow(
    caller: Authenticated,
    path: Path<JobId>,
    db: Data<Db>,
    signals: Data<Signals>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::ReadBatch)?;
    // Listening before looking: nothing falls in between.
    let verdicts = signals.listen();
    whole(&db, &caller.tenant, *path).await?;
    let watch = Watch {
        db,
        signals,
        verdicts,
        tenant: caller.tenant.clone(),
        job: *path,
        told: None,
        spoke: Instant::now(),
        over: false,
    };
    Ok(HttpResponse::Ok()
        .insert_header(ContentType(
            "text/event-stream".parse().map_err(Problem::internal)?,
        ))
        .insert_header((CACHE_CONTROL, "no-store"))
        // Proxies that hold answers back until they are whole leave this one alone.
        .insert_header(("x-accel-buffering", "no"))
        .streaming(watch.events()))
}

/// A job that somebody follows.
struct Watch {
    db: Data<Db>,
    signals: Data<Signals>,
    verdicts: Verdicts,
    tenant: TenantName,
    job: JobId,
    /// The state that was told last.
    told: Option<JobPhase>,
    /// When anything was sent last.
    spoke: Instant,
    /// Whether the last event was sent.
    over: bool,
}

impl Watch {
    fn events(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        stream::unfold(self, |mut watch| async move {
            let text = watch.next().await?;
            watch.spoke = Instant::now();
            Some((Ok(text), watch))
        })
    }

    /// What is sent next; nothing after the last event, or when the hub ends.
    async fn next(&mut self) -> Option<Bytes> {
        while !self.over {
            match self.look().await {
                Ok(Some(text)) => return Some(text),
                Ok(None) if self.spoke.elapsed() >= SIGN_OF_LIFE => {
                    return Some(Bytes::from_static(b":\n\n"));
                }
                Ok(None) => {}
                Err(problem) => {
                    let cause = problem.cause().map(|cause| format!("{cause:#}"));
                    tracing::error!(code = problem.code(), cause, "a job cannot be followed any more");
                    return None;
                }
            }
            let deadline = Instant::now() + LOOK_AFTER;
            let waiting = self.verdicts.wait_for(self.job, LOOK_AFTER, deadline);
            self.signals.ending.run_until_cancelled(waiting).await?;
        }
        None
    }

    /// The event that is due, if the job has changed.
    async fn look(&mut self) -> Result<Option<Bytes>, Problem> {
        let view = whole(&self.db, &self.tenant, self.job).await?;
        if let Some(problem) = stopped::problem(&self.db, &view).await? {
            self.over = true;
            return Ok(Some(event("stopped", &problem.body())));
        }
        if view.is_settled() {
            self.over = true;
            return Ok(Some(event("verdict", &view)));
        }
        Ok(self.state(&view))
    }

    fn state(&mut self, view: &JobView) -> Option<Bytes> {
        let state = view.state();
        if self.told.replace(state) == Some(state) {
            return None;
        }
        Some(event("state", &json!({ "job": self.job, "state": state })))
    }
}

/// An event whose data is JSON, which has no line breaks.
fn event(name: &str, data: &impl Serialize) -> Bytes {
    // Views are of strings and numbers: they can always be written.
    let data = serde_json::to_string(data).unwrap_or_default();
    format!("event: {name}\ndata: {data}\n\n").into()
}
