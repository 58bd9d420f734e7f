//! `glmhub license review`: a reviewer's verdict on an acceptance.

use super::acceptance::{End, print};
use crate::remote::Remote;
use clap::{ArgGroup, Args};
use domain::id::AcceptanceId;
use serde_json::{Value, json};

const EXAMPLE: &str = "\
Examples:
  glmhub license review acc_01jd9z5m2k7q8r3s4t5v6w7x8y
  glmhub license review acc_01jd9z5m2k7q8r3s4t5v6w7x8y --comment 'Which register is R-1 of?'
  glmhub license review acc_01jd9z5m2k7q8r3s4t5v6w7x8y --approve --valid-until 2027-12-31
  glmhub license review acc_01jd9z5m2k7q8r3s4t5v6w7x8y --reject --reason 'there is no such number'

Without a verdict it shows the acceptance. Nobody reviews what they requested themselves.";

/// Approves or rejects an acceptance, or comments on it
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE, group = ArgGroup::new("verdict").args(["approve", "reject"]))]
pub struct ReviewArgs {
    #[command(flatten)]
    remote: Remote,
    /// The acceptance
    #[arg(value_name = "ID")]
    acceptance: AcceptanceId,
    /// Say yes
    #[arg(long)]
    approve: bool,
    /// Say no
    #[arg(long, requires = "reason")]
    reject: bool,
    /// Why; needed for a rejection. The tenant reads that of a rejection, the audit log keeps both
    #[arg(long, value_name = "TEXT", requires = "verdict")]
    reason: Option<String>,
    /// Through which day (or until which moment) it stands; not after what was asked for
    #[arg(long, value_name = "DATE", requires = "approve")]
    valid_until: Option<End>,
    /// Comment on it, before any verdict
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
    /// Print the JSON object of the API
    #[arg(long)]
    json: bool,
}

/// Comments, judges, and prints what has become of the acceptance.
pub async fn run(args: ReviewArgs) -> anyhow::Result<()> {
    let place = format!("/v1/acceptances/{}", args.acceptance);
    if let Some(text) = &args.comment {
        let comments = format!("{place}/comments");
        args.remote.post(&comments, &json!({ "text": text })).await?;
    }
    let acceptance = match verdict(&args) {
        Some(verdict) => args.remote.post(&format!("{place}/review"), &verdict).await?,
        None => args.remote.get(&place).await?,
    };
    print(&acceptance, args.json)
}

fn verdict(args: &ReviewArgs) -> Option<Value> {
    let word = match (args.approve, args.reject) {
        (true, _) => "approve",
        (_, true) => "reject",
        _ => return None,
    };
    let mut verdict = json!({ "verdict": word, "reason": args.reason });
    if let Some(end) = args.valid_until {
        verdict["valid_until"] = end.moment().into();
    }
    Some(verdict)
}
