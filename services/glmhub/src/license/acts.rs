//! `glmhub license suspend`, `resume` and `revoke`: what a reviewer does to an acceptance that stands or stood.

use super::acceptance::print;
use crate::remote::Remote;
use clap::Args;
use domain::id::AcceptanceId;
use serde_json::json;

const SUSPEND: &str = "\
Examples:
  glmhub license suspend acc_01jd9z5m2k7q8r3s4t5v6w7x8y --reason 'the signer has left'";
const RESUME: &str = "\
Examples:
  glmhub license resume acc_01jd9z5m2k7q8r3s4t5v6w7x8y --reason 'a new signer is named'";
const REVOKE: &str = "\
Examples:
  glmhub license revoke acc_01jd9z5m2k7q8r3s4t5v6w7x8y --reason 'the licensor took it back'";

/// What each of these acts needs.
#[derive(Args, Debug)]
struct ActArgs {
    #[command(flatten)]
    remote: Remote,
    /// The acceptance
    #[arg(value_name = "ID")]
    acceptance: AcceptanceId,
    /// Why; the tenant reads it
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Print the JSON object of the API
    #[arg(long)]
    json: bool,
}

/// Stops an active acceptance for the time being, and the work under it
#[derive(Args, Debug)]
#[command(after_help = SUSPEND)]
pub struct SuspendArgs {
    #[command(flatten)]
    act: ActArgs,
}

/// Lets a suspended acceptance stand again
#[derive(Args, Debug)]
#[command(after_help = RESUME)]
pub struct ResumeArgs {
    #[command(flatten)]
    act: ActArgs,
}

/// Takes an active or suspended acceptance back for good, and stops the work under it
#[derive(Args, Debug)]
#[command(after_help = REVOKE)]
pub struct RevokeArgs {
    #[command(flatten)]
    act: ActArgs,
}

/// Suspends, and prints what has become of the acceptance.
pub async fn suspend(args: SuspendArgs) -> anyhow::Result<()> {
    perform(args.act, "suspend").await
}

/// Resumes, and prints what has become of the acceptance.
pub async fn resume(args: ResumeArgs) -> anyhow::Result<()> {
    perform(args.act, "resume").await
}

/// Revokes, and prints what has become of the acceptance.
pub async fn revoke(args: RevokeArgs) -> anyhow::Result<()> {
    perform(args.act, "revoke").await
}

async fn perform(args: ActArgs, act: &str) -> anyhow::Result<()> {
    let path = format!("/v1/acceptances/{}/{act}", args.acceptance);
    let acceptance = args.remote.post(&path, &json!({ "reason": args.reason })).await?;
    print(&acceptance, args.json)
}
