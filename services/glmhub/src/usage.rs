//! `glmhub usage`: what a tenant has used.

use crate::remote::Remote;
use clap::Args;
use reqwest::Method;
use serde_json::Value;
use std::io::{self, Write};

pub const EXAMPLE: &str = "\
Examples:
  glmhub usage
  glmhub usage --from 2026-01-01 --to 2026-03-31
  glmhub usage --json

One line for each day of UTC and API key: day, key, pages, answers, tokens read, tokens written. The last line is the sum.";

/// Tells what the tenant has used, day by day
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct UsageArgs {
    #[command(flatten)]
    remote: Remote,
    /// The first day [default: 30 days before the last]
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// The last day [default: today]
    #[arg(long, value_name = "DAY")]
    to: Option<String>,
    /// Print the JSON object of the API
    #[arg(long)]
    json: bool,
}

/// Prints it.
pub async fn run(args: UsageArgs) -> anyhow::Result<()> {
    let span: Vec<(&str, &String)> = [("from", &args.from), ("to", &args.to)]
        .into_iter()
        .filter_map(|(name, day)| Some((name, day.as_ref()?)))
        .collect();
    let told = args
        .remote
        .json(Method::GET, "/v1/usage", |request| request.query(&span))
        .await?;
    let mut stdout = io::stdout().lock();
    if args.json {
        return Ok(writeln!(stdout, "{told}")?);
    }
    for day in told["data"].as_array().into_iter().flatten() {
        let text = |name: &str| day[name].as_str().unwrap_or("-").to_owned();
        write(&mut stdout, &text("day"), &text("api_key"), day)?;
    }
    Ok(write(&mut stdout, "total", "-", &told["total"])?)
}

fn write(out: &mut impl Write, day: &str, key: &str, used: &Value) -> io::Result<()> {
    writeln!(
        out,
        "{day:<10}  {key:<30}  {} pages  {} answers  {} tokens read  {} tokens written",
        used["pages"], used["answers"], used["input_tokens"], used["output_tokens"]
    )
}
