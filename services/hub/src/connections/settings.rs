//! The section `[connections]` of the settings. What each setting means stands in `config.default.toml`.

use serde::Deserialize;
use std::time::Duration;

/// The most headers that the HTTP server can read.
const READABLE_HEADERS: u64 = 96;
/// The most bytes of a request's head that the HTTP server can read.
const READABLE_BYTES: u64 = 131_072;
/// The most bytes of a URL that the HTTP server can read.
const READABLE_URL: u64 = 65_534;

/// How long clients are borne, and how much of a head is taken.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionSettings {
    /// The most connections at once.
    pub most_connections: usize,
    /// How long the head of a request may take, in seconds.
    pub head_seconds: u64,
    /// How long a connection is kept between two requests, in seconds.
    pub keep_alive_seconds: u64,
    /// How long the hub waits for [`least_body_bytes`](Self::least_body_bytes) more of a body, in seconds.
    pub body_seconds: u64,
    /// What must come of a body in that time, in bytes.
    pub least_body_bytes: u64,
    /// How long the end of a connection may take, in seconds.
    pub close_seconds: u64,
    /// The most bytes of a path with its query.
    pub most_url_bytes: usize,
    /// The most headers.
    pub most_headers: usize,
    /// The most bytes of the names and values of all headers.
    pub most_header_bytes: usize,
}

impl ConnectionSettings {
    /// Whether the values make sense. An error says which does not.
    pub fn check(&self) -> Result<(), String> {
        let within = [
            ("most_connections", self.most_connections as u64, u64::MAX),
            ("head_seconds", self.head_seconds, u64::MAX),
            ("keep_alive_seconds", self.keep_alive_seconds, u64::MAX),
            ("body_seconds", self.body_seconds, u64::MAX),
            ("least_body_bytes", self.least_body_bytes, u64::MAX),
            ("close_seconds", self.close_seconds, u64::MAX),
            ("most_url_bytes", self.most_url_bytes as u64, READABLE_URL),
            ("most_headers", self.most_headers as u64, READABLE_HEADERS),
            ("most_header_bytes", self.most_header_bytes as u64, READABLE_BYTES),
        ];
        for (name, value, most) in within {
            if value == 0 {
                return Err(format!("connections.{name} is 0 and must be at least 1"));
            }
            if value > most {
                return Err(format!(
                    "connections.{name} is {value} and must be at most {most}"
                ));
            }
        }
        Ok(())
    }

    /// How long the head of a request may take.
    pub fn head(&self) -> Duration {
        Duration::from_secs(self.head_seconds)
    }

    /// How long a connection is kept between two requests.
    pub fn keep_alive(&self) -> Duration {
        Duration::from_secs(self.keep_alive_seconds)
    }

    /// How long the end of a connection may take.
    pub fn close(&self) -> Duration {
        Duration::from_secs(self.close_seconds)
    }

    pub(super) fn body(&self) -> Duration {
        Duration::from_secs(self.body_seconds)
    }
}
