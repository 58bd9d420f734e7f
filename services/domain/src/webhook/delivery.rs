//! A delivery: one event on its way to one endpoint.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use time::{Duration, OffsetDateTime};

/// Every attempt failed.
pub const EXHAUSTED: &str = "exhausted";
/// The receiver answered 410.
pub const ENDPOINT_GONE: &str = "endpoint_gone";
/// The endpoint was disabled before it could be sent.
pub const ENDPOINT_DISABLED: &str = "endpoint_disabled";
/// The endpoint was deleted before it could be sent.
pub const ENDPOINT_DELETED: &str = "endpoint_deleted";
/// The guard lets nothing out to that URL.
pub const URL_REFUSED: &str = "url_refused";

/// What is true of a delivery now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryState {
    /// It is to be sent.
    Pending {
        /// When; while it is being sent, when it would be sent again if the sender vanished.
        due_at: OffsetDateTime,
    },
    /// The receiver took it.
    Delivered {
        /// When.
        at: OffsetDateTime,
    },
    /// It will not be sent again, unless somebody asks.
    Failed {
        /// Since when.
        at: OffsetDateTime,
        /// Why, as a stable word.
        code: String,
    },
    /// The guard refused the address. It will not be sent again, unless somebody asks.
    Refused {
        /// When.
        at: OffsetDateTime,
        /// Why, as a stable word.
        code: String,
    },
}

/// The states without their facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryPhase {
    /// See [`DeliveryState::Pending`].
    Pending,
    /// See [`DeliveryState::Delivered`].
    Delivered,
    /// See [`DeliveryState::Failed`].
    Failed,
    /// See [`DeliveryState::Refused`].
    Refused,
}

impl DeliveryPhase {
    /// All of them.
    pub const ALL: [DeliveryPhase; 4] = [Self::Pending, Self::Delivered, Self::Failed, Self::Refused];

    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Refused => "refused",
        }
    }
}

impl fmt::Display for DeliveryPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The word names no state of deliveries.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a delivery is pending, delivered, failed or refused")]
pub struct BadDeliveryPhase;

impl FromStr for DeliveryPhase {
    type Err = BadDeliveryPhase;

    fn from_str(text: &str) -> Result<Self, BadDeliveryPhase> {
        Self::ALL
            .into_iter()
            .find(|phase| phase.as_str() == text)
            .ok_or(BadDeliveryPhase)
    }
}

impl DeliveryState {
    /// The state without its facts.
    pub fn phase(&self) -> DeliveryPhase {
        match self {
            DeliveryState::Pending { .. } => DeliveryPhase::Pending,
            DeliveryState::Delivered { .. } => DeliveryPhase::Delivered,
            DeliveryState::Failed { .. } => DeliveryPhase::Failed,
            DeliveryState::Refused { .. } => DeliveryPhase::Refused,
        }
    }
}

/// What came of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// The receiver took it.
    Taken,
    /// It did not, or could not be reached.
    NotTaken {
        /// How long it asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// It wants no webhooks any more.
    Gone,
    /// The guard let nothing out.
    Refused,
}

/// When a delivery that was not taken is sent again.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryLadder {
    /// The pause after each failed attempt. After the last one it has failed.
    pub pauses: Vec<Duration>,
    /// By which part of itself a pause is lengthened at most, so that what failed together does not come together.
    pub jitter: f64,
    /// The longest that a receiver may ask to be left alone.
    pub longest_retry_after: Duration,
}

impl RetryLadder {
    /// What is true of a delivery after an attempt that ended `now`. `tries` attempts failed before it; `random` is
    /// from 0 to 1.
    pub fn after(&self, sent: Sent, tries: u32, random: f64, now: OffsetDateTime) -> DeliveryState {
        let failed = |code: &str| DeliveryState::Failed {
            at: now,
            code: code.into(),
        };
        match sent {
            Sent::Taken => DeliveryState::Delivered { at: now },
            Sent::Gone => failed(ENDPOINT_GONE),
            Sent::Refused => DeliveryState::Refused {
                at: now,
                code: URL_REFUSED.into(),
            },
            Sent::NotTaken { retry_after } => match self.pauses.get(tries as usize) {
                None => failed(EXHAUSTED),
                Some(pause) => {
                    let pause = *pause * (1.0 + self.jitter * random);
                    let asked = retry_after
                        .unwrap_or(Duration::ZERO)
                        .min(self.longest_retry_after);
                    DeliveryState::Pending {
                        due_at: crate::clock::to_microseconds(now + pause.max(asked)),
                    }
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn ladder() -> RetryLadder {
        RetryLadder {
            pauses: vec![Duration::seconds(5), Duration::minutes(5)],
            jitter: 0.2,
            longest_retry_after: Duration::hours(1),
        }
    }

    fn due(after: Duration) -> DeliveryState {
        DeliveryState::Pending { due_at: NOW + after }
    }

    #[test]
    fn each_failure_climbs_a_rung_until_none_is_left() {
        let failed = Sent::NotTaken { retry_after: None };
        assert_eq!(ladder().after(failed, 0, 0.0, NOW), due(Duration::seconds(5)));
        assert_eq!(ladder().after(failed, 1, 1.0, NOW), due(Duration::minutes(6)));
        let code = EXHAUSTED.into();
        assert_eq!(
            ladder().after(failed, 2, 0.0, NOW),
            DeliveryState::Failed { at: NOW, code }
        );
    }

    #[test]
    fn a_receiver_may_ask_for_a_longer_pause_within_a_limit_but_not_for_a_shorter_one() {
        let asked = |by| Sent::NotTaken {
            retry_after: Some(by),
        };
        assert_eq!(
            ladder().after(asked(Duration::minutes(2)), 0, 0.0, NOW),
            due(Duration::minutes(2))
        );
        assert_eq!(
            ladder().after(asked(Duration::days(9)), 0, 0.0, NOW),
            due(Duration::hours(1))
        );
        assert_eq!(
            ladder().after(asked(Duration::ZERO), 0, 0.0, NOW),
            due(Duration::seconds(5))
        );
        assert_eq!(
            ladder().after(asked(Duration::seconds(-9)), 0, 0.0, NOW),
            due(Duration::seconds(5))
        );
    }

    #[test]
    fn what_the_guard_refuses_does_not_walk_the_ladder() {
        let state = ladder().after(Sent::Refused, 0, 0.0, NOW);
        assert_eq!(
            state,
            DeliveryState::Refused {
                at: NOW,
                code: URL_REFUSED.into()
            }
        );
    }

    #[test]
    fn every_state_reads_back_as_itself() {
        for phase in DeliveryPhase::ALL {
            assert_eq!(phase.as_str().parse(), Ok(phase));
        }
    }
}
