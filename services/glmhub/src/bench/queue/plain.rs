//! The two plain figures: jobs a second, and the delay of one call on an idle hub.

use super::{
    QueueArgs, Told,
    asking::{self, Size},
};
use crate::bench::{figures::Figures, own_hub::OwnHub};
use domain::access::Role;
use serde::Serialize;

/// Calls and jobs before any is measured: models are loaded and connections made by then.
const WARM_UP: u32 = 20;

/// What was measured. Seconds, and milliseconds of the calls.
#[derive(Serialize)]
pub struct Plain {
    jobs: u64,
    batches: u32,
    pages: u32,
    questions: u32,
    workers: usize,
    /// From the call that submits the first batch until all pages were split and their jobs stored.
    taken_in_seconds: f64,
    /// From that call until the last answer was stored.
    seconds: f64,
    jobs_a_second: f64,
    calls: u32,
    /// From the call of an image and a question until its answer.
    idle_ms: Figures,
}

pub async fn measure(hub: &OwnHub, args: &QueueArgs) -> anyhow::Result<Plain> {
    let caller = hub.caller("bench", Role::Submitter)?;
    let size = Size {
        pages: args.jobs.div_ceil(args.questions).div_ceil(args.batches),
        questions: args.questions,
    };
    for number in 0..WARM_UP {
        asking::one_call(&caller, &args.name, u64::from(number)).await?;
    }
    let mut first = u64::from(WARM_UP);
    let mut batches = Vec::new();
    for _ in 0..args.batches {
        batches.push(asking::upload(&caller, &args.name, size, first).await?);
        first += u64::from(size.pages);
    }
    let passed = asking::answered(&caller, &batches, size).await?;
    let mut calls = Vec::new();
    for number in 0..args.calls {
        let number = first + u64::from(number);
        calls.push(asking::one_call(&caller, &args.name, number).await?);
    }
    let seconds = passed.answered.as_secs_f64();
    let jobs = u64::from(args.batches) * size.jobs();
    Ok(Plain {
        jobs,
        batches: args.batches,
        pages: args.batches * size.pages,
        questions: size.questions,
        workers: args.workers,
        taken_in_seconds: passed.taken_in.as_secs_f64(),
        seconds,
        jobs_a_second: jobs as f64 / seconds,
        calls: args.calls,
        idle_ms: Figures::of(calls),
    })
}

impl Told for Plain {
    fn lines(&self) -> Vec<String> {
        let Figures { p50, p99, max } = self.idle_ms;
        vec![
            format!(
                "{} jobs ({} batches, {} pages with {} questions each) in {:.2} s; pages were taken in for {:.2} s",
                self.jobs, self.batches, self.pages, self.questions, self.seconds, self.taken_in_seconds
            ),
            format!(
                "{:.0} jobs a second with {} workers",
                self.jobs_a_second, self.workers
            ),
            format!(
                "{} calls: p50 {p50:.1} ms, p99 {p99:.1} ms, longest {max:.1} ms",
                self.calls
            ),
        ]
    }
}
