//! How much waited in the last hour, as this process measured it: a point for each minute, kept in memory.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};
use time::{Duration, OffsetDateTime};

/// How many minutes are kept and told, the one that is now among them.
pub const MINUTES: u8 = 60;

/// What was counted at once, over all tenants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// Jobs that wait for their turn.
    pub jobs: u64,
    /// Orders that are out.
    pub orders: u64,
}

/// What was counted last in a minute, if anything was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Minute {
    /// A moment in it.
    pub at: OffsetDateTime,
    /// What was counted.
    pub depth: Option<Depth>,
}

/// What is known of the last hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastHour {
    /// When this process first counted.
    pub since: OffsetDateTime,
    /// Its minutes, the oldest first.
    pub minutes: Vec<Minute>,
}

/// See the module's text.
#[derive(Debug, Default)]
pub struct Depths(Mutex<Ring>);

#[derive(Debug, Default)]
struct Ring {
    since: Option<OffsetDateTime>,
    /// Minutes since 1970 with what was counted in them, in their order.
    points: VecDeque<(i64, Depth)>,
}

fn minute(at: OffsetDateTime) -> i64 {
    at.unix_timestamp().div_euclid(60)
}

impl Depths {
    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what was counted at `at`. What was counted last in a minute stands for it; where the clock went back, what
    /// was counted after that moment is forgotten.
    pub fn note(&self, at: OffsetDateTime, depth: Depth) {
        let minute = minute(at);
        let mut ring = self.lock();
        ring.since = Some(ring.since.map_or(at, |since| since.min(at)));
        while ring.points.back().is_some_and(|(last, _)| *last >= minute) {
            ring.points.pop_back();
        }
        ring.points.push_back((minute, depth));
        if ring.points.len() > usize::from(MINUTES) {
            ring.points.pop_front();
        }
    }

    /// The hour that ends with the minute of `now`; `None` if nothing was counted since this process began.
    pub fn last_hour(&self, now: OffsetDateTime) -> Option<LastHour> {
        let ring = self.lock();
        let minutes = (0..i64::from(MINUTES)).rev().map(|ago| {
            let at = now - Duration::minutes(ago);
            let found = ring.points.iter().find(|(of, _)| *of == minute(at));
            Minute {
                at,
                depth: found.map(|(_, depth)| *depth),
            }
        });
        Some(LastHour {
            since: ring.since?,
            minutes: minutes.collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const NOON: OffsetDateTime = datetime!(2026-01-01 12:00:30 UTC);

    fn depth(jobs: u64) -> Depth {
        Depth { jobs, orders: 1 }
    }

    fn jobs(depths: &Depths, now: OffsetDateTime) -> Vec<Option<u64>> {
        let hour = depths.last_hour(now).unwrap();
        let jobs = hour.minutes.iter().map(|minute| minute.depth);
        jobs.map(|depth| depth.map(|depth| depth.jobs)).collect()
    }

    #[test]
    fn nothing_is_told_before_anything_was_counted_and_minutes_without_are_gaps() {
        let depths = Depths::default();
        assert_eq!(depths.last_hour(NOON), None);
        depths.note(NOON, depth(0));
        depths.note(NOON + Duration::minutes(2), depth(7));
        depths.note(NOON + Duration::minutes(2) + Duration::seconds(15), depth(9));
        let now = NOON + Duration::minutes(3);
        let told = jobs(&depths, now);
        assert_eq!(told.len(), usize::from(MINUTES));
        assert_eq!(told[56..], [Some(0), None, Some(9), None]);
        assert!(told[..56].iter().all(Option::is_none));
        let hour = depths.last_hour(now).unwrap();
        assert_eq!((hour.since, hour.minutes[59].at), (NOON, now));
    }

    #[test]
    fn only_the_last_hour_is_kept_and_since_when_it_was_counted_stays_known() {
        let depths = Depths::default();
        for minutes in 0..500_u16 {
            depths.note(
                NOON + Duration::minutes(minutes.into()),
                depth(u64::from(minutes)),
            );
        }
        assert_eq!(depths.lock().points.len(), usize::from(MINUTES));
        let told = jobs(&depths, NOON + Duration::minutes(499));
        assert_eq!((told[0], told[59]), (Some(440), Some(499)));
        assert_eq!(depths.last_hour(NOON).unwrap().since, NOON);
        let later = jobs(&depths, NOON + Duration::minutes(600));
        assert!(later.iter().all(Option::is_none));
    }

    #[test]
    fn a_clock_that_went_back_begins_there_anew() {
        let depths = Depths::default();
        depths.note(NOON, depth(1));
        depths.note(NOON + Duration::minutes(5), depth(2));
        depths.note(NOON - Duration::minutes(1), depth(3));
        assert_eq!(jobs(&depths, NOON)[58..], [Some(3), None]);
        assert_eq!(depths.last_hour(NOON).unwrap().since, NOON - Duration::minutes(1));
        assert!(jobs(&depths, NOON + Duration::minutes(5))[59].is_none());
    }
}
