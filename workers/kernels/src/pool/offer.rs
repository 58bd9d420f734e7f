//! What callers offer and threads that are free take part in.

#![expect(unsafe_code, reason = "threads that outlive a call work with what it borrows")]

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a thread that waits looks again and again before it sleeps: longer than what lies between two operations of a
/// step, and too short to be felt where none follows.
const PATIENCE: Duration = Duration::from_micros(100);

/// A caller's work: a call of it returns when nothing is left to begin.
struct Offer {
    /// Borrowed from the caller, who does not return before the offer was taken back and `helping` is zero.
    work: &'static (dyn Fn() + Sync),
    /// Threads that are at it beside its caller. It grows under the lock alone, while the offer stands.
    helping: AtomicUsize,
    panicked: Mutex<Option<Box<dyn Any + Send>>>,
}

/// What the threads of a pool have in common.
#[derive(Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// Offers that were made so far. Written under the lock.
    made: AtomicU64,
    /// Told where an offer is made, if somebody sleeps.
    offered: Condvar,
    /// Told where a thread leaves an offer, if somebody waits for it asleep.
    left: Condvar,
}

#[derive(Default)]
struct State {
    /// Oldest first, each as long as it may have pieces left.
    standing: Vec<Arc<Offer>>,
    /// Threads that sleep until something is offered.
    sleeping: usize,
    /// Callers that sleep until somebody leaves.
    waiting: usize,
    closed: bool,
}

/// A lock that nobody who held it left in disorder: panics of pieces are caught outside.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks whether something has come about, for a moment.
fn comes_about(soon: impl Fn() -> bool) -> bool {
    const LOOKS: usize = 64;
    let began = Instant::now();
    loop {
        for _ in 0..LOOKS {
            if soon() {
                return true;
            }
            std::hint::spin_loop();
        }
        if began.elapsed() > PATIENCE {
            return false;
        }
    }
}

impl Shared {
    /// Calls `work` here and on up to `helpful` other threads, and returns when all of them have left it.
    pub(super) fn run(&self, helpful: usize, work: &(dyn Fn() + Sync)) {
        // SAFETY: other threads call it only between joining and leaving an offer that stands. `end` takes the offer
        // back, so that nobody joins any more, and waits until everybody has left; nothing before it unwinds.
        let work = unsafe { std::mem::transmute::<&(dyn Fn() + Sync), &'static (dyn Fn() + Sync)>(work) };
        let offer = Arc::new(Offer {
            work,
            helping: AtomicUsize::new(0),
            panicked: Mutex::new(None),
        });
        self.begin(&offer, helpful);
        let own = catch_unwind(AssertUnwindSafe(work));
        self.end(&offer);
        let theirs = locked(&offer.panicked).take();
        if let Some(panic) = own.err().or(theirs) {
            resume_unwind(panic);
        }
    }

    fn begin(&self, offer: &Arc<Offer>, helpful: usize) {
        let mut state = locked(&self.state);
        state.standing.push(offer.clone());
        self.made.fetch_add(1, Ordering::Release);
        let woken = state.sleeping.min(helpful);
        drop(state);
        for _ in 0..woken {
            self.offered.notify_one();
        }
    }

    fn end(&self, offer: &Arc<Offer>) {
        locked(&self.state).take_back(offer);
        let alone = || offer.helping.load(Ordering::Acquire) == 0;
        if comes_about(alone) {
            return;
        }
        let mut state = locked(&self.state);
        state.waiting += 1;
        while !alone() {
            state = self.left.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting -= 1;
    }

    /// What a thread of the pool does as long as there is one.
    pub(super) fn help(&self) {
        loop {
            let seen = self.made.load(Ordering::Acquire);
            while let Some(offer) = self.join() {
                if let Err(panic) = catch_unwind(AssertUnwindSafe(offer.work)) {
                    locked(&offer.panicked).get_or_insert(panic);
                }
                self.leave(&offer);
            }
            if comes_about(|| self.made.load(Ordering::Acquire) != seen) {
                continue;
            }
            let mut state = locked(&self.state);
            state.sleeping += 1;
            while !state.closed && self.made.load(Ordering::Acquire) == seen {
                state = self.offered.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.sleeping -= 1;
            if state.closed {
                return;
            }
        }
    }

    fn join(&self) -> Option<Arc<Offer>> {
        let state = locked(&self.state);
        let offer = state.standing.first()?.clone();
        offer.helping.fetch_add(1, Ordering::Relaxed);
        Some(offer)
    }

    fn leave(&self, offer: &Arc<Offer>) {
        let mut state = locked(&self.state);
        state.take_back(offer);
        offer.helping.fetch_sub(1, Ordering::Release);
        let waiting = state.waiting;
        drop(state);
        if waiting > 0 {
            self.left.notify_all();
        }
    }

    /// Lets the threads end.
    pub(super) fn close(&self) {
        locked(&self.state).closed = true;
        self.offered.notify_all();
    }
}

impl State {
    /// Whoever has left the work has seen that nothing is left to begin.
    fn take_back(&mut self, offer: &Arc<Offer>) {
        self.standing.retain(|standing| !Arc::ptr_eq(standing, offer));
    }
}
