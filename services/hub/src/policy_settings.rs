//! The section `[policies]` of the settings. What each setting means stands in `config.default.toml`.

use serde::Deserialize;
use std::path::PathBuf;

/// The most decisions that a simulation may be allowed to replay: two questions to the rules for each.
const MOST: u32 = 1_000_000;

/// Where an organisation's own policies are, and how far a simulation goes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicySettings {
    /// The folder of own policies.
    pub folder: PathBuf,
    /// The most decisions that a simulation replays.
    pub most_replayed: u32,
}

impl PolicySettings {
    /// Whether the values make sense. An error says which does not.
    pub fn check(&self) -> Result<(), String> {
        match (1..=MOST).contains(&self.most_replayed) {
            true => Ok(()),
            false => Err(format!(
                "policies.most_replayed is {} and must be 1 to {MOST}",
                self.most_replayed
            )),
        }
    }
}
