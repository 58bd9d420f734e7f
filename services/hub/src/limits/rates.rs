//! Requests in a minute, counted in this process by the generic cell rate algorithm.

use super::{
    Whose,
    left::{Left, Of},
};
use governor::{
    Quota, RateLimiter,
    clock::{Clock, MonotonicClock, Reference},
    middleware::StateInformationMiddleware,
    state::{InMemoryState, NotKeyed},
};
use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::Duration,
};

const MINUTE: Duration = Duration::from_secs(60);
/// With more counters than this those that tell nothing any more are dropped before another is made.
const MANY: usize = 1024;

type Counter<C> = RateLimiter<NotKeyed, InMemoryState, C, StateInformationMiddleware>;

/// The counters of all who have a limit. Those of whom nothing is known are full.
pub(super) struct Rates<C: Clock = MonotonicClock> {
    clock: C,
    counters: Mutex<HashMap<Whose, Counted<C>>>,
}

struct Counted<C: Clock> {
    most: NonZeroU32,
    counter: Counter<C>,
    last: C::Instant,
}

impl Default for Rates {
    fn default() -> Self {
        Self::by(MonotonicClock)
    }
}

impl<C: Clock + Clone> Rates<C> {
    fn by(clock: C) -> Self {
        Self {
            clock,
            counters: Mutex::default(),
        }
    }

    /// Counts a request of somebody who has `most` in a minute, if it is within that.
    pub(super) fn count(&self, whose: &Whose, most: NonZeroU32) -> Left {
        let now = self.clock.now();
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        if counters.len() >= MANY && !counters.contains_key(whose) {
            // After a minute of rest a counter is as good as new.
            counters.retain(|_, counted| Duration::from(now.duration_since(counted.last)) < MINUTE);
        }
        let counted = counters
            .entry(whose.clone())
            .and_modify(|counted| {
                if counted.most != most {
                    *counted = self.full(most, now);
                }
            })
            .or_insert_with(|| self.full(most, now));
        counted.last = now;
        let left = |is_within, remaining: u32, wait: Duration| Left {
            of: Of::Requests,
            is_of_key: matches!(whose, Whose::Key(_)),
            is_within,
            most: most.get().into(),
            remaining: remaining.into(),
            seconds: wait.as_secs() + u64::from(wait.subsec_nanos() > 0),
            window: MINUTE.as_secs(),
        };
        match counted.counter.check() {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                let used = most.get().saturating_sub(remaining);
                left(true, remaining, MINUTE / most.get() * used)
            }
            Err(not_until) => left(false, 0, not_until.wait_time_from(now)),
        }
    }

    fn full(&self, most: NonZeroU32, now: C::Instant) -> Counted<C> {
        // A whole minute's requests may come at once; then one more for each part of the minute.
        let quota = Quota::per_minute(most);
        Counted {
            most,
            counter: RateLimiter::direct_with_clock(quota, self.clock.clone()).with_middleware(),
            last: now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;

    fn key() -> Whose {
        Whose::Tenant("acme".parse().unwrap())
    }

    #[test]
    fn so_many_come_at_once_and_then_one_for_each_part_of_the_minute() {
        let clock = FakeRelativeClock::default();
        let rates = Rates::by(clock.clone());
        let most = NonZeroU32::new(3).unwrap();
        let count = || {
            let left = rates.count(&key(), most);
            (left.is_within, left.remaining, left.seconds)
        };
        assert_eq!(count(), (true, 2, 20));
        assert_eq!(count(), (true, 1, 40));
        assert_eq!(count(), (true, 0, 60));
        assert_eq!(count(), (false, 0, 20));
        clock.advance(Duration::from_secs(19));
        assert_eq!(count(), (false, 0, 1));
        clock.advance(Duration::from_secs(1));
        assert_eq!(count(), (true, 0, 60));
        clock.advance(Duration::from_secs(120));
        assert_eq!(count(), (true, 2, 20));
    }

    #[test]
    fn each_has_a_counter_of_its_own_and_a_new_one_when_its_limit_changes() {
        let rates = Rates::by(FakeRelativeClock::default());
        let one = NonZeroU32::MIN;
        let other = Whose::Tenant("other".parse().unwrap());
        assert!(rates.count(&key(), one).is_within && rates.count(&other, one).is_within);
        assert!(!rates.count(&key(), one).is_within);
        assert!(rates.count(&key(), NonZeroU32::new(2).unwrap()).is_within);
    }

    #[test]
    fn counters_that_tell_nothing_any_more_are_dropped() {
        let clock = FakeRelativeClock::default();
        let rates = Rates::by(clock.clone());
        let count = |name: String| rates.count(&Whose::Tenant(name.parse().unwrap()), NonZeroU32::MIN);
        let held = || rates.counters.lock().unwrap().len();
        for number in 0..MANY {
            count(format!("tenant-{number}"));
        }
        clock.advance(Duration::from_secs(59));
        count("tenant-0".into());
        count("late".into());
        assert_eq!(held(), MANY + 1);
        clock.advance(Duration::from_secs(1));
        count("later".into());
        assert_eq!(held(), 3);
    }
}
