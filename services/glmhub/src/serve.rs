//! `glmhub serve`: a hub among any number of others on the same PostgreSQL and Redis, without workers inside.
//!
//! All hubs are alike: each answers the API and takes its share of the loops. Whatever one of them had in hand when it
//! vanished, another takes up when the hold on it has ended.

use crate::{
    composition::{self, backends::Backends, listening::ListenArgs},
    data_folder::DataFolder,
    telemetry,
};
use clap::Args;

const EXAMPLE: &str = "\
Examples:
  glmhub serve
  glmhub serve --data /srv/glmhub --listen 0.0.0.0:8080

Needs PostgreSQL (records.url) with its tables up to date (`glmhub migrate`), Redis (queue.url), and the address under
which all hubs are reached (webhooks.public_url). All hubs need the same keys/hub.key and the same blobs: a bucket
(blobs.bucket) or a folder that all reach (blobs.folder), and a copy of the key. `glmhub worker` answers the pages.

Prints one line with its address when it is ready. Ends at SIGTERM or SIGINT (Ctrl-C), after the work in
progress; a second one ends it at once. Nothing that was accepted is lost either way. SIGHUP reads the policies again.";

/// Runs one of many hubs, on PostgreSQL and Redis
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct ServeArgs {
    #[command(flatten)]
    listening: ListenArgs,
}

/// Serves until it is told to end.
pub async fn run(args: ServeArgs) -> anyhow::Result<()> {
    let settings = args.listening.settings(None)?;
    telemetry::start_logs(&settings.log)?;
    let folder = DataFolder::open(&args.listening.place.data)?;
    let backends = Backends::shared(&folder, &settings).await?;
    composition::serve(&folder, settings, backends).await
}
