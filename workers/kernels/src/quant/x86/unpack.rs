//! Spreading blocks out with 256-bit vectors. The scalar forms in the types' own files say what comes out.

use super::{load, store};
use crate::quant::{BLOCK, GROUP, QuantType, Unpacked, bits::half_at, groups, q4_k, q5_k, q6_k};
use std::arch::x86_64::{
    __m256i, _mm_loadl_epi64, _mm_loadu_si128, _mm_unpacklo_epi8, _mm256_and_si256, _mm256_cvtepi8_epi16,
    _mm256_cvtepu8_epi16, _mm256_or_si256, _mm256_set1_epi8, _mm256_slli_epi16, _mm256_srli_epi16,
};

/// As the type's own form. Only code that is compiled for AVX2 calls this (see `Avx2`).
#[inline(always)]
pub(super) fn unpack(kind: QuantType, bytes: &[u8], block: &mut Unpacked) {
    // SAFETY: the caller's proof covers the instructions; every load and store checks its bounds.
    unsafe {
        match kind {
            QuantType::Q4K => {
                affine_head(bytes, block);
                halves(&bytes[q4_k::VALUES_AT..], &mut block.q, [_mm256_set1_epi8(0); 8]);
            }
            QuantType::Q5K => {
                affine_head(bytes, block);
                let fifths = load(&bytes[q5_k::FIFTHS_AT..]);
                halves(&bytes[q5_k::VALUES_AT..], &mut block.q, each_bit(fifths));
            }
            QuantType::Q6K => six_bits(bytes, block),
            // It has no groups.
            QuantType::Q8_0 => {}
        }
    }
}

#[inline(always)]
unsafe fn affine_head(bytes: &[u8], block: &mut Unpacked) {
    block.d = half_at(bytes, 0);
    block.dmin = half_at(bytes, 2);
    let (scales, mins) = groups::unpack(groups::of(bytes));
    // SAFETY: as for `unpack`.
    unsafe {
        store(&mut block.scales, twice(&scales));
        store(&mut block.mins, twice(&mins));
    }
}

/// Eight bytes as sixteen 16-bit numbers, each twice.
#[inline(always)]
unsafe fn twice(bytes: &[u8; 8]) -> __m256i {
    // SAFETY: eight bytes are there, and the load needs no alignment.
    unsafe {
        let bytes = _mm_loadl_epi64(bytes.as_ptr().cast());
        _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(bytes, bytes))
    }
}

/// For each group its fifth bits, where they belong in a value.
#[inline(always)]
unsafe fn each_bit(fifths: __m256i) -> [__m256i; 8] {
    let (mut rest, mut all) = (fifths, [fifths; 8]);
    // SAFETY: as for `unpack`.
    unsafe {
        for bits in &mut all {
            *bits = _mm256_slli_epi16::<4>(_mm256_and_si256(rest, _mm256_set1_epi8(1)));
            rest = _mm256_srli_epi16::<1>(rest);
        }
    }
    all
}

/// Low and high halves of four runs of 32 bytes into groups, each with its higher bits.
#[inline(always)]
unsafe fn halves(bytes: &[u8], q: &mut [u8; BLOCK], higher: [__m256i; 8]) {
    for run in 0..4 {
        // SAFETY: as for `unpack`.
        unsafe {
            let both = load(&bytes[32 * run..]);
            let (low, high) = (low_four(both), low_four(_mm256_srli_epi16::<4>(both)));
            store(&mut q[64 * run..], _mm256_or_si256(low, higher[2 * run]));
            store(
                &mut q[64 * run + 32..],
                _mm256_or_si256(high, higher[2 * run + 1]),
            );
        }
    }
}

#[inline(always)]
unsafe fn low_four(bytes: __m256i) -> __m256i {
    // SAFETY: as for `unpack`.
    unsafe { _mm256_and_si256(bytes, _mm256_set1_epi8(15)) }
}

#[inline(always)]
unsafe fn six_bits(bytes: &[u8], block: &mut Unpacked) {
    block.d = half_at(bytes, q6_k::SCALE_AT);
    block.dmin = block.d;
    let scales = &bytes[q6_k::SCALES_AT..][..BLOCK / GROUP];
    // SAFETY: sixteen bytes are there; otherwise as for `unpack`.
    unsafe {
        let scales = _mm256_cvtepi8_epi16(_mm_loadu_si128(scales.as_ptr().cast()));
        store(&mut block.scales, scales);
        store(&mut block.mins, _mm256_slli_epi16::<5>(scales));
        const { assert!(q6_k::ZERO == 1 << 5) };
        for half in 0..2 {
            let (first, second) = (load(&bytes[64 * half..]), load(&bytes[64 * half + 32..]));
            let high = load(&bytes[q6_k::HIGHS_AT + 32 * half..]);
            let pair = |bits: __m256i| _mm256_slli_epi16::<4>(_mm256_and_si256(bits, _mm256_set1_epi8(3)));
            let quarters = [
                _mm256_or_si256(low_four(first), pair(high)),
                _mm256_or_si256(low_four(second), pair(_mm256_srli_epi16::<2>(high))),
                _mm256_or_si256(
                    low_four(_mm256_srli_epi16::<4>(first)),
                    pair(_mm256_srli_epi16::<4>(high)),
                ),
                _mm256_or_si256(
                    low_four(_mm256_srli_epi16::<4>(second)),
                    pair(_mm256_srli_epi16::<6>(high)),
                ),
            ];
            for (quarter, values) in quarters.into_iter().enumerate() {
                store(&mut block.q[128 * half + 32 * quarter..], values);
            }
        }
    }
}
