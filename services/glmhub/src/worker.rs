//! `glmhub worker`: takes orders from Redis and answers them, apart from the hubs.
//!
//! It has no database and no key that could sign: what it believes is the hub's public keys, in a file.

mod list;

use crate::{
    clock::SystemClock,
    composition::{Endings, backends, workers::Workers},
    config::{self, Place, Settings},
    data_folder::DataFolder,
    public_keys,
    telemetry::{self, measures::Measures, spans::Spans},
};
use anyhow::Context as _;
use clap::{Args, Subcommand};
use domain::{clock::SharedClock, id::IdMaker};
use engine::{device::Device, kv::KvType};
use runner::Computing;
use std::{
    io::{self, Write as _},
    sync::Arc,
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const EXAMPLE: &str = "\
Examples:
  glmhub worker
  glmhub worker --data /srv/worker --count 2
  glmhub worker --data /srv/worker --orders-at-once 8
  glmhub worker --device cuda:0
  glmhub worker --kv-cache-type q8_0
  glmhub worker list

Needs Redis (queue.url), the hub's blobs (blobs.bucket, or blobs.folder where both reach it), and the hub's public keys:

  curl -fsS http://127.0.0.1:8080/.well-known/jwks.json -o /srv/worker/keys/hub.jwks.json

Prints one line when it is ready. At SIGTERM or SIGINT (Ctrl-C) it goes on with the pages that it is at for
worker.drain_seconds at most, hands back what is left, and ends; a second signal ends it at once.";

/// Answers pages for hubs that share a Redis
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE, args_conflicts_with_subcommands = true)]
pub struct WorkerArgs {
    #[command(subcommand)]
    command: Option<WorkerCommand>,
    #[command(flatten)]
    work: WorkArgs,
}

#[derive(Subcommand, Debug)]
enum WorkerCommand {
    List(list::ListArgs),
}

/// Where a worker has its data, and how much it does at once.
#[derive(Args, Debug)]
pub struct WorkArgs {
    #[command(flatten)]
    place: Place,
    /// How many workers this process has [default: worker.count of the settings]
    #[arg(long, value_name = "NUMBER")]
    count: Option<usize>,
    /// How many pages each worker has in work at once, 1 to 8; 0: as many as memory allows [default:
    /// worker.orders_at_once of the settings]
    #[arg(long, value_name = "NUMBER")]
    orders_at_once: Option<usize>,
    /// What they compute on: cpu, cuda:N or metal:N [default: worker.device of the settings]
    #[arg(long, value_name = "DEVICE")]
    device: Option<Device>,
    #[command(flatten)]
    kv: KvArgs,
}

/// How a process that answers keeps keys and values.
#[derive(Args, Debug)]
pub struct KvArgs {
    /// What keys and values are kept in: f32, f16 or q8_0 [default: worker.kv_cache_type of the settings]
    #[arg(long, value_name = "TYPE")]
    kv_cache_type: Option<KvType>,
}

impl KvArgs {
    /// The setting that it stands for.
    pub fn setting(&self) -> Option<(&'static str, String)> {
        let kept = self.kv_cache_type?;
        Some(("worker.kv_cache_type", kept.to_string()))
    }
}

impl WorkArgs {
    /// Settings of the command line.
    fn overrides(&self) -> Vec<(&'static str, String)> {
        let numbers = [
            ("worker.count", self.count),
            ("worker.orders_at_once", self.orders_at_once),
        ];
        let given = numbers
            .into_iter()
            .filter_map(|(key, number)| Some((key, number?)));
        let given = given.map(|(key, number)| (key, number.to_string()));
        let device = self.device.map(|device| ("worker.device", device.to_string()));
        given.chain(device).chain(self.kv.setting()).collect()
    }
}

/// Does what the command says.
pub async fn run(args: WorkerArgs) -> anyhow::Result<()> {
    match args.command {
        Some(WorkerCommand::List(args)) => list::run(args).await,
        None => work(&args.work, Computing::Engine).await,
    }
}

/// Works until it is told to end, with what works at the orders.
pub async fn work(args: &WorkArgs, computing: Computing) -> anyhow::Result<()> {
    let place = &args.place;
    let settings = config::load(place, &args.overrides())?.settings;
    telemetry::start_logs(&settings.log)?;
    let spans = Spans::start(&settings.telemetry)?;
    let measures = Measures::start(&settings.telemetry)?;
    let folder = DataFolder::open(&place.data)?;
    let mut endings = Endings::listen()?;
    let workers = assemble(&folder, &settings, computing).await?;
    let limit = settings.server.shutdown();
    let (mut set, ends) = (JoinSet::new(), CancellationToken::new());
    workers.start(&mut set, &ends)?;
    // The one line of stdout: whoever starts a worker waits for it.
    writeln!(io::stdout(), "glmhub worker is ready")?;
    tracing::info!(
        workers = settings.worker.count,
        queue = settings.queue.name,
        version = env!("CARGO_PKG_VERSION"),
        "ready"
    );
    let reason = endings.next().await;
    tracing::info!(reason, "ending");
    ends.cancel();
    let ending = async {
        set.join_all().await;
        tokio::join!(spans.end(), measures.end());
    };
    endings.within(limit, ending).await;
    Ok(())
}

async fn assemble(folder: &DataFolder, settings: &Settings, computing: Computing) -> anyhow::Result<Workers> {
    let clock: SharedClock = Arc::new(SystemClock);
    let queue = backends::redis(settings).await?;
    let keys = public_keys::read(&folder.resolve(&settings.worker.keys_file)).context(
        "worker.keys_file must name the hub's public keys, which its /.well-known/jwks.json gives",
    )?;
    Ok(Workers {
        queue: Arc::new(queue),
        keys,
        blobs: backends::blobs(folder, settings).await?,
        ids: IdMaker::new(clock.clone()),
        clock,
        models: settings.worker.models(folder),
        limits: settings.work.page_limits(),
        settings: settings.worker.clone(),
        computing,
    })
}
