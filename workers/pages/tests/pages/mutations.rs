//! Seeded mutations of bytes, as a fuzzer makes them: the same each time.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

/// Numbers at which parsers have their edges.
const EDGES: [u32; 8] = [0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff];

/// Hands every seed of `corpus`, and `each` mutations of it, to `target`. A panic tells which one it was.
pub fn try_all(corpus: &Path, each: usize, target: fn(&[u8])) {
    let mut files: Vec<_> = fs::read_dir(corpus)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", corpus.display());
    let seeds: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    for (file, seed) in files.iter().zip(&seeds) {
        let mut chance = StdRng::seed_from_u64(seed.len() as u64);
        for number in 0..=each {
            let bytes = match number {
                0 => seed.clone(),
                _ => mutated(seed, &seeds, &mut chance),
            };
            let tried = catch_unwind(AssertUnwindSafe(|| target(&bytes)));
            assert!(tried.is_ok(), "mutation {number} of {} failed", file.display());
        }
    }
}

/// `seed` after one to four changes.
fn mutated(seed: &[u8], others: &[Vec<u8>], chance: &mut StdRng) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..chance.random_range(1..=4) {
        change(&mut bytes, others, chance);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, others: &[Vec<u8>], chance: &mut StdRng) {
    if bytes.is_empty() {
        bytes.push(chance.random());
        return;
    }
    let at = chance.random_range(0..bytes.len());
    let length = chance.random_range(1..=32.min(bytes.len() - at));
    match chance.random_range(0..8) {
        0 => bytes[at] ^= 1 << chance.random_range(0..8),
        1 => bytes[at] = chance.random(),
        2 | 3 => {
            let edge = EDGES.choose(chance).copied().unwrap_or_default();
            let width = [1, 2, 4]
                .choose(chance)
                .copied()
                .unwrap_or(1)
                .min(bytes.len() - at);
            let (low, high) = (edge.to_le_bytes(), edge.to_be_bytes());
            let edge = if chance.random() {
                &low[..width]
            } else {
                &high[4 - width..]
            };
            bytes[at..at + width].copy_from_slice(edge);
        }
        4 => drop(bytes.drain(at..at + length)),
        5 => {
            let twice = bytes[at..at + length].to_vec();
            bytes.splice(at..at, twice);
        }
        6 => bytes.truncate(at),
        _ => {
            let other = others.choose(chance).map_or(&[][..], Vec::as_slice);
            let from = chance.random_range(0..=other.len());
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
    }
}
