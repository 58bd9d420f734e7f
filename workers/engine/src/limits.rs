//! What the machine itself can do, measured: a speed means little without it.

use std::time::Instant;

use kernels::pool;

/// Bytes that are read: far more than the caches hold.
const BYTES: usize = 1 << 29;
/// Words that one thread reads at a time.
const PART: usize = 1 << 16;
/// The best of so many rounds counts.
const ROUNDS: usize = 5;

/// Bytes that all threads together read from memory in a second.
pub fn read_bandwidth() -> f64 {
    let words = vec![1u64; BYTES / 8];
    let round = |_| {
        let start = Instant::now();
        pool::for_each(words.chunks(PART), |part| {
            std::hint::black_box(part.iter().sum::<u64>());
        });
        BYTES as f64 / start.elapsed().as_secs_f64()
    };
    (0..ROUNDS).map(round).fold(0.0, f64::max)
}

/// Multiplications and additions of 8-bit numbers that all threads together do in a second, where the processor has
/// instructions for dot products of them.
pub fn products_of_bytes() -> Option<f64> {
    together(kernels::peak::products_of_bytes)
}

/// The same of bf16 numbers.
pub fn products_of_halves() -> Option<f64> {
    together(kernels::peak::products_of_halves)
}

fn together(peak: fn(usize) -> Option<u64>) -> Option<f64> {
    const STEPS: usize = 4_000_000;
    let round = |_| {
        let start = Instant::now();
        let operations = pool::map(pool::threads(), |_| peak(STEPS));
        let operations = operations.into_iter().sum::<Option<u64>>()?;
        Some(operations as f64 / start.elapsed().as_secs_f64())
    };
    (0..ROUNDS)
        .map(round)
        .reduce(|best, other| Some(best?.max(other?)))?
}
