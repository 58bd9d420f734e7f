//! `glmhub worker`: the production role that answers pages apart from the hub.

use crate::misuse::Misuse;
use clap::Args;

const EXAMPLE: &str = "\
Examples:
  glmhub worker

A worker of its own takes its orders from Redis, which this version cannot use: its queue lives in the hub's
process. `glmhub up` has workers inside; [worker] count in the settings says how many.";

/// Answers pages for hubs elsewhere (needs Redis)
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct WorkerArgs {}

/// Refuses, and says what to use.
pub fn run(_: WorkerArgs) -> anyhow::Result<()> {
    Err(Misuse(
        "a worker of its own needs Redis, and this hub's queue lives in its process: use `glmhub up`, which \
         has workers inside (GLMHUB_WORKER__COUNT=2 makes it two)"
            .into(),
    )
    .into())
}
