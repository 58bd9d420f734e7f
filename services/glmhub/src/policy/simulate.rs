//! `glmhub policy simulate`: what a change of policies or terms would have changed.

use super::paths;
use crate::{misuse::Misuse, remote::Remote};
use clap::Args;
use domain::{digest::Sha256, names::LicenseName};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    path::PathBuf,
};

const EXAMPLE: &str = "\
Examples:
  glmhub policy simulate --days 7 rules/contracts.cedar
  glmhub policy simulate --days 30 --without rules/contracts.cedar --json
  glmhub policy simulate --days 30 --terms glm-4=LICENSE.new

Decisions are asked again as they were asked (who, which model, which purpose, when) with the facts of today, once under
the policies in force and once with the files: the table shows what differs. Nothing is recorded and nothing changes.";

/// Replays the decisions of the last days against changed policies or terms
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct SimulateArgs {
    #[command(flatten)]
    remote: Remote,
    /// How many days back
    #[arg(long, value_name = "N", default_value_t = 7)]
    days: u32,
    /// Own policy files of the hub that would be gone, such as rules/contracts.cedar; may be given several times
    #[arg(long, value_name = "NAME")]
    without: Vec<String>,
    /// A text that a licence would come with; may be given several times
    #[arg(long, value_name = "LICENSE=FILE", value_parser = terms)]
    terms: Vec<(LicenseName, PathBuf)>,
    /// Rules (.cedar) and licences (.toml) that would be added, or would take the place of those of the same name
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print the JSON object of the API
    #[arg(long)]
    json: bool,
}

fn terms(text: &str) -> Result<(LicenseName, PathBuf), String> {
    let (license, file) = text.split_once('=').ok_or("write it as LICENSE=FILE")?;
    Ok((license.parse().map_err(|error| format!("{error}"))?, file.into()))
}

/// Prints what would change.
pub async fn run(args: SimulateArgs) -> anyhow::Result<()> {
    if args.files.is_empty() && args.without.is_empty() && args.terms.is_empty() {
        return Err(
            Misuse("name what would change: FILE, --without NAME or --terms LICENSE=FILE".into()).into(),
        );
    }
    let mut texts = BTreeMap::new();
    for (license, file) in &args.terms {
        let bytes = fs::read(file).map_err(|error| Misuse(format!("{}: {error}", file.display())))?;
        texts.insert(license, Sha256::of(&bytes));
    }
    let files = paths::own(&paths::read(&args.files)?);
    let body = json!({ "days": args.days, "files": files, "without": args.without, "terms": texts });
    let simulation = args.remote.post("/v1/policies/simulate", &body).await?;
    let mut stdout = io::stdout().lock();
    if args.json {
        writeln!(stdout, "{simulation}")?;
        return Ok(());
    }
    Ok(write(&mut stdout, &simulation)?)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

fn each(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn write(out: &mut impl Write, told: &Value) -> io::Result<()> {
    writeln!(
        out,
        "{} of {} decisions of the last {} days would come out differently; {} jobs stand on them",
        told["changed"], told["replayed"], told["days"], told["jobs"]
    )?;
    if told["cut"] == true {
        writeln!(
            out,
            "there were more decisions than are replayed: the oldest replayed is of {}",
            text(&told["oldest"])
        )?;
    }
    for tenant in each(&told["tenants"]) {
        writeln!(
            out,
            "\n{}: {} decisions, {} jobs",
            text(&tenant["tenant"]),
            tenant["decisions"],
            tenant["jobs"]
        )?;
        writeln!(
            out,
            "  {:<31} {:<28} {:<11} {:>6}  {:<8} would be",
            "decision", "model", "purpose", "jobs", "today"
        )?;
        for change in each(&tenant["changes"]) {
            let codes: Vec<&str> = each(&change["reasons"])
                .map(|reason| text(&reason["code"]))
                .collect();
            writeln!(
                out,
                "  {:<31} {:<28} {:<11} {:>6}  {:<8} {} {}",
                text(&change["decision_id"]),
                text(&change["model"]),
                text(&change["purpose"]),
                change["jobs"].to_string(),
                text(&change["today"]),
                text(&change["would_be"]),
                codes.join(", ")
            )?;
        }
    }
    Ok(())
}
