//! A hub, composed: what it is made of, its loops, its HTTP server, and its end. `glmhub up` and `glmhub serve` differ
//! only in the [backends](backends::Backends) that they bring.

pub mod backends;
mod checkpoints;
mod cors;
mod crew;
mod endings;
mod hangups;
pub mod listening;
mod pieces;
mod prompt_tokens;
mod scratch;
mod server;
pub mod upkeep;
pub mod workers;

pub use endings::Endings;

use crate::{
    config::Settings,
    data_folder::DataFolder,
    open_files,
    telemetry::{measures::Measures, spans::Spans},
};
use anyhow::{Context as _, bail};
use backends::Backends;
use crew::Crew;
use pieces::Pieces;
use std::io::{self, Write as _};

/// Serves until it is told to end.
pub async fn serve(folder: &DataFolder, settings: Settings, backends: Backends) -> anyhow::Result<()> {
    let (measures, metrics) = Measures::start_to_serve(&settings.telemetry)?;
    let spans = Spans::start(&settings.telemetry)?;
    open_files::raise();
    let mut endings = Endings::listen()?;
    let pieces = Pieces::assemble(folder, settings, backends, metrics).await?;
    let (server, addresses) = server::bind(&pieces)?;
    let address = *addresses.first().context("the server has no address")?;
    let crew = Crew::start(&pieces, address, measures.are_sent()).await?;
    let handle = server.handle();
    let mut server = tokio::spawn(server);
    // The one line of stdout: whoever starts a hub waits for it.
    writeln!(io::stdout(), "glmhub is ready at http://{address}")?;
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "ready");
    let reason = tokio::select! {
        reason = endings.next() => reason,
        ended = &mut server => bail!("the HTTP server ended by itself: {ended:?}; start the hub again"),
    };
    tracing::info!(reason, "ending");
    pieces.signals.ending.cancel();
    let ending = async {
        let _ = tokio::join!(handle.stop(true), crew.end(), server);
        pieces.db.close().await;
        tokio::join!(spans.end(), measures.end());
    };
    endings.within(pieces.settings.server.shutdown(), ending).await;
    Ok(())
}
