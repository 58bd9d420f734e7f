//! What a tenant wants answers for. Licenses speak of purposes; so does every batch.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The use that a tenant declares for a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Academic work without commercial gain.
    Research,
    /// Trying out whether the model serves, without using the answers in business.
    Evaluation,
    /// Any use in business.
    Commercial,
}

impl Purpose {
    /// All purposes, from the freest to the most regulated.
    pub const ALL: [Purpose; 3] = [Purpose::Research, Purpose::Evaluation, Purpose::Commercial];

    /// The word in JSON, tables and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Purpose::Research => "research",
            Purpose::Evaluation => "evaluation",
            Purpose::Commercial => "commercial",
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The word names no purpose.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a purpose is one of research, evaluation, commercial")]
pub struct BadPurpose;

impl FromStr for Purpose {
    type Err = BadPurpose;

    fn from_str(text: &str) -> Result<Self, BadPurpose> {
        Self::ALL
            .into_iter()
            .find(|purpose| purpose.as_str() == text)
            .ok_or(BadPurpose)
    }
}
