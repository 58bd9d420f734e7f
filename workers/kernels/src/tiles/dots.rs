//! The same products with the dot products of pairs that AVX-512 BF16 has, where there is no tile unit.

#![expect(unsafe_code, reason = "vector instructions of the processor")]

use std::arch::x86_64::{
    __m512, __m512bh, __m512i, _mm512_dpbf16_ps, _mm512_loadu_ps, _mm512_set1_epi32, _mm512_setzero_ps,
    _mm512_storeu_ps,
};
use std::mem::transmute;

use super::{Panels, RESULT, SIDE, Tile};
use crate::simd::{Level, level};

pub(super) fn available() -> bool {
    level() == Level::Avx512 && std::arch::is_x86_feature_detected!("avx512bf16")
}

/// As `super::Tiles::multiply`, which has looked at the lengths and the processor. As many rows go together as fill the
/// registers with their sums.
pub(super) fn multiply(panels: &Panels, sums: &mut [f32], stride: usize, fresh: bool) {
    // SAFETY: whoever has `Tiles` without a tile unit has these instructions.
    unsafe {
        if panels.columns > SIDE {
            all_rows::<8, 2>(panels, sums, stride, fresh);
        } else {
            all_rows::<16, 1>(panels, sums, stride, fresh);
        }
    }
}

/// `R` rows at a time with the first `C` panels of columns.
#[target_feature(enable = "avx512f,avx512bf16")]
fn all_rows<const R: usize, const C: usize>(panels: &Panels, sums: &mut [f32], stride: usize, fresh: bool) {
    for first in (0..RESULT).step_by(R) {
        let (left, sums) = (panels.left[first / SIDE], &mut sums[first * stride..]);
        let mut held = [[_mm512_setzero_ps(); C]; R];
        let place = |row: usize, column: usize| row * stride + column * SIDE;
        if !fresh {
            for (row, held) in held.iter_mut().enumerate() {
                for (column, held) in held.iter_mut().enumerate() {
                    *held = load(&sums[place(row, column)..]);
                }
            }
        }
        let whole = panels.pairs / SIDE;
        for step in 0..whole {
            add::<R, C>(left, first % SIDE, &panels.right, step, SIDE, &mut held);
        }
        if !panels.pairs.is_multiple_of(SIDE) {
            let rest = panels.pairs % SIDE;
            add::<R, C>(left, first % SIDE, &panels.right, whole, rest, &mut held);
        }
        for (row, held) in held.iter().enumerate() {
            for (column, held) in held.iter().enumerate() {
                store(&mut sums[place(row, column)..], *held);
            }
        }
    }
}

/// The first pairs of one step.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
fn add<const R: usize, const C: usize>(
    left: &[Tile],
    first: usize,
    right: &[&[Tile]; 2],
    step: usize,
    pairs: usize,
    held: &mut [[__m512; C]; R],
) {
    let left = &left[step].0[first * SIDE..][..R * SIDE];
    let right: [&Tile; C] = std::array::from_fn(|column| &right[column][step]);
    for pair in 0..pairs {
        let beside = right.map(|tile| line(tile, pair));
        for (row, held) in held.iter_mut().enumerate() {
            let both = left[row * SIDE + pair];
            // SAFETY: both are 64 bytes, and every pattern of bits is a vector of bf16 numbers.
            let both = unsafe { transmute::<__m512i, __m512bh>(_mm512_set1_epi32(both.cast_signed())) };
            for (held, beside) in held.iter_mut().zip(beside) {
                *held = _mm512_dpbf16_ps(*held, both, beside);
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(from: &[f32]) -> __m512 {
    let from = &from[..SIDE];
    // SAFETY: sixteen values are there, and the load needs no alignment.
    unsafe { _mm512_loadu_ps(from.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(to: &mut [f32], vector: __m512) {
    let to = &mut to[..SIDE];
    // SAFETY: there is room for sixteen values.
    unsafe { _mm512_storeu_ps(to.as_mut_ptr(), vector) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
fn line(tile: &Tile, pair: usize) -> __m512bh {
    let line = &tile.0.as_chunks::<SIDE>().0[pair];
    // SAFETY: 64 bytes are there, and every pattern of bits is a vector of bf16 numbers.
    unsafe { transmute(_mm512_loadu_ps(line.as_ptr().cast())) }
}
