//! The settings of webhooks. `config.default.toml` gives the defaults and says why one would change them.

use domain::webhook::delivery::RetryLadder;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The section `[webhooks]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSettings {
    /// What the URLs in events begin with; empty for the address that the hub listens on.
    pub public_url: String,
    /// The most endpoints of a tenant.
    pub most_endpoints: u32,
    /// For how long what webhooks were signed with before is used after keys were changed, in seconds.
    pub longest_overlap_seconds: u32,
    /// How long a receiver may take to answer, in seconds.
    pub timeout_seconds: u64,
    /// The pause after each failed attempt, in seconds.
    pub retry_seconds: Vec<u64>,
    /// By how many hundredths of itself a pause is lengthened at most.
    pub jitter_percent: u8,
    /// The longest that a receiver may ask to be left alone, in seconds.
    pub longest_retry_after_seconds: u64,
    /// For how long an endpoint may take nothing before it is disabled, in seconds; 0 is for ever.
    pub disable_after_seconds: u64,
    /// How many are sent at once.
    pub sends_at_once: usize,
    /// How many are sent at once to one endpoint.
    pub sends_at_once_per_endpoint: usize,
    /// How long a sender that vanished keeps a delivery from being sent, in seconds.
    pub claim_seconds: u64,
    /// How long the loop waits before it looks again, in milliseconds.
    pub idle_milliseconds: u64,
}

impl WebhookSettings {
    /// Whether the values fit together. An error says which do not and what to change.
    pub fn check(&self) -> Result<(), String> {
        if self.sends_at_once == 0 || self.sends_at_once_per_endpoint == 0 {
            return Err("webhooks.sends_at_once and sends_at_once_per_endpoint must be at least 1".into());
        }
        if self.claim_seconds < self.timeout_seconds.saturating_add(5) {
            return Err(format!(
                "webhooks.claim_seconds ({}) must be at least 5 above timeout_seconds ({}), or a webhook is sent twice: \
                 raise one or lower the other",
                self.claim_seconds, self.timeout_seconds
            ));
        }
        let usable = |url: &str| url.starts_with("https://") || url.starts_with("http://");
        if !self.public_url.is_empty() && !usable(&self.public_url) {
            return Err("webhooks.public_url must begin with https:// or http://, or be empty".into());
        }
        Ok(())
    }

    /// What URLs in events begin with, for a hub that listens on `address`.
    pub fn base_url(&self, address: std::net::SocketAddr) -> String {
        match self.public_url.trim_end_matches('/') {
            "" => format!("http://{address}"),
            url => url.to_owned(),
        }
    }

    /// When what failed is sent again.
    pub fn ladder(&self) -> RetryLadder {
        RetryLadder {
            pauses: self.retry_seconds.iter().map(|&pause| seconds(pause)).collect(),
            jitter: f64::from(self.jitter_percent) / 100.0,
            longest_retry_after: seconds(self.longest_retry_after_seconds),
        }
    }

    /// How long a receiver may take.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds)
    }

    /// For how long an endpoint may take nothing, if it is disabled then.
    pub fn disable_after(&self) -> Option<time::Duration> {
        (self.disable_after_seconds > 0).then(|| seconds(self.disable_after_seconds))
    }

    /// How long a claim holds.
    pub fn claim(&self) -> time::Duration {
        seconds(self.claim_seconds)
    }

    /// How long the loop waits.
    pub fn idle(&self) -> Duration {
        Duration::from_millis(self.idle_milliseconds)
    }
}

fn seconds(number: u64) -> time::Duration {
    time::Duration::seconds(i64::try_from(number).unwrap_or(i64::MAX))
}
