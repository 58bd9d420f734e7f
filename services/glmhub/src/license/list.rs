//! `glmhub license list`: acceptances, those that wait for a review for instance.

use super::acceptance::{purposes, text};
use crate::remote::Remote;
use clap::Args;
use domain::acceptance::Phase;
use serde_json::Value;
use std::io::{self, Write as _};

const EXAMPLE: &str = "\
Examples:
  glmhub license list
  glmhub license list --state under_review --json

Reviewers see the acceptances of all tenants, everybody else those of the own. One line each, newest first: id, state,
tenant, licence, purposes, end.";

/// Lists acceptances
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct ListArgs {
    #[command(flatten)]
    remote: Remote,
    /// Only those in this state: requested, under_review, active, rejected, suspended, expired, revoked, superseded
    #[arg(long, value_name = "STATE")]
    state: Option<Phase>,
    /// Print the JSON objects of the API, one a line
    #[arg(long)]
    json: bool,
}

/// Prints all of them.
pub async fn run(args: ListArgs) -> anyhow::Result<()> {
    let state = args
        .state
        .map_or(String::new(), |state| format!("?state={state}"));
    for acceptance in args.remote.all(&format!("/v1/acceptances{state}")).await? {
        print(&acceptance, args.json)?;
    }
    Ok(())
}

fn print(acceptance: &Value, json: bool) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    if json {
        return writeln!(stdout, "{acceptance}");
    }
    writeln!(
        stdout,
        "{}  {:<12}  {}  {}  {}  {}",
        text(&acceptance["id"]),
        text(&acceptance["state"]),
        text(&acceptance["tenant"]),
        text(&acceptance["license"]),
        purposes(acceptance),
        text(&acceptance["valid_until"])
    )
}
