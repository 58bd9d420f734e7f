//! `glmhub migrate`: brings the tables up to date without starting the hub.

use crate::{
    config::{self, Place},
    data_folder::DataFolder,
};
use clap::Args;
use std::io::{self, Write as _};

const EXAMPLE: &str = "\
Examples:
  glmhub migrate
  glmhub migrate --data /srv/glmhub

`glmhub up` does the same at its start.";

/// Brings the database's tables up to date
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct MigrateArgs {
    #[command(flatten)]
    place: Place,
}

/// Makes or updates the tables.
pub async fn run(args: MigrateArgs) -> anyhow::Result<()> {
    let loaded = config::load(&args.place, &[])?;
    let folder = DataFolder::open(&args.place.data)?;
    folder.records(&loaded.settings).await?.close().await;
    writeln!(io::stdout(), "{} is up to date", folder.records_file().display())?;
    Ok(())
}
