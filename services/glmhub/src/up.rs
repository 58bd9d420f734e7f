//! `glmhub up`: the whole hub in one process, on this machine alone.
//!
//! The records are an SQLite file, blobs a folder, the queue is in memory, workers are threads beside the HTTP
//! server. What was in the queue when a process ended is found missing and sent out again.

use crate::{
    composition::{self, backends::Backends, listening::ListenArgs},
    data_folder::DataFolder,
    telemetry,
    worker::KvArgs,
};
use clap::Args;

const EXAMPLE: &str = "\
Examples:
  glmhub up
  glmhub up --data /srv/glmhub --listen 127.0.0.1:9000
  glmhub up --kv-cache-type f16

Prints one line with its address when it is ready. Ends at SIGTERM or SIGINT (Ctrl-C), after the work in
progress; a second one ends it at once. Nothing that was accepted is lost either way. SIGHUP reads the policies again.";

/// Runs the whole hub on this machine
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct UpArgs {
    #[command(flatten)]
    listening: ListenArgs,
    #[command(flatten)]
    kv: KvArgs,
}

/// Serves until it is told to end.
pub async fn run(args: UpArgs) -> anyhow::Result<()> {
    let settings = args.listening.settings(args.kv.setting())?;
    telemetry::start_logs(&settings.log)?;
    let folder = DataFolder::open(&args.listening.place.data)?;
    let _lock = folder.lock()?;
    let backends = Backends::embedded(&folder, &settings).await?;
    composition::serve(&folder, settings, backends).await
}
