//! How much a tenant, or an API key, may ask for in a while.

use serde::{Deserialize, Serialize};
use std::num::{NonZeroU32, NonZeroU64};

/// Limits. What is `None` has no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Requests in a minute, all of them at once or one after another, of each hub process.
    pub requests_per_minute: Option<NonZeroU32>,
    /// Pages of documents in a day of UTC.
    pub pages_per_day: Option<NonZeroU64>,
    /// Tokens read and written for answers in a day of UTC.
    pub tokens_per_day: Option<NonZeroU64>,
}

impl Limits {
    /// These, and where they have no bound that of `others`.
    pub fn or(self, others: Self) -> Self {
        Self {
            requests_per_minute: self.requests_per_minute.or(others.requests_per_minute),
            pages_per_day: self.pages_per_day.or(others.pages_per_day),
            tokens_per_day: self.tokens_per_day.or(others.tokens_per_day),
        }
    }

    /// Whether a day's use is bounded.
    pub fn has_quotas(&self) -> bool {
        self.pages_per_day.is_some() || self.tokens_per_day.is_some()
    }
}

/// What was used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Pages that documents were split into.
    pub pages: u64,
    /// Answers that were stored.
    pub answers: u64,
    /// Tokens of pages and questions that were read for them.
    pub input_tokens: u64,
    /// Tokens that were written.
    pub output_tokens: u64,
}

impl Usage {
    /// This and `more`.
    pub fn plus(self, more: Self) -> Self {
        Self {
            pages: self.pages.saturating_add(more.pages),
            answers: self.answers.saturating_add(more.answers),
            input_tokens: self.input_tokens.saturating_add(more.input_tokens),
            output_tokens: self.output_tokens.saturating_add(more.output_tokens),
        }
    }

    /// All tokens.
    pub fn tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }
}

/// A day's use that is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quota {
    /// See [`Limits::pages_per_day`].
    Pages,
    /// See [`Limits::tokens_per_day`].
    Tokens,
}

impl Quota {
    /// All there are.
    pub const ALL: [Self; 2] = [Self::Pages, Self::Tokens];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Quota::Pages => "pages",
            Quota::Tokens => "tokens",
        }
    }

    /// The bound in `limits`, if it has one, and how much of it `usage` leaves.
    pub fn left(self, limits: &Limits, usage: &Usage) -> Option<(u64, u64)> {
        let (most, used) = match self {
            Quota::Pages => (limits.pages_per_day, usage.pages),
            Quota::Tokens => (limits.tokens_per_day, usage.tokens()),
        };
        most.map(|most| (most.get(), most.get().saturating_sub(used)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_up_leaves_nothing_and_what_has_no_bound_is_not_told() {
        let limits = Limits {
            tokens_per_day: NonZeroU64::new(10),
            ..Limits::default()
        };
        let used = |input_tokens, output_tokens| Usage {
            pages: 99,
            input_tokens,
            output_tokens,
            ..Usage::default()
        };
        assert_eq!(Quota::Pages.left(&limits, &used(1, 1)), None);
        assert_eq!(Quota::Tokens.left(&limits, &used(4, 5)), Some((10, 1)));
        assert_eq!(Quota::Tokens.left(&limits, &used(5, 5)), Some((10, 0)));
        assert_eq!(Quota::Tokens.left(&limits, &used(u64::MAX, 5)), Some((10, 0)));
    }

    #[test]
    fn own_limits_go_before_those_of_all() {
        let own = Limits {
            requests_per_minute: NonZeroU32::new(1),
            ..Limits::default()
        };
        let all = Limits {
            requests_per_minute: NonZeroU32::new(2),
            pages_per_day: NonZeroU64::new(3),
            tokens_per_day: None,
        };
        let both = own.or(all);
        assert_eq!(
            (both.requests_per_minute, both.pages_per_day),
            (own.requests_per_minute, all.pages_per_day)
        );
        assert!(both.has_quotas() && !own.has_quotas());
    }
}
