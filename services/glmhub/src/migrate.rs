//! `glmhub migrate`: brings the tables up to date without starting a hub.

use crate::{
    config::{self, Place},
    data_folder::DataFolder,
};
use anyhow::Context as _;
use clap::Args;
use std::io::{self, Write as _};

const EXAMPLE: &str = "\
Examples:
  glmhub migrate
  glmhub migrate --data /srv/glmhub

On PostgreSQL (records.url) it has to be done before `glmhub serve` of a newer version starts; several at once wait for
each other. `glmhub up` does the same at its start.";

/// Brings the database's tables up to date
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct MigrateArgs {
    #[command(flatten)]
    place: Place,
}

/// Makes or updates the tables.
pub async fn run(args: MigrateArgs) -> anyhow::Result<()> {
    let settings = config::load(&args.place, &[])?.settings;
    let folder = DataFolder::open(&args.place.data)?;
    let (db, place) = (
        folder.open_records(&settings).await?,
        folder.place_of_records(&settings),
    );
    db.migrate().await.with_context(|| place.clone())?;
    db.close().await;
    writeln!(io::stdout(), "{place} is up to date")?;
    Ok(())
}
