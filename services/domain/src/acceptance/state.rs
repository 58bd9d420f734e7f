//! What an acceptance can have come to.

use super::Judgement;
use crate::id::AcceptanceId;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use time::OffsetDateTime;

/// How an acceptance came to stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Since when.
    pub since: OffsetDateTime,
    /// The review that approved it, where one was needed.
    pub approved: Option<Judgement>,
}

/// What an acceptance has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It was made and not submitted yet: evidence may still be added. It allows nothing.
    Requested,
    /// A reviewer has yet to judge it. It allows nothing.
    UnderReview,
    /// It stands.
    Active(Standing),
    /// A reviewer refused it.
    Rejected {
        /// The review.
        judged: Judgement,
        /// Why.
        reason: String,
    },
    /// It stood, and a reviewer has stopped it for the time being.
    Suspended {
        /// How it stood.
        standing: Standing,
        /// By whom and when it was stopped.
        judged: Judgement,
        /// Why.
        reason: String,
    },
    /// It stood until its time was over.
    Expired {
        /// How it stood.
        standing: Standing,
        /// When that was noticed: at its `valid_until` or a little later.
        at: OffsetDateTime,
    },
    /// It stood, and was taken back.
    Revoked {
        /// How it stood.
        standing: Standing,
        /// By whom and when it was taken back.
        judged: Judgement,
        /// Why.
        reason: String,
    },
    /// It stood, and an acceptance of newer terms has taken its place.
    Superseded {
        /// How it stood.
        standing: Standing,
        /// The acceptance in its place.
        by: AcceptanceId,
        /// When.
        at: OffsetDateTime,
    },
}

impl State {
    /// The word for it.
    pub fn phase(&self) -> Phase {
        match self {
            State::Requested => Phase::Requested,
            State::UnderReview => Phase::UnderReview,
            State::Active(_) => Phase::Active,
            State::Rejected { .. } => Phase::Rejected,
            State::Suspended { .. } => Phase::Suspended,
            State::Expired { .. } => Phase::Expired,
            State::Revoked { .. } => Phase::Revoked,
            State::Superseded { .. } => Phase::Superseded,
        }
    }

    /// How it stands or stood; nothing if it never did.
    pub fn standing(&self) -> Option<&Standing> {
        match self {
            State::Requested | State::UnderReview | State::Rejected { .. } => None,
            State::Active(standing)
            | State::Suspended { standing, .. }
            | State::Expired { standing, .. }
            | State::Revoked { standing, .. }
            | State::Superseded { standing, .. } => Some(standing),
        }
    }
}

/// A state as one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// See [`State::Requested`].
    Requested,
    /// See [`State::UnderReview`].
    UnderReview,
    /// See [`State::Active`].
    Active,
    /// See [`State::Rejected`].
    Rejected,
    /// See [`State::Suspended`].
    Suspended,
    /// See [`State::Expired`].
    Expired,
    /// See [`State::Revoked`].
    Revoked,
    /// See [`State::Superseded`].
    Superseded,
}

impl Phase {
    /// Every one.
    pub const ALL: [Phase; 8] = [
        Phase::Requested,
        Phase::UnderReview,
        Phase::Active,
        Phase::Rejected,
        Phase::Suspended,
        Phase::Expired,
        Phase::Revoked,
        Phase::Superseded,
    ];

    /// The word in JSON and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Requested => "requested",
            Phase::UnderReview => "under_review",
            Phase::Active => "active",
            Phase::Rejected => "rejected",
            Phase::Suspended => "suspended",
            Phase::Expired => "expired",
            Phase::Revoked => "revoked",
            Phase::Superseded => "superseded",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The word names no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a state is one of requested, under_review, active, rejected, suspended, expired, revoked, superseded"
)]
pub struct BadPhase;

impl FromStr for Phase {
    type Err = BadPhase;

    fn from_str(text: &str) -> Result<Self, BadPhase> {
        Self::ALL
            .into_iter()
            .find(|phase| phase.as_str() == text)
            .ok_or(BadPhase)
    }
}
