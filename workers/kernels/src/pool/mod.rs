//! Threads that stand ready between one operation and the next.
//!
//! A decoded token is a hundred operations of some tens or hundreds of microseconds each, one after another: waking a
//! thread for each costs a good part of what it brings. Here a thread that has nothing to do looks for work for a moment
//! before it sleeps, and who calls takes part itself.
//!
//! A call is a number of pieces, which whoever is free takes one by one, in order. Calls may come from several threads at
//! once and from within pieces: the caller of each takes pieces of its own alone until none are left, so that no call
//! ever waits for another to end.

mod offer;
#[cfg(test)]
mod tests;

use std::iter::FusedIterator;
use std::sync::{Arc, LazyLock, Mutex};
use std::thread::JoinHandle;

use offer::{Shared, locked};

/// Threads that help whoever calls. They end with it.
struct Pool {
    shared: Arc<Shared>,
    ready: Vec<JoinHandle<()>>,
}

/// As many threads as rayon would use, which is what candle works with.
static OF_PROCESS: LazyLock<Pool> = LazyLock::new(|| Pool::new(rayon::current_num_threads()));

/// Threads that work at a call, its caller among them.
pub fn threads() -> usize {
    OF_PROCESS.threads()
}

/// Calls `f` with each of the pieces, on several threads at once.
///
/// # Panics
///
/// If `f` does, as soon as all threads have left the call. Other pieces may have been done by then or not.
pub fn for_each<P>(pieces: P, f: impl Fn(P::Item) + Sync)
where
    P: ExactSizeIterator + FusedIterator + Send,
{
    OF_PROCESS.for_each(pieces, f);
}

/// What `f` gives for each number below `count`, in order.
///
/// # Panics
///
/// As [`for_each`] does.
pub fn map<R: Send>(count: usize, f: impl Fn(usize) -> R + Sync) -> Vec<R> {
    OF_PROCESS.map(count, f)
}

impl Pool {
    /// With fewer threads where the system gives no more: calls need none but their caller's.
    fn new(threads: usize) -> Self {
        Self::named(threads, "kernels")
    }

    fn named(threads: usize, name: &str) -> Self {
        let shared = Arc::new(Shared::default());
        let begin = |number: usize| {
            let shared = shared.clone();
            std::thread::Builder::new()
                .name(format!("{name} {number}"))
                .spawn(move || shared.help())
                .ok()
        };
        let ready = (1..threads).map_while(begin).collect();
        Self { shared, ready }
    }

    fn threads(&self) -> usize {
        self.ready.len() + 1
    }

    fn for_each<P>(&self, pieces: P, f: impl Fn(P::Item) + Sync)
    where
        P: ExactSizeIterator + FusedIterator + Send,
    {
        let helpful = self.ready.len().min(pieces.len().saturating_sub(1));
        if helpful == 0 {
            return pieces.for_each(f);
        }
        let pieces = Mutex::new(pieces);
        let next = || locked(&pieces).next();
        self.shared.run(helpful, &|| {
            while let Some(piece) = next() {
                f(piece);
            }
        });
    }

    fn map<R: Send>(&self, count: usize, f: impl Fn(usize) -> R + Sync) -> Vec<R> {
        let mut results: Vec<Option<R>> = std::iter::repeat_with(|| None).take(count).collect();
        self.for_each(results.iter_mut().enumerate(), |(number, result)| {
            *result = Some(f(number));
        });
        results.into_iter().flatten().collect()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.close();
        for thread in self.ready.drain(..) {
            // It catches what pieces panic with.
            let _ = thread.join();
        }
    }
}
