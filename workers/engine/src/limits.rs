//! What the machine itself can do, measured: a speed means little without it.

use std::time::Instant;

use rayon::prelude::*;

/// Bytes that are read: far more than the caches hold.
const BYTES: usize = 1 << 29;
/// The best of so many rounds counts.
const ROUNDS: usize = 5;

/// Bytes that all threads together read from memory in a second.
pub fn read_bandwidth() -> f64 {
    let words = vec![1u64; BYTES / 8];
    let round = |_| {
        let start = Instant::now();
        let sum: u64 = words
            .par_chunks(1 << 16)
            .map(|part| part.iter().sum::<u64>())
            .sum();
        std::hint::black_box(sum);
        BYTES as f64 / start.elapsed().as_secs_f64()
    };
    (0..ROUNDS).map(round).fold(0.0, f64::max)
}
