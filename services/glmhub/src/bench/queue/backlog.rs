//! A hub where many jobs wait, compared with an empty one.
//!
//! The jobs that wait are of one tenant, whose orders go out one at a time: they do not end while it is measured, and
//! leave workers to the others.

use super::{
    QueueArgs, Told,
    asking::{self, Size},
    memory,
};
use crate::bench::{caller::BenchCaller, figures::Figures, own_hub::OwnHub};
use domain::access::Role;
use serde::Serialize;
use tokio::time::Instant;

/// Whose the jobs are that wait.
pub const TENANT: &str = "backlog";
/// Questions of each of their pages.
const QUESTIONS: u32 = 64;
/// Pages of the batches that are compared.
const PAGES: u32 = 200;

/// The setting that keeps orders of the tenant at one.
pub fn share() -> (&'static str, String) {
    let share = format!("[{{tenant=\"{TENANT}\",weight=1,most_orders=1}}]");
    ("GLMHUB_WORK__SHARES", share)
}

/// What was measured.
#[derive(Serialize)]
pub struct Backlog {
    /// Jobs that waited when it was measured.
    waiting: u64,
    /// How long it took until they did.
    filling_seconds: f64,
    empty: Moment,
    full: Moment,
}

/// Milliseconds, and bytes of Redis.
#[derive(Serialize)]
struct Moment {
    /// A call that stores a job and does not wait.
    submit_ms: Figures,
    /// One that waits for its answer.
    answered_ms: Figures,
    /// A page of the tenant's batches, and one of a batch's jobs.
    list_ms: Figures,
    /// Jobs a second of a batch.
    jobs_a_second: f64,
    redis_bytes: u64,
}

pub async fn measure(hub: &OwnHub, args: &QueueArgs, jobs: u32) -> anyhow::Result<Backlog> {
    let caller = hub.caller("bench", Role::Submitter)?;
    for number in 0..20 {
        asking::one_call(&caller, &args.name, number).await?;
    }
    let waiting = hub.caller(TENANT, Role::Submitter)?;
    let empty = moment(&caller, &caller, None, args, 1_000_000).await?;
    let size = Size {
        pages: jobs.div_ceil(QUESTIONS),
        questions: QUESTIONS,
    };
    let begun = Instant::now();
    let batch = asking::upload(&waiting, &args.name, size, 2_000_000).await?;
    asking::submit(&waiting, &batch).await?;
    asking::until(&waiting, &batch, begun, |jobs| jobs["total"] == size.jobs()).await?;
    let filling_seconds = begun.elapsed().as_secs_f64();
    let full = moment(&caller, &waiting, Some(&batch), args, 3_000_000).await?;
    let left = waiting.get(&batch).await?;
    Ok(Backlog {
        waiting: left["jobs"]["queued"].as_u64().unwrap_or(0),
        filling_seconds,
        empty,
        full,
    })
}

/// `listed` is the batch whose jobs are listed by `lister`; the one that is measured, if there is none.
async fn moment(
    caller: &BenchCaller,
    lister: &BenchCaller,
    listed: Option<&str>,
    args: &QueueArgs,
    first: u64,
) -> anyhow::Result<Moment> {
    let size = Size {
        pages: PAGES,
        questions: 1,
    };
    let batch = asking::upload(caller, &args.name, size, first).await?;
    let passed = asking::answered(caller, std::slice::from_ref(&batch), size).await?;
    let (mut submit, mut answered, mut list) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..args.calls {
        let number = first + u64::from(PAGES + 2 * number);
        submit.push(asking::one_submit(caller, &args.name, number).await?);
        answered.push(asking::one_call(caller, &args.name, number + 1).await?);
        let begun = Instant::now();
        lister.get("/v1/batches?limit=100").await?;
        lister
            .get(&format!("{}/jobs?limit=100", listed.unwrap_or(&batch)))
            .await?;
        list.push(begun.elapsed());
    }
    Ok(Moment {
        submit_ms: Figures::of(submit),
        answered_ms: Figures::of(answered),
        list_ms: Figures::of(list),
        jobs_a_second: size.jobs() as f64 / passed.answered.as_secs_f64(),
        redis_bytes: memory::of_redis(&args.redis)?,
    })
}

impl Told for Backlog {
    fn lines(&self) -> Vec<String> {
        let (empty, full) = (&self.empty, &self.full);
        let line = |what: &str, before: f64, after: f64, slower: f64| {
            format!("{what:<28}{before:>12.1}{after:>12.1}{slower:>8.2}")
        };
        let of = |what: &str, before: Figures, after: Figures| {
            line(what, before.p50, after.p50, after.p50 / before.p50)
        };
        vec![
            format!(
                "{} jobs wait, after {:.0} s of filling",
                self.waiting, self.filling_seconds
            ),
            format!("{:<28}{:>12}{:>12}{:>8}", "", "empty", "full", "ratio"),
            of("submit, p50 ms", empty.submit_ms, full.submit_ms),
            of("answered, p50 ms", empty.answered_ms, full.answered_ms),
            of("list, p50 ms", empty.list_ms, full.list_ms),
            line(
                "jobs a second",
                empty.jobs_a_second,
                full.jobs_a_second,
                empty.jobs_a_second / full.jobs_a_second,
            ),
            line(
                "Redis, MB",
                empty.redis_bytes as f64 / 1e6,
                full.redis_bytes as f64 / 1e6,
                full.redis_bytes as f64 / empty.redis_bytes as f64,
            ),
        ]
    }
}
