//! `glmhub usage`: what a tenant has used.

use crate::remote::Remote;
use clap::Args;
use serde_json::Value;
use std::io::{self, Write};
use time::{Date, macros::format_description};

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
    #[arg(long, value_name = "DAY", value_parser = day)]
    from: Option<Date>,
    /// The last day [default: today]
    #[arg(long, value_name = "DAY", value_parser = day)]
    to: Option<Date>,
    /// Print the JSON object of the API
    #[arg(long)]
    json: bool,
}

fn day(text: &str) -> Result<Date, String> {
    let day = Date::parse(text, format_description!("[year]-[month]-[day]"));
    day.map_err(|_| "a day looks like 2026-03-01".to_owned())
}

/// Prints it.
pub async fn run(args: UsageArgs) -> anyhow::Result<()> {
    let wish = |(name, day): (&str, Option<Date>)| day.map(|day| format!("{name}={day}"));
    let span: Vec<String> = [("from", args.from), ("to", args.to)]
        .into_iter()
        .filter_map(wish)
        .collect();
    let told = args.remote.get(&format!("/v1/usage?{}", span.join("&"))).await?;
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
