//! `glmhub bench queue`: the way of a job through records, queue and workers, with an engine that does nothing.

mod asking;
mod backlog;
mod flood;
mod memory;
mod plain;

use super::own_hub::{OwnHub, Sharing};
use crate::misuse::Misuse;
use clap::Args;
use domain::names::ModelName;
use std::{
    io::{self, Write as _},
    path::PathBuf,
};

const EXAMPLE: &str = "\
Examples:
  glmhub bench queue --model ./reader --postgres postgres://app@127.0.0.1/bench --redis redis://127.0.0.1:6379
  glmhub bench queue --model ./reader --postgres … --redis … --jobs 20000 --questions 8 --json
  glmhub bench queue --model ./reader --postgres … --redis … --backlog 1000000 --order-millis 250
  glmhub bench queue --model ./reader --postgres … --redis … --tenants 1000 --flood

Starts a hub and a process of workers of its own on the PostgreSQL and the Redis that it is given, which should be empty:
what it writes there stays. The engine is a no-op, named so in every answer; all else is as always: gate, grants,
digests, leases, audit log and its tree. Measured are jobs a second from the submitting of batches to their last answer,
and one call after another, each answered before the next (idle). With --order-millis the no-op takes as long for a page as
a model might, so that what waits waits for workers and not for the hub. bench/queue compares it with other queues.";

/// Settings that the measured hub has, unless the environment says otherwise.
const SETTINGS: [(&str, &str); 3] = [
    ("GLMHUB_WORK__MOST_ORDERS", "256"),
    ("GLMHUB_WORK__MOST_ORDERS_OF_TENANT", "256"),
    ("GLMHUB_QUEUE__MOST_ORDERS", "512"),
];

/// Measures the way of jobs without a model: throughput, an idle hub's delay, a backlog, a flood
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct QueueArgs {
    /// A folder of weights, which are imported and loaded and not asked
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// The model that the weights are of; its licence must let everybody use it for research
    #[arg(long, value_name = "OWNER/NAME", default_value = "THUDM/glm-4v-9b")]
    name: ModelName,
    /// A PostgreSQL database of the measurement's own
    #[arg(long, value_name = "URL")]
    postgres: String,
    /// A Redis of the measurement's own
    #[arg(long, value_name = "URL")]
    redis: String,
    /// Jobs of all batches: pages times questions
    #[arg(long, value_name = "N", default_value_t = 5000)]
    jobs: u32,
    /// Batches that the jobs are of, submitted one after another
    #[arg(long, value_name = "N", default_value_t = 1)]
    batches: u32,
    /// Questions of each page
    #[arg(long, value_name = "N", default_value_t = 1)]
    questions: u32,
    /// Calls, one after another
    #[arg(long, value_name = "N", default_value_t = 200)]
    calls: u32,
    /// Workers, in one process
    #[arg(long, value_name = "N", default_value_t = 8)]
    workers: usize,
    /// How long the no-op takes for each order, in milliseconds
    #[arg(long, value_name = "N", default_value_t = 0)]
    order_millis: u64,
    /// Compare an empty hub with one where so many jobs wait
    #[arg(long, value_name = "N", conflicts_with = "tenants")]
    backlog: Option<u32>,
    /// One call of each of so many tenants, a few at a time
    #[arg(long, value_name = "N")]
    tenants: Option<u32>,
    /// Compare with the same calls while one more tenant floods the hub
    #[arg(long, requires = "tenants")]
    flood: bool,
    /// Leave the data of hub and workers where it is, in the folder for temporary files
    #[arg(long)]
    keep: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl QueueArgs {
    fn check(&self) -> Result<(), Misuse> {
        let counts = [
            ("--jobs", u64::from(self.jobs)),
            ("--batches", u64::from(self.batches)),
            ("--questions", u64::from(self.questions)),
            ("--calls", u64::from(self.calls)),
            ("--workers", self.workers as u64),
            ("--backlog", self.backlog.map_or(1, u64::from)),
            ("--tenants", self.tenants.map_or(1, u64::from)),
        ];
        match counts.into_iter().find(|(_, count)| *count == 0) {
            Some((name, _)) => Err(Misuse(format!("{name} must be at least 1"))),
            None => Ok(()),
        }
    }
}

/// Measures, and prints the figures.
pub async fn run(args: QueueArgs) -> anyhow::Result<()> {
    args.check()?;
    let mut settings: Vec<(&'static str, String)> = SETTINGS
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()))
        .collect();
    if args.backlog.is_some() {
        settings.push(backlog::share());
    }
    if args.tenants.is_some() {
        settings.push(flood::most_orders(args.workers));
    }
    let sharing = Sharing {
        postgres: &args.postgres,
        redis: &args.redis,
        workers: args.workers,
        order_millis: args.order_millis,
        settings: &settings,
        keep: args.keep,
    };
    let hub = OwnHub::start_shared(Some((&args.name, &args.model)), &sharing).await?;
    match (args.backlog, args.tenants) {
        (Some(jobs), _) => tell(args.json, &backlog::measure(&hub, &args, jobs).await?),
        (None, Some(tenants)) => tell(args.json, &flood::measure(&hub, &args, tenants).await?),
        (None, None) => tell(args.json, &plain::measure(&hub, &args).await?),
    }
}

/// What was measured, for programs and for people.
trait Told: serde::Serialize {
    fn lines(&self) -> Vec<String>;
}

fn tell(json: bool, measured: &impl Told) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    if json {
        serde_json::to_writer(&mut stdout, measured)?;
        return Ok(writeln!(stdout)?);
    }
    for line in measured.lines() {
        writeln!(stdout, "{line}")?;
    }
    Ok(())
}
