//! The product of quantised blocks with 256-bit vectors.

#![expect(unsafe_code, reason = "vector instructions of the processor")]

mod unpack;

use super::{
    QuantType, Unpacked,
    product::{Multiply, SmallBlocks, dots_with},
    q8_0,
    rows::{Block8, Rows},
};
use crate::simd::{Level, level};
use std::arch::x86_64::{
    __m256, __m256i, _mm_add_ps, _mm_add_ss, _mm_cvtss_f32, _mm_movehdup_ps, _mm_movehl_ps, _mm256_abs_epi8,
    _mm256_add_epi32, _mm256_castps256_ps128, _mm256_cvtepi32_ps, _mm256_extractf128_ps, _mm256_fmadd_ps,
    _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_permute4x64_epi64, _mm256_set1_epi16,
    _mm256_set1_ps, _mm256_setzero_ps, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_sign_epi8,
    _mm256_storeu_si256,
};

/// Proof that the processor has AVX2 and FMA: made in [`dots`] alone.
#[derive(Clone, Copy)]
struct Avx2(());

/// Multiplies, if this processor can; tells whether it could.
pub(super) fn dots(kind: QuantType, weight: &[u8], x: &Rows, out: &mut [f32]) -> bool {
    if level() < Level::Avx2 {
        return false;
    }
    // SAFETY: the level is given only where the processor reports AVX2 and FMA.
    unsafe { on_avx2(Avx2(()), kind, weight, x, out) };
    true
}

#[target_feature(enable = "avx2,fma")]
fn on_avx2(with: Avx2, kind: QuantType, weight: &[u8], x: &Rows, out: &mut [f32]) {
    dots_with(with, kind, weight, x, out);
}

/// As [`super::dequantise`] of a K type, if this processor can; tells whether it could.
pub(super) fn spread(kind: QuantType, bytes: &[u8], out: &mut [f32]) -> bool {
    if kind == QuantType::Q8_0 || level() < Level::Avx512 {
        return false;
    }
    // SAFETY: the level is given only where the processor reports these vectors.
    unsafe { spread_on_avx512(kind, bytes, out) };
    true
}

#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
fn spread_on_avx512(kind: QuantType, bytes: &[u8], out: &mut [f32]) {
    let mut block = Unpacked::EMPTY;
    let blocks = bytes.chunks_exact(kind.block_bytes());
    for (bytes, out) in blocks.zip(out.as_chunks_mut().0) {
        unpack::unpack(kind, bytes, &mut block);
        block.values(out);
    }
}

/// Within each half of a vector of 16-bit numbers: those at even places, then those at odd ones.
const EVEN_THEN_ODD: [u8; 32] = {
    let half = [0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15];
    let mut both = [0; 32];
    let mut at = 0;
    while at < 32 {
        both[at] = half[at % 16];
        at += 1;
    }
    both
};

/// The 16-bit number at each of eight places, in every place of its half.
const SPREAD: [[u8; 32]; 8] = {
    let mut all = [[0; 32]; 8];
    let mut place = 0;
    while place < 8 {
        let mut at = 0;
        while at < 32 {
            all[place][at] = (2 * place + at % 2) as u8;
            at += 1;
        }
        place += 1;
    }
    all
};

/// 32 bytes as a vector.
#[inline(always)]
fn load<T: Copy>(from: &[T]) -> __m256i {
    assert!(size_of_val(from) >= 32);
    // SAFETY: 32 bytes are there, the load needs no alignment, and every pattern of bits is a vector. Only code that
    // is compiled for AVX2 calls this (see `Avx2`).
    unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
}

/// Writes a vector to the first 32 bytes.
#[inline(always)]
fn store<T: Copy>(to: &mut [T], vector: __m256i) {
    assert!(size_of_val(to) >= 32);
    // SAFETY: as for `load`; whole numbers take every pattern of bits.
    unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), vector) }
}

impl Multiply for Avx2 {
    type Sum = __m256;

    #[inline(always)]
    fn zero(self) -> __m256 {
        // SAFETY: `Avx2` is the proof of the instructions, here and below.
        unsafe { _mm256_setzero_ps() }
    }

    #[inline(always)]
    fn unpack(self, kind: QuantType, bytes: &[u8], block: &mut Unpacked) {
        unpack::unpack(kind, bytes, block);
    }

    #[inline(always)]
    fn add<const R: usize>(self, weight: &Unpacked, x: [&Block8; R], sums: &mut [__m256; R]) {
        // SAFETY: see `zero`.
        unsafe {
            // The scale of the even group of 16 in the lower half, of the odd one in the upper.
            let pairs = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_shuffle_epi8(
                load(&weight.scales),
                load(&EVEN_THEN_ODD),
            ));
            let mut products = [_mm256_setzero_si256(); R];
            for (run, spread) in SPREAD.iter().enumerate() {
                let weights = load(&weight.q[32 * run..]);
                let scales = _mm256_shuffle_epi8(pairs, load(spread));
                for (x, products) in x.iter().zip(&mut products) {
                    // Below 2 * 63 * 127 each: the sums of two fit 16 bits.
                    let two = _mm256_maddubs_epi16(weights, load(&x.q[32 * run..]));
                    *products = _mm256_add_epi32(*products, _mm256_madd_epi16(two, scales));
                }
            }
            let mins = load(&weight.mins);
            for ((x, products), sum) in x.iter().zip(products).zip(sums) {
                let minima = _mm256_madd_epi16(mins, load(&x.sums));
                let scaled = _mm256_fmadd_ps(
                    _mm256_cvtepi32_ps(products),
                    _mm256_set1_ps(weight.d * x.scale),
                    *sum,
                );
                *sum = _mm256_fmadd_ps(
                    _mm256_cvtepi32_ps(minima),
                    _mm256_set1_ps(-weight.dmin * x.scale),
                    scaled,
                );
            }
        }
    }

    #[inline(always)]
    fn add_small<const R: usize>(self, weight: &SmallBlocks, x: [&Block8; R], sums: &mut [__m256; R]) {
        for (run, bytes) in weight.chunks_exact(q8_0::BYTES).enumerate() {
            let (scale, weights) = q8_0::parts(bytes);
            // SAFETY: see `zero`.
            unsafe {
                // The signs go over to the activations, since one side has none.
                let weights = load(weights);
                let sizes = _mm256_abs_epi8(weights);
                for (x, sum) in x.iter().zip(&mut *sums) {
                    let signed = _mm256_sign_epi8(load(&x.q[32 * run..]), weights);
                    let dot = _mm256_madd_epi16(_mm256_maddubs_epi16(sizes, signed), _mm256_set1_epi16(1));
                    *sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), _mm256_set1_ps(scale * x.scale), *sum);
                }
            }
        }
    }

    #[inline(always)]
    fn total(self, sum: __m256) -> f32 {
        // SAFETY: see `zero`.
        unsafe {
            let four = _mm_add_ps(_mm256_castps256_ps128(sum), _mm256_extractf128_ps::<1>(sum));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        }
    }
}
