//! The settings of what is kept for how long. `config.default.toml` gives the defaults and says why one would change them.

use domain::deletion::{MOST_DAYS, Retention};
use serde::Deserialize;
use std::time::Duration;

/// The section `[retention]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionSettings {
    /// Days that documents are kept whose tenant says nothing; 0, if they stay.
    pub documents_days: u32,
    /// The same of answers.
    pub answers_days: u32,
    /// How often it is looked whose time is over, in seconds.
    pub look_seconds: u64,
}

impl RetentionSettings {
    /// Whether that can be kept.
    pub fn check(&self) -> Result<(), String> {
        for (name, days) in [
            ("documents_days", self.documents_days),
            ("answers_days", self.answers_days),
        ] {
            if days > MOST_DAYS {
                return Err(format!("retention.{name} is {days}, and the most is {MOST_DAYS}"));
            }
        }
        Ok(())
    }

    /// What holds for tenants that say nothing.
    pub fn usual(&self) -> Retention {
        let kept = |days: u32| (days > 0).then_some(days);
        Retention {
            documents_days: kept(self.documents_days),
            answers_days: kept(self.answers_days),
        }
    }

    /// The pause between two looks.
    pub fn look(&self) -> Duration {
        Duration::from_secs(self.look_seconds)
    }
}
