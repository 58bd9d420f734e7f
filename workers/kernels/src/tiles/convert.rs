//! Rounding to bf16 into tiles, with 512-bit vectors. What comes out is in the order that `mod.rs` tells.

#![expect(unsafe_code, reason = "vector instructions of the processor")]

use std::arch::x86_64::{
    __m512, __m512bh, __m512i, _mm512_cvtne2ps_pbh, _mm512_loadu_ps, _mm512_loadu_si512,
    _mm512_maskz_loadu_ps, _mm512_permutexvar_epi16, _mm512_setzero_si512, _mm512_shuffle_i32x4,
    _mm512_storeu_si512, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32,
    _mm512_unpacklo_epi64,
};

use super::{SIDE, STEP, Tile};
use half::bf16;

/// First the sixteen of one vector and then those of the other, to one of each in turn.
const IN_TURN: [u16; 32] = {
    let mut order = [0; 32];
    let mut at = 0;
    while at < 32 {
        order[at] = (at / 2 + at % 2 * 16) as u16;
        at += 1;
    }
    order
};

/// Up to sixteen values, zeros after them.
#[inline]
#[target_feature(enable = "avx512f")]
fn load(values: &[f32]) -> __m512 {
    if let Some(whole) = values.first_chunk::<16>() {
        // SAFETY: sixteen values are there, and the load needs no alignment.
        return unsafe { _mm512_loadu_ps(whole.as_ptr()) };
    }
    // SAFETY: the mask has a bit for each value that is there, and the others are not touched.
    unsafe { _mm512_maskz_loadu_ps((1u32 << values.len()) as u16 - 1, values.as_ptr()) }
}

/// Up to 32 values as bf16, in their order.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
fn round(values: &[f32]) -> __m512i {
    let (first, second) = values.split_at(values.len().min(16));
    let rounded = _mm512_cvtne2ps_pbh(load(second), load(first));
    // SAFETY: both are 64 bytes, and every pattern of bits is a vector of whole numbers.
    unsafe { std::mem::transmute(rounded) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(tile: &mut Tile, line: usize, vector: __m512i) {
    let line = &mut tile.0[line * SIDE..][..SIDE];
    // SAFETY: 64 bytes are there.
    unsafe { _mm512_storeu_si512(line.as_mut_ptr().cast(), vector) }
}

#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) fn round_row(values: &[f32], row: usize, panel: &mut [Tile]) {
    for (values, tile) in values.chunks(STEP).zip(panel) {
        store(tile, row, round(values));
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) fn round_pair(first: &[f32], second: &[f32], pair: usize, tiles: &mut [Tile]) {
    for ((first, second), tile) in first.chunks(SIDE).zip(second.chunks(SIDE)).zip(tiles) {
        store(tile, pair, in_turn(load(first), load(second)));
    }
}

/// A number of the one and one of the other in each lane: a line of a right side's tile.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(crate) fn in_turn(first: __m512, second: __m512) -> __m512i {
    // SAFETY: 64 bytes are there.
    let order = unsafe { _mm512_loadu_si512(IN_TURN.as_ptr().cast()) };
    let both = _mm512_cvtne2ps_pbh(second, first);
    // SAFETY: as for `round`.
    let both = unsafe { std::mem::transmute::<__m512bh, __m512i>(both) };
    _mm512_permutexvar_epi16(order, both)
}

#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) fn round_columns(columns: &[f32], stride: usize, tile: &mut Tile) {
    let mut lines = [_mm512_setzero_si512(); SIDE];
    for (column, line) in lines.iter_mut().enumerate() {
        *line = round(&columns[column * stride..][..STEP]);
    }
    transpose(&lines, tile);
}

#[target_feature(enable = "avx512f")]
pub(super) fn take_columns(columns: &[&[bf16]; SIDE], first: usize, tile: &mut Tile) {
    let mut lines = [_mm512_setzero_si512(); SIDE];
    for (column, line) in columns.iter().zip(&mut lines) {
        let column = &column[first..][..STEP];
        // SAFETY: 64 bytes are there, and the load needs no alignment.
        *line = unsafe { _mm512_loadu_si512(column.as_ptr().cast()) };
    }
    transpose(&lines, tile);
}

/// Sixteen lines of sixteen pairs; the tile gets pair by pair.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose(lines: &[__m512i; SIDE], tile: &mut Tile) {
    let mut fours = [_mm512_setzero_si512(); SIDE];
    for group in (0..SIDE).step_by(4) {
        let [a, b, c, d] = [lines[group], lines[group + 1], lines[group + 2], lines[group + 3]];
        let (low, high) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
        let (low2, high2) = (_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
        fours[group] = _mm512_unpacklo_epi64(low, low2);
        fours[group + 1] = _mm512_unpackhi_epi64(low, low2);
        fours[group + 2] = _mm512_unpacklo_epi64(high, high2);
        fours[group + 3] = _mm512_unpackhi_epi64(high, high2);
    }
    // Quarter `l` of `fours[4 * g + j]` is pair `4 * l + j` of lines `4 * g` to `4 * g + 3`.
    for j in 0..4 {
        let [a, b, c, d] = [fours[j], fours[4 + j], fours[8 + j], fours[12 + j]];
        let (even, even2) = (
            _mm512_shuffle_i32x4::<0x88>(a, b),
            _mm512_shuffle_i32x4::<0x88>(c, d),
        );
        let (odd, odd2) = (
            _mm512_shuffle_i32x4::<0xdd>(a, b),
            _mm512_shuffle_i32x4::<0xdd>(c, d),
        );
        store(tile, j, _mm512_shuffle_i32x4::<0x88>(even, even2));
        store(tile, 4 + j, _mm512_shuffle_i32x4::<0x88>(odd, odd2));
        store(tile, 8 + j, _mm512_shuffle_i32x4::<0xdd>(even, even2));
        store(tile, 12 + j, _mm512_shuffle_i32x4::<0xdd>(odd, odd2));
    }
}
