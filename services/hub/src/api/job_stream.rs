//! `GET /v1/jobs/{job}/stream`: what becomes of a job, told as it happens, in server-sent events.
//!
//! Each state that is seen is told as `state`; one that lasts for less than a look may be passed over. What is being
//! written is told as `delta`. The last event is `verdict` with the whole job, or `stopped` with the problem that a call
//! refused by the gate is answered with: the license no longer allows the job.

use super::following::{Followed, Following, Step};
use crate::{
    caller::Authenticated,
    event_stream::{self, SIGN_OF_LIFE},
    problem::Problem,
    signals::Signals,
};
use actix_web::{
    HttpResponse,
    web::{self, Bytes, Data, Path},
};
use domain::{access::Act, id::JobId};
use exchange::queue::Queue;
use futures_util::stream;
use records::Db;
use serde::Serialize;
use serde_json::json;
use std::convert::Infallible;

/// The paths of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config.route("/v1/jobs/{job}/stream", web::get().to(follow));
}

async fn follow(
    caller: Authenticated,
    path: Path<JobId>,
    db: Data<Db>,
    queue: Data<dyn Queue>,
    signals: Data<Signals>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::ReadBatch)?;
    let with = Followed { db, queue, signals };
    let following = Following::begin(with, caller.tenant.clone(), *path).await?;
    let job = *path;
    let events = stream::unfold(following, move |mut following| async move {
        let step = following.next().await?;
        Some((Ok::<_, Infallible>(told(job, &step)), following))
    });
    Ok(event_stream::response()?.streaming(events))
}

/// A step as an event.
fn told(job: JobId, step: &Step) -> Bytes {
    match step {
        Step::State(state) => event("state", &json!({ "job": job, "state": state })),
        Step::Text { attempt, text } => {
            event("delta", &json!({ "job": job, "attempt": attempt, "text": text }))
        }
        Step::Verdict(view) => event("verdict", view),
        Step::Stopped(problem) => event("stopped", &problem.body()),
        Step::Silence => SIGN_OF_LIFE,
    }
}

/// An event whose data is JSON, which has no line breaks.
fn event(name: &str, data: &impl Serialize) -> Bytes {
    // Views are of strings and numbers: they can always be written.
    let data = serde_json::to_string(data).unwrap_or_default();
    format!("event: {name}\ndata: {data}\n\n").into()
}
