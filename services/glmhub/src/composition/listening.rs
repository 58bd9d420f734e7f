//! The options of whoever serves HTTP: which data folder, and where to listen.

use crate::config::{self, Place, Settings};
use clap::Args;
use std::net::SocketAddr;

/// Where a hub is and listens.
#[derive(Args, Debug)]
pub struct ListenArgs {
    #[command(flatten)]
    pub place: Place,
    /// Where to listen; port 0 takes a free one [default: server.listen of the settings]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
}

impl ListenArgs {
    /// The settings, with what these options say and what `others` do.
    pub fn settings(&self, others: Option<(&'static str, String)>) -> anyhow::Result<Settings> {
        let listen = self.listen.map(|listen| ("server.listen", listen.to_string()));
        let said: Vec<_> = listen.into_iter().chain(others).collect();
        Ok(config::load(&self.place, &said)?.settings)
    }
}
