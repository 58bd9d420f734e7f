//! One revocation of work that waits, runs and is followed.

use super::{caller::BenchCaller, document, own_hub::OwnHub};
use anyhow::{Context as _, ensure};
use clap::ValueEnum;
use domain::{access::Role, names::ModelName};
use futures_util::StreamExt as _;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(2);
/// Revocations come later each time, and after so many times begin anew.
const MOMENTS: u32 = 64;
/// After so long something is wrong, and nothing is measured. A page of the real weights takes minutes.
const PATIENCE: Duration = Duration::from_secs(900);
/// How many orders the engines of the process compute at.
const AT_WORK: &str = "glmhub_engine_at_work";

/// What the engine is at when the revocation comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Phase {
    /// The first page, before any answer
    Reading,
    /// Answers, after the first of them
    Answering,
}

impl Phase {
    /// How much later each revocation comes than the one before it.
    fn moment(self) -> Duration {
        match self {
            Phase::Reading => Duration::from_millis(97),
            Phase::Answering => Duration::from_millis(7),
        }
    }

    fn has_come(self, jobs: &Value) -> bool {
        let answered = jobs["answered"].as_u64() > Some(0);
        jobs["running"].as_u64() > Some(0) && answered == (self == Phase::Answering)
    }
}

/// What is in work when it is revoked.
pub struct Plan<'a> {
    pub model: &'a ModelName,
    pub pages: u32,
    pub questions: u32,
    pub phase: Phase,
}

/// What was measured, each from the return of the revoking call but for that call itself.
pub struct Measured {
    /// How long the call took.
    pub call: Duration,
    /// Until no job waited or was out any more.
    pub held: Duration,
    /// Until no engine computed any more.
    pub stopped: Duration,
    /// Until the stream of one of its jobs was closed.
    pub closed: Duration,
    /// How many jobs were held.
    pub jobs_held: u64,
}

/// Measures once, with a tenant of its own.
pub async fn measure(hub: &OwnHub, plan: &Plan<'_>, number: u32) -> anyhow::Result<Measured> {
    let tenant = format!("bench-{number}");
    let submitter = hub.caller(&tenant, Role::Submitter)?;
    let reviewer = hub.caller("bench-reviewers", Role::Reviewer)?;
    let acceptance = accepted(hub, plan, &tenant, &reviewer).await?;
    let batch = submitted(&submitter, plan).await?;
    // Not always at the same point of an answer.
    sleep(plan.phase.moment() * (number % MOMENTS)).await;
    let job = unanswered_job(&submitter, &batch).await?;
    let mut events = submitter
        .send(Method::GET, &format!("/v1/jobs/{job}/stream"), |request| request)
        .await?;
    let first = events.chunk().await?.context("the stream ended at once")?;
    ensure!(
        first.starts_with(b"event: state"),
        "the stream began with something else"
    );
    let begun = Instant::now();
    let (returned, held, stopped, closed) = tokio::try_join!(
        revoked(&reviewer, &acceptance),
        last_held(&submitter, &batch),
        engine_stopped(hub),
        stream_closed(events),
    )?;
    let (held, then) = held;
    let after = submitter.get(&batch).await?;
    ensure!(
        after["jobs"] == then["jobs"],
        "something was stored after the jobs were held: {then} {after}"
    );
    submitter.post(&format!("{batch}/cancel"), &json!({})).await?;
    Ok(Measured {
        call: returned - begun,
        held: held.saturating_duration_since(returned),
        stopped: stopped.saturating_duration_since(returned),
        closed: closed.saturating_duration_since(returned),
        jobs_held: then["jobs"]["held"].as_u64().unwrap_or(0),
    })
}

/// The path of an acceptance for commercial use that was approved.
async fn accepted(
    hub: &OwnHub,
    plan: &Plan<'_>,
    tenant: &str,
    reviewer: &BenchCaller,
) -> anyhow::Result<String> {
    let signatory = hub.caller(tenant, Role::Signatory)?;
    let model = signatory.get(&format!("/v1/models/{}", plan.model)).await?;
    let asked = json!({
        "model": plan.model, "terms_sha256": model["revision"]["terms_sha256"], "purposes": ["commercial"],
        "signer": { "name": "the signatory", "title": "of the measurement" }, "registration_number": "0",
    });
    let asked = signatory.post("/v1/acceptances", &asked).await?;
    let path = format!("/v1/acceptances/{}", text(&asked["id"])?);
    let verdict = json!({ "verdict": "approve" });
    reviewer.post(&format!("{path}/review"), &verdict).await?;
    Ok(path)
}

/// The path of a submitted batch whose pages are all split and that an engine is at.
async fn submitted(submitter: &BenchCaller, plan: &Plan<'_>) -> anyhow::Result<String> {
    let question = |number: u32| json!({ "text": format!("What is in line {number}?"), "parameters": { "max_new_tokens": 300 } });
    let questions: Vec<Value> = (1..=plan.questions).map(question).collect();
    let new = json!({ "model": plan.model, "purpose": "commercial", "questions": questions });
    let opened = submitter.post("/v1/batches", &new).await?;
    let batch = format!("/v1/batches/{}", text(&opened["id"])?);
    // No two are alike: what is the same would be computed once, and the last job answered with the first.
    let pages = document::of_pages(0, plan.pages);
    let fill = |request: reqwest::RequestBuilder| request.header("content-type", "image/tiff").body(pages);
    submitter
        .send(Method::POST, &format!("{batch}/documents"), fill)
        .await?;
    submitter.post(&format!("{batch}/submit"), &json!({})).await?;
    let all = plan.pages * plan.questions;
    let under_way = |jobs: &Value| jobs["total"] == all && plan.phase.has_come(jobs);
    until(submitter, &batch, under_way)
        .await
        .context("the work did not begin")?;
    Ok(batch)
}

/// The last job of a batch: it is not answered before the others.
async fn unanswered_job(submitter: &BenchCaller, batch: &str) -> anyhow::Result<String> {
    let mut after = String::new();
    loop {
        let page = format!("{batch}/jobs?limit=100{after}");
        let listed = submitter.get(&page).await?;
        if let Some(next) = listed["next"].as_str() {
            after = format!("&after={next}");
            continue;
        }
        let last = listed["data"].as_array().and_then(|jobs| jobs.last());
        let last = last.filter(|job| job["settled_at"].is_null());
        let last = last.context("all is answered already; give more --pages or --questions")?;
        return Ok(text(&last["id"])?.to_owned());
    }
}

async fn revoked(reviewer: &BenchCaller, acceptance: &str) -> anyhow::Result<Instant> {
    let reason = json!({ "reason": "it is measured what comes of it" });
    reviewer.post(&format!("{acceptance}/revoke"), &reason).await?;
    Ok(Instant::now())
}

/// When no job waited or was out any more, and the batch as it was then.
async fn last_held(submitter: &BenchCaller, batch: &str) -> anyhow::Result<(Instant, Value)> {
    let out = ["queued", "dispatched", "running"];
    let held = |jobs: &Value| out.iter().all(|state| jobs[state] == 0) && jobs["held"].as_u64() > Some(0);
    let seen = until(submitter, batch, held)
        .await
        .context("the jobs were not held")?;
    Ok((Instant::now(), seen))
}

async fn engine_stopped(hub: &OwnHub) -> anyhow::Result<Instant> {
    let begun = Instant::now();
    while hub.gauge(AT_WORK).await? > 0.0 {
        ensure!(begun.elapsed() < PATIENCE, "the engine did not stop");
        sleep(LOOK).await;
    }
    Ok(Instant::now())
}

/// When the stream ended, which must have been with the code and the decision.
async fn stream_closed(events: reqwest::Response) -> anyhow::Result<Instant> {
    let (mut stream, mut told) = (events.bytes_stream(), Vec::new());
    while let Some(piece) = stream.next().await {
        told.extend_from_slice(&piece?);
    }
    let at = Instant::now();
    let told = String::from_utf8_lossy(&told);
    let right =
        told.contains("event: stopped") && told.contains("\"acceptance_revoked\"") && told.contains("\"dec_");
    ensure!(right, "the stream did not end as it should: {told}");
    Ok(at)
}

/// The batch, when its jobs are as wanted.
async fn until(
    submitter: &BenchCaller,
    batch: &str,
    wanted: impl Fn(&Value) -> bool,
) -> anyhow::Result<Value> {
    let begun = Instant::now();
    loop {
        let seen = submitter.get(batch).await?;
        if wanted(&seen["jobs"]) {
            return Ok(seen);
        }
        ensure!(begun.elapsed() < PATIENCE, "the jobs are {}", seen["jobs"]);
        sleep(LOOK).await;
    }
}

fn text(value: &Value) -> anyhow::Result<&str> {
    value.as_str().context("the hub left out an id")
}
