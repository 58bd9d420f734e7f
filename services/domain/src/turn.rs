//! Whose turn it is: orders go out to tenants in rounds, by weight.
//!
//! In each round a tenant may send as many questions as its weight says. Deficit round-robin, in the form that needs to
//! know what an order costs only afterwards: an order that costs more than the tenant has left goes out whole, and the
//! tenant sits out the rounds that pay for it. So what tenants with work get differs by no more than an order.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Where a tenant stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// The round in which it may send next. The lowest is served first.
    pub round: u64,
    /// What it may still send in that round, in questions; never nothing.
    pub credit: u64,
    /// What each round gives it.
    pub weight: u64,
}

impl Turn {
    /// An order of `questions` goes out. `begun` is the latest round that was begun by anybody: a tenant that had
    /// nothing to send until then gets no rounds afterwards that passed without it.
    pub fn serve(self, questions: u64, begun: u64) -> Self {
        let weight = self.weight.max(1);
        let now = self.joining(begun);
        if questions < now.credit {
            return Self {
                credit: now.credit - questions,
                ..now
            };
        }
        let owed = questions - now.credit;
        let rounds = owed / weight + 1;
        Self {
            round: now.round.saturating_add(rounds),
            credit: rounds * weight - owed,
            weight,
        }
    }

    /// Where it stands when its order goes out: in no round before `begun`.
    pub fn joining(self, begun: u64) -> Self {
        if self.round >= begun {
            return self;
        }
        Self {
            round: begun,
            credit: self.weight.max(1),
            ..self
        }
    }
}

/// Which of a tenant's own pages go first. It decides nothing between tenants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// After everything else.
    Low,
    /// If nothing is said.
    #[default]
    Normal,
    /// Before everything else.
    High,
}

impl Priority {
    /// All of them, the lowest first.
    pub const ALL: [Priority; 3] = [Priority::Low, Priority::Normal, Priority::High];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Priority::Low => "low",
            Priority::Normal => "normal",
            Priority::High => "high",
        }
    }

    /// As a number that sorts.
    pub fn rank(self) -> i64 {
        self as i64
    }

    /// What a number means.
    pub fn of_rank(rank: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|priority| priority.rank() == rank)
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The word names no priority.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a priority is low, normal or high")]
pub struct BadPriority;

impl FromStr for Priority {
    type Err = BadPriority;

    fn from_str(text: &str) -> Result<Self, BadPriority> {
        let mut all = Self::ALL.into_iter();
        all.find(|priority| priority.as_str() == text).ok_or(BadPriority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn turn(round: u64, credit: u64, weight: u64) -> Turn {
        Turn {
            round,
            credit,
            weight,
        }
    }

    #[test]
    fn an_order_that_costs_more_than_a_round_gives_is_paid_for_by_sitting_out() {
        assert_eq!(turn(7, 1, 1).serve(64, 7), turn(71, 1, 1));
        assert_eq!(turn(7, 3, 3).serve(2, 7), turn(7, 1, 3));
        assert_eq!(turn(7, 1, 3).serve(2, 7), turn(8, 2, 3));
    }

    #[test]
    fn who_comes_late_does_not_get_the_rounds_that_passed() {
        assert_eq!(turn(2, 1, 4).serve(1, 100), turn(100, 3, 4));
        assert_eq!(turn(2, 1, 1).serve(1, 100), turn(101, 1, 1));
    }

    #[test]
    fn a_debt_outlasts_having_nothing_to_send() {
        let in_debt = turn(0, 1, 1).serve(64, 0);
        assert_eq!(in_debt.joining(10), in_debt);
    }

    proptest! {
        /// The rule of the records: the lowest round goes first, and a tie goes by name.
        #[test]
        fn what_tenants_get_keeps_to_their_weights(
            tenants in prop::collection::vec((1u64..9, 1u64..65), 2..9),
        ) {
            let largest = tenants.iter().map(|(_, cost)| *cost).max().unwrap_or(1);
            let mut turns: Vec<Turn> = tenants.iter().map(|(weight, _)| turn(0, *weight, *weight)).collect();
            let (mut sent, mut begun) = (vec![0u64; turns.len()], 0);
            for _ in 0..4_000 {
                let next = (0..turns.len()).min_by_key(|place| turns[*place].round).unwrap();
                begun = begun.max(turns[next].round);
                turns[next] = turns[next].serve(tenants[next].1, begun);
                sent[next] += tenants[next].1;
            }
            // Each got its weight for every round that passed, give or take one round and one order.
            for (place, (weight, _)) in tenants.iter().enumerate() {
                let due = weight * begun;
                prop_assert!(sent[place] + weight >= due, "{} of {due}", sent[place]);
                prop_assert!(sent[place] <= due + weight + largest, "{} of {due}", sent[place]);
            }
        }
    }

    #[test]
    fn a_priority_is_one_of_three_words() {
        for priority in Priority::ALL {
            assert_eq!(priority.as_str().parse(), Ok(priority));
            assert_eq!(Priority::of_rank(priority.rank()), Some(priority));
        }
        assert_eq!("urgent".parse::<Priority>(), Err(BadPriority));
        assert_eq!(Priority::of_rank(3), None);
    }
}
