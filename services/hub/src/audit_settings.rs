//! The settings of the audit log. `config.default.toml` gives the defaults and says why one would change them.

use serde::Deserialize;
use std::time::Duration;

/// The section `[audit]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditSettings {
    /// The log's name in checkpoints.
    pub origin: String,
    /// How often entries are sealed, in milliseconds.
    pub seal_milliseconds: u64,
    /// The most entries that are sealed in one transaction.
    pub most_entries: u32,
}

impl AuditSettings {
    /// Whether the values are within their limits.
    pub fn check(&self) -> Result<(), String> {
        let plain = |c: char| c.is_ascii_graphic() && c != '+';
        if self.origin.is_empty() || self.origin.len() > 200 || !self.origin.chars().all(plain) {
            return Err(format!(
                "audit.origin ({:?}) has 1 to 200 visible ASCII characters without a plus, such as hub.example.org/audit",
                self.origin
            ));
        }
        if self.seal_milliseconds == 0 {
            return Err("audit.seal_milliseconds is 0 and must be at least 1".into());
        }
        if !(1..=10_000).contains(&self.most_entries) {
            return Err(format!(
                "audit.most_entries ({}) must be from 1 to 10000, or sealing holds up other writers",
                self.most_entries
            ));
        }
        Ok(())
    }

    /// How long sealing waits when little is to be sealed.
    pub fn interval(&self) -> Duration {
        Duration::from_millis(self.seal_milliseconds)
    }
}
