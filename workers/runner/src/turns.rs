//! How several orders of one worker take turns at the queue.
//!
//! A worker that has something to do takes more only of what is left: workers that have nothing to do are to have it first.
//! So it lets some time pass before each further look, and does not wait at the queue.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::MutexGuard,
    time::{Instant, sleep},
};

/// See the module's text.
#[derive(Default)]
pub(crate) struct Turns {
    looking: tokio::sync::Mutex<()>,
    at_work: AtomicUsize,
    /// When the work at all orders began, or an order was done with last.
    since: Mutex<Option<Instant>>,
}

/// A turn to look for an order.
pub(crate) struct Turn<'a> {
    _looking: MutexGuard<'a, ()>,
    turns: &'a Turns,
    /// How many orders the worker has already.
    pub at_work: usize,
}

/// An order in work.
pub(crate) struct AtWork<'a>(&'a Turns);

impl Turns {
    /// Waits for a turn, one who has orders already for at least `pause`.
    pub(crate) async fn next(&self, pause: Duration) -> Turn<'_> {
        loop {
            let worked = self.at_work() > 0;
            if worked {
                sleep(pause).await;
            }
            let looking = self.looking.lock().await;
            let at_work = self.at_work();
            // Otherwise somebody has found work meanwhile: then there is a pause first.
            if worked || at_work == 0 {
                return Turn {
                    _looking: looking,
                    turns: self,
                    at_work,
                };
            }
        }
    }

    fn at_work(&self) -> usize {
        self.at_work.load(Ordering::Acquire)
    }

    /// What an order took that has just been done with, without the time in which others were done with.
    pub(crate) fn took(&self) -> Duration {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        since.replace(now).map_or(Duration::ZERO, |since| now - since)
    }
}

impl<'a> Turn<'a> {
    /// An order was found.
    pub(crate) fn found(self) -> AtWork<'a> {
        if self.turns.at_work.fetch_add(1, Ordering::AcqRel) == 0 {
            self.turns.took();
        }
        AtWork(self.turns)
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.at_work.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn who_has_an_order_looks_for_more_only_after_a_pause() {
        let (turns, start) = (Turns::default(), Instant::now());
        let first = turns.next(PAUSE).await;
        assert_eq!(first.at_work, 0);
        // It waits for its turn since nobody had an order, and pauses when somebody has found one.
        let second = async {
            let turn = turns.next(PAUSE).await;
            (turn.at_work, start.elapsed())
        };
        let found = async {
            tokio::task::yield_now().await;
            first.found()
        };
        let ((works, after), in_work) = tokio::join!(second, found);
        assert!(works == 1 && after >= PAUSE);
        drop(in_work);
        // Nobody has an order: an hour is not waited for.
        assert_eq!(turns.next(Duration::from_secs(3600)).await.at_work, 0);
    }

    #[tokio::test]
    async fn time_in_which_several_orders_were_in_work_counts_once() {
        let (turns, start) = (Turns::default(), Instant::now());
        let first = turns.next(PAUSE).await.found();
        let other = turns.next(PAUSE).await.found();
        let one = turns.took();
        drop(first);
        let two = turns.took();
        drop(other);
        assert!(
            one >= PAUSE,
            "both were in work while the second waited for its turn"
        );
        assert!(one + two <= start.elapsed());
    }
}
