//! `glmhub batch status`, `cancel` and `requeue`.

use super::following;
use crate::remote::Remote;
use clap::Args;
use domain::id::BatchId;
use serde_json::json;

const STATUS: &str = "\
Examples:
  glmhub batch status bat_01jd9z5m2k7q8r3s4t5v6w7x8y
  glmhub batch status bat_01jd9z5m2k7q8r3s4t5v6w7x8y --wait --json";

const CANCEL: &str = "\
Examples:
  glmhub batch cancel bat_01jd9z5m2k7q8r3s4t5v6w7x8y

Answers that are there stay.";

const REQUEUE: &str = "\
Examples:
  glmhub batch requeue bat_01jd9z5m2k7q8r3s4t5v6w7x8y";

/// Which batch, and how it is printed.
#[derive(Args, Debug)]
struct Named {
    #[command(flatten)]
    remote: Remote,
    /// The batch
    #[arg(value_name = "ID")]
    batch: BatchId,
    /// Print the JSON object of the API
    #[arg(long)]
    json: bool,
}

/// Tells how far a batch is
#[derive(Args, Debug)]
#[command(after_help = STATUS)]
pub struct StatusArgs {
    #[command(flatten)]
    named: Named,
    /// Wait until every page has its answers
    #[arg(long)]
    wait: bool,
}

/// Cancels what has no verdict yet
#[derive(Args, Debug)]
#[command(after_help = CANCEL)]
pub struct CancelArgs {
    #[command(flatten)]
    named: Named,
}

/// Tries every failed question again
#[derive(Args, Debug)]
#[command(after_help = REQUEUE)]
pub struct RequeueArgs {
    #[command(flatten)]
    named: Named,
}

/// Prints the batch, at its end if that is wished for.
pub async fn status(args: StatusArgs) -> anyhow::Result<()> {
    let Named { remote, batch, json } = args.named;
    match args.wait {
        true => following::until_done(&remote, batch, json).await,
        false => following::print(&remote.get(&format!("/v1/batches/{batch}")).await?, json),
    }
}

/// Cancels, and prints what has become of the batch.
pub async fn cancel(args: CancelArgs) -> anyhow::Result<()> {
    args.named.act("cancel").await
}

/// Requeues, and prints what has become of the batch.
pub async fn requeue(args: RequeueArgs) -> anyhow::Result<()> {
    args.named.act("requeue").await
}

impl Named {
    async fn act(&self, act: &str) -> anyhow::Result<()> {
        let path = format!("/v1/batches/{}/{act}", self.batch);
        following::print(&self.remote.post(&path, &json!({})).await?, self.json)
    }
}
