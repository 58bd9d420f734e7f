//! The settings of the dashboard. `config.default.toml` gives the defaults and says why one would change them.

use serde::{Deserialize, Serialize};
use time::Duration;

/// The section `[dashboard]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DashboardSettings {
    /// Where browsers reach the hub; empty for where it listens.
    pub url: String,
    /// How long a link to sign in with is good, in seconds.
    pub link_seconds: u32,
    /// After how long without a request a session is over, in seconds.
    pub idle_seconds: u32,
    /// After how long a session is over in any case, in seconds.
    pub longest_seconds: u32,
}

impl DashboardSettings {
    /// Whether the values fit together. An error says which do not and what to change.
    pub fn check(&self) -> Result<(), String> {
        let usable = self.url.starts_with("https://") || self.url.starts_with("http://");
        if !self.url.is_empty() && !usable {
            return Err("dashboard.url must begin with https:// or http://, or be empty".into());
        }
        if self.link_seconds == 0 || self.idle_seconds == 0 || self.longest_seconds == 0 {
            return Err("dashboard.link_seconds, idle_seconds and longest_seconds must be at least 1".into());
        }
        Ok(())
    }

    /// Whether browsers reach the hub by TLS, so that the cookie shall go no other way.
    pub fn is_secure(&self) -> bool {
        self.url.starts_with("https://")
    }

    /// How long a link is good.
    pub fn link(&self) -> Duration {
        Duration::seconds(self.link_seconds.into())
    }

    /// How long a session lives unseen.
    pub fn idle(&self) -> Duration {
        Duration::seconds(self.idle_seconds.into())
    }

    /// How long a session lives.
    pub fn longest(&self) -> Duration {
        Duration::seconds(self.longest_seconds.into())
    }
}
