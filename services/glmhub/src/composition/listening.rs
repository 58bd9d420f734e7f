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
    /// The settings, with what the options say.
    pub fn settings(&self) -> anyhow::Result<Settings> {
        let listen = self.listen.map(|listen| ("server.listen", listen.to_string()));
        Ok(config::load(&self.place, listen.as_slice())?.settings)
    }
}
