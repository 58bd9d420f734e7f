//! The same products with the dot products of pairs that AVX-512 BF16 has, where there is no tile unit.

#![expect(unsafe_code, reason = "vector instructions of the processor")]

use std::arch::x86_64::{
    __m512, __m512bh, __m512i, _mm512_dpbf16_ps, _mm512_loadu_ps, _mm512_set1_epi32, _mm512_setzero_ps,
    _mm512_storeu_ps,
};
use std::mem::transmute;

use super::{RESULT, SIDE, Tile};
use crate::simd::{Level, level};

/// Rows that go together: their sums fill the registers.
const ROWS: usize = 8;

pub(super) fn available() -> bool {
    level() == Level::Avx512 && std::arch::is_x86_feature_detected!("avx512bf16")
}

/// As `super::Tiles::multiply`, which has looked at the lengths and the processor.
pub(super) fn multiply(
    left: [&[Tile]; 2],
    right: [&[Tile]; 2],
    sums: &mut [f32],
    stride: usize,
    fresh: bool,
) {
    for first in (0..RESULT).step_by(ROWS) {
        let sums = &mut sums[first * stride..];
        // SAFETY: whoever has `Tiles` without a tile unit has these instructions.
        unsafe { some_rows(left[first / SIDE], first % SIDE, right, sums, stride, fresh) };
    }
}

/// `ROWS` rows of a panel, from row `first` on.
#[target_feature(enable = "avx512f,avx512bf16")]
fn some_rows(left: &[Tile], first: usize, right: [&[Tile]; 2], sums: &mut [f32], stride: usize, fresh: bool) {
    let mut held = [[_mm512_setzero_ps(); 2]; ROWS];
    if !fresh {
        for (row, held) in held.iter_mut().enumerate() {
            let (first, second) = sums[row * stride..][..RESULT].split_at(SIDE);
            *held = [load(first), load(second)];
        }
    }
    for ((left, upper), lower) in left.iter().zip(right[0]).zip(right[1]) {
        for pair in 0..SIDE {
            let beside = [line(upper, pair), line(lower, pair)];
            for (row, held) in held.iter_mut().enumerate() {
                let both = left.0[(first + row) * SIDE + pair];
                // SAFETY: both are 64 bytes, and every pattern of bits is a vector of bf16 numbers.
                let both = unsafe { transmute::<__m512i, __m512bh>(_mm512_set1_epi32(both.cast_signed())) };
                for (held, beside) in held.iter_mut().zip(beside) {
                    *held = _mm512_dpbf16_ps(*held, both, beside);
                }
            }
        }
    }
    for (row, held) in held.iter().enumerate() {
        let (first, second) = sums[row * stride..][..RESULT].split_at_mut(SIDE);
        store(first, held[0]);
        store(second, held[1]);
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
