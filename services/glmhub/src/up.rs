//! `glmhub up`: the whole hub in one process, on this machine alone.
//!
//! The records are an SQLite file, blobs a folder, the queue is in memory, workers are threads beside the HTTP
//! server. What was in the queue when a process ended is found missing and sent out again.

mod crew;
mod hangups;
mod pieces;
mod server;

use crate::{
    config::{self, Place},
    data_folder::DataFolder,
    telemetry,
};
use anyhow::{Context as _, bail};
use clap::Args;
use crew::Crew;
use pieces::Pieces;
use std::{
    io::{self, Write as _},
    net::SocketAddr,
    time::Duration,
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::timeout,
};

const EXAMPLE: &str = "\
Examples:
  glmhub up
  glmhub up --data /srv/glmhub --listen 127.0.0.1:9000

Prints one line with its address when it is ready. Ends at SIGTERM or SIGINT (Ctrl-C), after the work in
progress; a second one ends it at once. Nothing that was accepted is lost either way. SIGHUP reads the policies again.";

/// Runs the whole hub on this machine
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct UpArgs {
    #[command(flatten)]
    place: Place,
    /// Where to listen; port 0 takes a free one [default: server.listen of the settings]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
}

/// Serves until it is told to end.
pub async fn run(args: UpArgs) -> anyhow::Result<()> {
    let listen = args.listen.map(|listen| ("server.listen", listen.to_string()));
    let settings = config::load(&args.place, listen.as_slice())?.settings;
    telemetry::start_logs(&settings.log)?;
    let metrics = telemetry::start_metrics()?;
    let folder = DataFolder::open(&args.place.data)?;
    let _lock = folder.lock()?;
    let mut endings = Endings::listen()?;
    let pieces = Pieces::assemble(&folder, settings, metrics).await?;
    let (server, addresses) = server::bind(&pieces)?;
    let address = *addresses.first().context("the server has no address")?;
    let crew = Crew::start(&pieces, address).await?;
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
    let ending = async {
        let _ = tokio::join!(handle.stop(true), crew.end(), server);
        pieces.db.close().await;
    };
    end_within(pieces.settings.server.shutdown(), ending, &mut endings).await;
    Ok(())
}

/// Waits for `ending`, not longer than `limit` nor beyond a second signal.
async fn end_within(limit: Duration, ending: impl Future<Output = ()>, endings: &mut Endings) {
    tokio::select! {
        ended = timeout(limit, ending) => match ended {
            Ok(()) => tracing::info!("ended"),
            Err(_) => tracing::warn!("some work did not end in time; it is taken up again at the next start"),
        },
        reason = endings.next() => tracing::warn!(reason, "ending at once"),
    }
}

/// The signals that end the hub.
struct Endings {
    terminate: Signal,
    interrupt: Signal,
    /// Held from the beginning, so that a SIGHUP never ends the hub; [`hangups`] heeds it.
    _hangup: Signal,
}

impl Endings {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            _hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
