//! The settings of acceptances and terms. `config.default.toml` gives the defaults and says why one would change them.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The section `[acceptances]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcceptanceSettings {
    /// How many days before its end a reminder of it is told.
    pub remind_days: Vec<u32>,
    /// How often the ends of acceptances are looked after, in seconds.
    pub check_seconds: u64,
    /// The most files of evidence of an acceptance.
    pub most_evidence_files: u32,
    /// The most bytes of a file of evidence.
    pub most_evidence_bytes: u64,
    /// The media types that evidence may be sent with.
    pub evidence_media_types: Vec<String>,
    /// The most comments on an acceptance.
    pub most_comments: u32,
    /// The most bytes of a text of terms that is published.
    pub most_terms_bytes: usize,
}

/// The longest before its end that an acceptance can be reminded of: longer than it can last.
const LONGEST_REMINDER: u32 = 3653;

impl AcceptanceSettings {
    /// Whether the values can be. An error says which cannot and what to change.
    pub fn check(&self) -> Result<(), String> {
        if let Some(days) = self
            .remind_days
            .iter()
            .find(|&&days| days == 0 || days > LONGEST_REMINDER)
        {
            return Err(format!(
                "acceptances.remind_days has {days}, and each must be from 1 to {LONGEST_REMINDER}"
            ));
        }
        if self.check_seconds == 0 {
            return Err("acceptances.check_seconds must be at least 1".into());
        }
        if self.most_evidence_bytes == 0 || self.most_terms_bytes == 0 {
            return Err(
                "acceptances.most_evidence_bytes and most_terms_bytes must be at least 1, or nothing can be sent"
                    .into(),
            );
        }
        // They are answered with again: what could be taken for a page of the hub is not among them.
        let active = |kind: &&String| {
            let kind = kind.to_ascii_lowercase();
            kind.contains("html") || kind.contains("xml") || kind.contains("script")
        };
        match self.evidence_media_types.iter().find(active) {
            Some(kind) => Err(format!(
                "acceptances.evidence_media_types has {kind}, which a browser would execute; leave it out"
            )),
            None => Ok(()),
        }
    }

    /// Days before the end, the nearest first.
    pub fn reminders(&self) -> Vec<u32> {
        let mut days = self.remind_days.clone();
        days.sort_unstable();
        days
    }

    /// How long the loop waits.
    pub fn pause(&self) -> Duration {
        Duration::from_secs(self.check_seconds)
    }

    /// Whether evidence may have this media type.
    pub fn takes(&self, media_type: &str) -> bool {
        self.evidence_media_types
            .iter()
            .any(|known| known.eq_ignore_ascii_case(media_type))
    }
}
