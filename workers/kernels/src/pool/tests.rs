//! What callers rely on: every piece once, panics passed on, no call that waits for another, and threads that sleep.

use super::*;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How often each of `count` pieces was taken.
fn taken(pool: &Pool, count: usize) -> Vec<usize> {
    let taken: Vec<AtomicUsize> = (0..count).map(|_| AtomicUsize::new(0)).collect();
    pool.for_each(0..count, |piece| {
        taken[piece].fetch_add(1, Ordering::Relaxed);
    });
    taken.into_iter().map(AtomicUsize::into_inner).collect()
}

#[test]
fn every_piece_is_taken_once_by_however_many_threads() {
    for threads in [0, 1, 2, 3, 8] {
        let pool = Pool::new(threads);
        assert_eq!(pool.threads(), threads.max(1));
        for count in [0, 1, 2, 7, 1000] {
            assert_eq!(taken(&pool, count), vec![1; count]);
        }
    }
}

#[test]
fn results_are_in_order_and_borrowed_values_are_written() {
    let pool = Pool::new(3);
    for _ in 0..1000 {
        assert_eq!(pool.map(5, |number| number * number), [0, 1, 4, 9, 16]);
        let mut values = [0; 100];
        pool.for_each(values.chunks_mut(7).enumerate(), |(number, part)| {
            part.fill(number)
        });
        assert!(values.iter().enumerate().all(|(at, &value)| value == at / 7));
    }
}

#[test]
fn as_many_threads_as_there_are_work_at_once() {
    let pool = Pool::new(4);
    let all = Barrier::new(4);
    let names = pool.map(4, |_| {
        // Nobody passes before all four are here.
        all.wait();
        std::thread::current().id()
    });
    assert_eq!(
        names
            .iter()
            .map(|id| format!("{id:?}"))
            .collect::<BTreeSet<_>>()
            .len(),
        4
    );
}

#[test]
fn one_thread_needs_nobody() {
    let pool = Pool::new(1);
    let own = std::thread::current().id();
    assert!(
        pool.map(50, |_| std::thread::current().id())
            .iter()
            .all(|&id| id == own)
    );
}

#[test]
fn a_panic_reaches_the_caller_after_everybody_has_left_and_the_pool_goes_on() {
    let pool = Pool::new(3);
    for round in 0..300 {
        let (begun, ended) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let broken = catch_unwind(AssertUnwindSafe(|| {
            pool.for_each(0..64, |piece| {
                begun.fetch_add(1, Ordering::SeqCst);
                if piece == round % 64 {
                    ended.fetch_add(1, Ordering::SeqCst);
                    std::panic::resume_unwind(Box::new(round));
                }
                std::hint::black_box((0..100).sum::<usize>());
                ended.fetch_add(1, Ordering::SeqCst);
            });
        }));
        assert_eq!(broken.unwrap_err().downcast_ref::<usize>(), Some(&round));
        // Whoever was at it has come to its end: what the pieces borrow is the caller's again.
        assert_eq!(begun.into_inner(), ended.into_inner());
        assert_eq!(taken(&pool, 10), [1; 10]);
    }
}

#[test]
fn panics_of_all_threads_at_once_are_one_panic() {
    let pool = Pool::new(2);
    let both = Barrier::new(2);
    for _ in 0..100 {
        let broken = catch_unwind(AssertUnwindSafe(|| {
            pool.for_each(0..2, |piece| {
                both.wait();
                std::panic::resume_unwind(Box::new(piece));
            });
        }));
        assert!(broken.is_err());
    }
    assert_eq!(taken(&pool, 10), [1; 10]);
}

#[test]
fn pieces_may_call_in_turn() {
    for threads in [1, 2, 4] {
        let pool = Pool::new(threads);
        for _ in 0..100 {
            let sums = pool.map(5, |outer| {
                let inner = pool.map(6, |inner| pool.map(3, |third| outer * inner + third).iter().sum());
                inner.iter().sum::<usize>()
            });
            assert_eq!(sums, [0, 1, 2, 3, 4].map(|outer: usize| 3 * 15 * outer + 6 * 3));
        }
    }
}

#[test]
fn many_callers_at_once_have_each_their_own() {
    let pool = Pool::new(2);
    std::thread::scope(|scope| {
        for caller in 0..6 {
            let pool = &pool;
            scope.spawn(move || {
                for call in 0..500 {
                    let count = 1 + (call + caller) % 9;
                    let found = pool.map(count, |number| (caller, call, number));
                    let expected: Vec<_> = (0..count).map(|number| (caller, call, number)).collect();
                    assert_eq!(found, expected);
                }
            });
        }
    });
}

#[test]
fn a_call_does_not_wait_for_one_that_keeps_every_thread() {
    let pool = Pool::new(2);
    let (begun, end) = (Barrier::new(3), Barrier::new(3));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            pool.for_each(0..2, |_| {
                begun.wait();
                end.wait();
            });
        });
        begun.wait();
        // Both threads are in the other call until this one is through.
        assert_eq!(taken(&pool, 100), [1; 100]);
        end.wait();
    });
}

#[cfg(target_os = "linux")]
mod idle {
    use super::*;
    use std::time::Duration;

    /// Processor time of the threads of this process with this name, in ticks of ten milliseconds.
    fn ticks(name: &str) -> Vec<u64> {
        let threads = std::fs::read_dir("/proc/self/task").unwrap();
        let stats =
            threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("stat")).ok());
        let of_name = |stat: String| {
            let (head, fields) = stat.rsplit_once(')')?;
            let fields: Vec<&str> = fields.split_whitespace().collect();
            let ticks = |at: usize| fields[at].parse::<u64>().unwrap();
            head.ends_with(name).then(|| ticks(11) + ticks(12))
        };
        stats.filter_map(of_name).collect()
    }

    #[test]
    fn threads_without_work_sleep_and_end_with_their_pool() {
        let pool = Pool::named(3, "sleeper");
        // A thread has its name as soon as it runs.
        let all = Barrier::new(3);
        pool.for_each(0..3, |_| {
            all.wait();
        });
        for _ in 0..100 {
            assert_eq!(taken(&pool, 30), [1; 30]);
        }
        let of_pool = || {
            (1..3)
                .map(|number| ticks(&format!("(sleeper {number}")))
                .collect::<Vec<_>>()
        };
        let before = of_pool();
        assert!(before.iter().all(|threads| threads.len() == 1), "{before:?}");
        std::thread::sleep(Duration::from_secs(1));
        let after = of_pool();
        for (before, after) in before.concat().into_iter().zip(after.concat()) {
            // Looking all the time would be a hundred.
            assert!(after - before <= 1, "{before} and {after}");
        }
        drop(pool);
        // The system lists a thread a moment longer than it runs.
        let gone = (0..1000).any(|_| {
            std::thread::sleep(Duration::from_millis(1));
            of_pool().concat().is_empty()
        });
        assert!(gone);
    }
}
