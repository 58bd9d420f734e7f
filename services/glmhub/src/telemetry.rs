//! Logs, metrics and spans of the process.

pub mod measures;
mod sender;
pub mod spans;

use crate::config::{LogFormat, LogSettings};
use anyhow::Context as _;
use std::io::{self, IsTerminal as _};
use tracing_subscriber::EnvFilter;

/// Sends logs to stderr, so that stdout holds only what a command answers.
pub fn start_logs(settings: &LogSettings) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&settings.filter).context("log.filter")?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // A line that cannot be written, on a full disk for instance, is lost: telling of it would go the same way, and
        // end the thread that tried.
        .log_internal_errors(false)
        .with_writer(io::stderr);
    let human = match settings.format {
        LogFormat::Human => true,
        LogFormat::Json => false,
        LogFormat::Auto => io::stderr().is_terminal(),
    };
    let started = if human {
        logs.with_ansi(io::stderr().is_terminal()).try_init()
    } else {
        logs.json().flatten_event(true).try_init()
    };
    started.map_err(|error| anyhow::anyhow!("logs cannot be started: {error}"))
}
