//! Rounding with 512-bit vectors.

#![expect(unsafe_code, reason = "vector instructions of the processor")]

use super::{BLOCK, Block8, GROUP};
use crate::simd::{Level, level};
use std::arch::x86_64::{
    __m512i, _mm_storeu_si128, _mm256_cvtepi32_epi16, _mm256_madd_epi16, _mm256_set1_epi16,
    _mm256_storeu_si256, _mm512_abs_ps, _mm512_add_epi32, _mm512_add_ps, _mm512_cvtepi32_epi8,
    _mm512_cvtepi32_epi16, _mm512_cvtps_epi32, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_madd_epi16,
    _mm512_maddubs_epi16, _mm512_mask_mov_epi32, _mm512_max_ps, _mm512_mul_ps, _mm512_permutexvar_epi32,
    _mm512_reduce_add_epi32, _mm512_reduce_add_ps, _mm512_reduce_max_ps, _mm512_set1_epi8, _mm512_set1_epi16,
    _mm512_set1_ps, _mm512_setzero_ps, _mm512_setzero_si512, _mm512_shuffle_epi32,
};

/// As [`super::Fill`] of a whole block, if this processor can; tells whether it could.
pub(super) fn fill(block: &mut Block8, values: &[f32; BLOCK]) -> bool {
    if level() < Level::Avx512 {
        return false;
    }
    // SAFETY: the level is given only where the processor reports these vectors.
    unsafe { fill_on_avx512(block, values) };
    true
}

#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2")]
fn fill_on_avx512(block: &mut Block8, values: &[f32; BLOCK]) {
    let values = values.as_chunks::<GROUP>().0;
    // SAFETY: sixteen values are there, and the load needs no alignment.
    let load = |values: &[f32; GROUP]| unsafe { _mm512_loadu_ps(values.as_ptr()) };
    let (mut largest, mut nothing) = (_mm512_setzero_ps(), _mm512_setzero_ps());
    for values in values {
        let values = load(values);
        // Not a number takes neither place: the other side is given then.
        largest = _mm512_max_ps(_mm512_abs_ps(values), largest);
        // Not a number as soon as one is not finite.
        nothing = _mm512_add_ps(nothing, _mm512_mul_ps(values, _mm512_setzero_ps()));
    }
    let largest = _mm512_reduce_max_ps(largest);
    block.scale = largest / 127.0 + _mm512_reduce_add_ps(nothing);
    let inverse = _mm512_set1_ps(if largest > 0.0 { 127.0 / largest } else { 0.0 });
    for (q, values) in block.q.as_chunks_mut::<GROUP>().0.iter_mut().zip(values) {
        // To the nearest, ties to even.
        let rounded = _mm512_cvtps_epi32(_mm512_mul_ps(load(values), inverse));
        // SAFETY: there is room for sixteen bytes.
        unsafe { _mm_storeu_si128(q.as_mut_ptr().cast(), _mm512_cvtepi32_epi8(rounded)) };
    }
    sum_up(block);
}

/// As [`Block8::sum_up`].
#[inline]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2")]
fn sum_up(block: &mut Block8) {
    /// Place `4 * lane + number` gets place `4 * number + lane`.
    const TURNED: [i32; GROUP] = [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15];
    let mut all = _mm512_setzero_si512();
    for (number, q) in block.q.as_chunks::<64>().0.iter().enumerate() {
        // SAFETY: 64 bytes are there.
        let q = unsafe { _mm512_loadu_si512(q.as_ptr().cast()) };
        let pairs = _mm512_maddubs_epi16(_mm512_set1_epi8(1), q);
        let fours = _mm512_madd_epi16(pairs, _mm512_set1_epi16(1));
        // Sixteen bytes are a quarter of the vector.
        let eights = _mm512_add_epi32(fours, _mm512_shuffle_epi32::<0b10_11_00_01>(fours));
        let sums = _mm512_add_epi32(eights, _mm512_shuffle_epi32::<0b01_00_11_10>(eights));
        all = _mm512_mask_mov_epi32(all, 0x1111 << number, sums);
    }
    // SAFETY: 64 bytes are there.
    let turned: __m512i = unsafe { _mm512_loadu_si512(TURNED.as_ptr().cast()) };
    let all = _mm512_permutexvar_epi32(turned, all);
    block.total = _mm512_reduce_add_epi32(all);
    let sums = _mm512_cvtepi32_epi16(all);
    let pairs = _mm256_cvtepi32_epi16(_mm256_madd_epi16(sums, _mm256_set1_epi16(1)));
    // SAFETY: there is room for sixteen sums and for eight.
    unsafe {
        _mm256_storeu_si256(block.sums.as_mut_ptr().cast(), sums);
        _mm_storeu_si128(block.pairs.as_mut_ptr().cast(), pairs);
    }
}
