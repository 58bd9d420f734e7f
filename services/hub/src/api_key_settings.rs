//! The section `[api_keys]` of the settings. What each setting means stands in `config.default.toml`.

use serde::{Deserialize, Serialize};

/// How long API keys last, and how many there may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKeySettings {
    /// The most keys of a tenant that are good.
    pub most_keys: u32,
    /// How long a key is good unless its maker says so, in days.
    pub usual_days: u32,
    /// How long a key may be good, in days.
    pub most_days: u32,
    /// How long a rotated key's old secret stays good at most, in hours.
    pub most_overlap_hours: u32,
}

impl ApiKeySettings {
    /// Whether the values fit together. An error says which do not.
    pub fn check(&self) -> Result<(), String> {
        if self.usual_days == 0 || self.usual_days > self.most_days {
            return Err(format!(
                "api_keys.usual_days ({}) must be from 1 to most_days ({})",
                self.usual_days, self.most_days
            ));
        }
        // Moments are kept up to the year 9999.
        match self.most_days {
            ..=36_500 => Ok(()),
            days => Err(format!("api_keys.most_days ({days}) must be at most 36500")),
        }
    }
}
