//! `glmhub bench noop-worker`: workers without a model, for `glmhub bench queue`.

use crate::worker::{self, WorkArgs};
use clap::Args;
use runner::Computing;
use std::time::Duration;

const EXAMPLE: &str = "\
Examples:
  glmhub bench noop-worker --data /tmp/worker --count 8

As `glmhub worker`, with an engine that looks at nothing: every question is answered with the same sentence, which says
so, and the engine of every answer is named noop. Grants, digests and leases are checked as always. Never let it take
orders of a hub whose answers somebody reads.";

/// Answers every question with one sentence, without a model: for measurements alone
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct NoopWorkerArgs {
    #[command(flatten)]
    work: WorkArgs,
    /// How long it takes for each order, in milliseconds
    #[arg(long, value_name = "N", default_value_t = 0)]
    order_millis: u64,
}

/// Works until it is told to end.
pub async fn run(args: NoopWorkerArgs) -> anyhow::Result<()> {
    let pause = Duration::from_millis(args.order_millis);
    worker::work(&args.work, Computing::Noop(pause)).await
}
