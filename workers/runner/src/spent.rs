//! Which grants this worker has used up: an order that somebody puts into the queue again is not worked at again.
//!
//! Another worker knows nothing of it. What it would report, the hub does not take: the attempt is over.

use domain::{grant::Grant, id::OrderId};
use std::{
    collections::{BTreeSet, HashSet},
    sync::{Mutex, PoisonError},
};

/// The orders and attempts whose work is done, until their grants are refused anyway.
#[derive(Default)]
pub(crate) struct Spent(Mutex<Done>);

/// An order and the attempt at it.
type Attempt = (OrderId, u32);

#[derive(Default)]
struct Done {
    attempts: HashSet<Attempt>,
    /// By the moment from which each is refused, so that those that are over are found without a look at all others.
    until: BTreeSet<(i64, Attempt)>,
}

impl Spent {
    /// Remembers that the work of `grant` is done. At `refused_from` (seconds since 1970) it is over by itself.
    pub(crate) fn note(&self, order: OrderId, attempt: u32, refused_from: i64) {
        let mut done = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        done.attempts.insert((order, attempt));
        done.until.insert((refused_from, (order, attempt)));
    }

    /// Whether the work of `grant` is done; forgets what is over at `now`.
    pub(crate) fn holds(&self, grant: &Grant, now: i64) -> bool {
        let mut done = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((refused_from, over)) = done.until.first().copied()
            && refused_from <= now
        {
            done.until.pop_first();
            done.attempts.remove(&over);
        }
        done.attempts.contains(&(grant.order, grant.attempt))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::Bench;

    #[tokio::test]
    async fn what_is_done_is_remembered_until_its_own_grant_is_over() {
        let bench = Bench::new().await;
        let [first, second] = [(); 2].map(|()| bench.grant(&[bench.question("Who signed?", 2)]));
        let again = Grant {
            attempt: second.attempt + 1,
            ..second.clone()
        };
        let spent = Spent::default();
        let holds = |now| [&first, &second, &again].map(|grant| spent.holds(grant, now));
        assert_eq!(holds(0), [false, false, false]);
        spent.note(second.order, second.attempt, 20);
        spent.note(first.order, first.attempt, 10);
        assert_eq!(holds(9), [true, true, false]);
        assert_eq!(holds(10), [false, true, false]);
        assert_eq!(holds(20), [false, false, false]);
        let done = spent.0.lock().unwrap();
        assert!(done.attempts.is_empty() && done.until.is_empty());
    }
}
