//! The signals that end a process, and how long its end may take.

use std::{io, time::Duration};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::timeout,
};

/// See the module's text.
pub struct Endings {
    terminate: Signal,
    interrupt: Signal,
    /// Held from the beginning, so that a SIGHUP never ends the process; a hub's loop heeds it.
    _hangup: Signal,
}

impl Endings {
    /// Takes the signals over from now on.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            _hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for a signal; gives its name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    /// Waits for `ending`, not longer than `limit` nor beyond a second signal.
    pub async fn within(&mut self, limit: Duration, ending: impl Future<Output = ()>) {
        tokio::select! {
            ended = timeout(limit, ending) => match ended {
                Ok(()) => tracing::info!("ended"),
                Err(_) => tracing::warn!("some work did not end in time; it is taken up again at the next start"),
            },
            reason = self.next() => tracing::warn!(reason, "ending at once"),
        }
    }
}
