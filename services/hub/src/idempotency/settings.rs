//! The section `[idempotency]` of the settings. What each setting means stands in `config.default.toml`.

use serde::Deserialize;
use time::{Duration, OffsetDateTime};

/// How requests are known that are sent again.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdempotencySettings {
    /// The most characters of a key.
    pub most_key_characters: usize,
    /// How long a key is remembered, in hours.
    pub keep_hours: u32,
    /// How long a request that is not answered yet keeps others out, in seconds.
    pub hold_seconds: u32,
    /// How long OpenAI's clients may send a request again, in seconds.
    pub retry_seconds: u32,
    /// The most bytes of an answer that is kept.
    pub most_kept_bytes: usize,
    /// The most bytes of a body that is looked at before it is handed on.
    pub most_body_bytes: usize,
}

/// How long a request is known.
#[derive(Clone, Copy)]
pub(super) struct Until {
    /// Its repetitions wait for it until then.
    pub(super) held: OffsetDateTime,
    /// What it makes is remembered until then.
    pub(super) kept: OffsetDateTime,
}

impl IdempotencySettings {
    /// Whether the values make sense. An error says which does not.
    pub fn check(&self) -> Result<(), String> {
        let least = [
            ("most_key_characters", self.most_key_characters as u64),
            ("keep_hours", self.keep_hours.into()),
            ("hold_seconds", self.hold_seconds.into()),
            ("retry_seconds", self.retry_seconds.into()),
            ("most_body_bytes", self.most_body_bytes as u64),
        ];
        match least.into_iter().find(|(_, value)| *value == 0) {
            Some((name, _)) => Err(format!("idempotency.{name} is 0 and must be at least 1")),
            None => Ok(()),
        }
    }

    /// For a request of `now` with a key.
    pub(super) fn of_key(&self, now: OffsetDateTime) -> Until {
        self.until(now, Duration::hours(self.keep_hours.into()))
    }

    /// For a request of `now` that is its own key.
    pub(super) fn of_request(&self, now: OffsetDateTime) -> Until {
        self.until(now, self.retried_for())
    }

    fn until(&self, now: OffsetDateTime, kept: Duration) -> Until {
        Until {
            held: now + Duration::seconds(self.hold_seconds.into()),
            kept: now + kept,
        }
    }

    /// How long a client may send a request again.
    pub fn retried_for(&self) -> Duration {
        Duration::seconds(self.retry_seconds.into())
    }
}
