//! `glmhub bench revocation`: how soon after a revocation everything that depended on it has stopped.

use super::{
    figures::Figures,
    own_hub::OwnHub,
    trial::{Measured, Phase, Plan, measure},
};
use crate::misuse::Misuse;
use anyhow::ensure;
use clap::Args;
use domain::names::ModelName;
use serde_json::json;
use std::{
    io::{self, Write as _},
    path::PathBuf,
    time::Duration,
};

const EXAMPLE: &str = "\
Examples:
  glmhub bench revocation --model ./tiny
  glmhub bench revocation --model ./tiny --repetitions 100 --json
  glmhub bench revocation --model ./glm-4v-9b --during reading --repetitions 3

Starts a hub of its own on a folder that goes with it. Each time a tenant with an approved acceptance has a batch in work
and somebody follows one of its jobs, a reviewer revokes the acceptance. Measured from the return of that call: when the
last job that waited was held, when the engine had stopped decoding, when the stream was closed. Nothing may be stored
afterwards. Exit code 1 if anything took longer than two seconds.";

/// What is promised.
const BOUND: Duration = Duration::from_secs(2);

/// Measures how soon a revocation has stopped what depended on it
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct RevocationArgs {
    /// A folder of weights with the LICENSE that is accepted and revoked
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// The model that the weights are of; its licence must ask for an acceptance for commercial use
    #[arg(long, value_name = "OWNER/NAME", default_value = "THUDM/glm-4v-9b")]
    name: ModelName,
    /// How often it is measured
    #[arg(long, value_name = "N", default_value_t = 20)]
    repetitions: u32,
    /// Pages of each batch: one is in work, the others wait
    #[arg(long, value_name = "N", default_value_t = 4)]
    pages: u32,
    /// Questions of each page
    #[arg(long, value_name = "N", default_value_t = 60)]
    questions: u32,
    /// What the engine is at when the revocation comes
    #[arg(long, value_enum, default_value = "answering")]
    during: Phase,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Measures, and prints the figures.
pub async fn run(args: RevocationArgs) -> anyhow::Result<()> {
    if args.repetitions == 0 || args.pages == 0 || args.questions == 0 {
        return Err(Misuse("--repetitions, --pages and --questions must each be at least 1".into()).into());
    }
    if !args.model.join("LICENSE").is_file() {
        let message =
            "there is no LICENSE in the folder of --model, so there is nothing to accept and to revoke";
        return Err(Misuse(message.into()).into());
    }
    let hub = OwnHub::start(&args.name, &args.model, &[]).await?;
    let plan = Plan {
        model: &args.name,
        pages: args.pages,
        questions: args.questions,
        phase: args.during,
    };
    let mut all = Vec::new();
    for number in 1..=args.repetitions {
        all.push(measure(&hub, &plan, number).await?);
    }
    tell(&args, &all)?;
    let longest = all
        .iter()
        .map(|one| one.held.max(one.stopped).max(one.closed))
        .max();
    ensure!(
        longest <= Some(BOUND),
        "a revocation took {longest:?} to stop everything, and {BOUND:?} is promised"
    );
    Ok(())
}

fn tell(args: &RevocationArgs, all: &[Measured]) -> anyhow::Result<()> {
    let figures = |of: fn(&Measured) -> Duration| Figures::of(all.iter().map(of).collect());
    let (call, held) = (figures(|one| one.call), figures(|one| one.held));
    let (stopped, closed) = (figures(|one| one.stopped), figures(|one| one.closed));
    let jobs_held: u64 = all.iter().map(|one| one.jobs_held).sum();
    let mut stdout = io::stdout().lock();
    if args.json {
        let object = json!({
            "repetitions": args.repetitions, "pages": args.pages, "questions": args.questions,
            "jobs_held": jobs_held, "bound_ms": BOUND.as_millis() as u64, "call_ms": call,
            "last_job_held_ms": held, "decode_stopped_ms": stopped, "stream_closed_ms": closed,
        });
        return Ok(writeln!(stdout, "{object}")?);
    }
    let (repetitions, pages, questions) = (args.repetitions, args.pages, args.questions);
    writeln!(
        stdout,
        "{repetitions} revocations of {pages} pages with {questions} questions each; {jobs_held} jobs were held, and \
         nothing was stored afterwards"
    )?;
    writeln!(
        stdout,
        "{:<28}{:>10}{:>10}{:>10}",
        "milliseconds", "p50", "p99", "max"
    )?;
    for (what, Figures { p50, p99, max }) in [
        ("the revoking call", call),
        ("then, last job held", held),
        ("      decoding stopped", stopped),
        ("      stream closed", closed),
    ] {
        writeln!(stdout, "{what:<28}{p50:>10.1}{p99:>10.1}{max:>10.1}")?;
    }
    Ok(())
}
