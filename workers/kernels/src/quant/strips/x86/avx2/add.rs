//! A block of a few rows with a panel of one strip.
//!
//! As in `super::numbers` everything is inlined into functions of `super`.

use super::super::{Form, Q4K, Q5K, Q6K, Q80, Sums, numbers::Lie};
use super::numbers::{HALVES, Numbers, load};
use super::scales::Scales;
use crate::quant::{rows::Block8, strips::STEPS};
use std::arch::x86_64::{
    __m256, __m256i, _mm256_abs_epi8, _mm256_add_epi16, _mm256_add_epi32, _mm256_cvtepi32_ps,
    _mm256_fmadd_ps, _mm256_fnmadd_ps, _mm256_loadu_ps, _mm256_madd_epi16, _mm256_maddubs_epi16,
    _mm256_mul_ps, _mm256_mullo_epi32, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32,
    _mm256_set1_ps, _mm256_setzero_si256, _mm256_sign_epi8, _mm256_storeu_ps, _mm256_sub_epi32,
    _mm256_xor_si256,
};

/// A type whose sums of products fit 16 bits for a while: those of two numbers with two of -127 to 127.
pub(super) trait Short: Form + Lie {
    /// The largest number.
    const MOST: usize;
    /// Steps whose sums fit.
    const TOGETHER: usize;
    const FIT: () = assert!(Self::TOGETHER * 2 * Self::MOST * 127 <= i16::MAX as usize);
}

impl Short for Q4K {
    const MOST: usize = 15;
    const TOGETHER: usize = 8;
}

impl Short for Q5K {
    const MOST: usize = 31;
    const TOGETHER: usize = 4;
}

impl Short for Q6K {
    const MOST: usize = 63;
    const TOGETHER: usize = 2;
}

/// Its numbers are taken without their signs, which go over to the other side.
impl Short for Q80 {
    const MOST: usize = 128;
    const TOGETHER: usize = 1;
}

#[inline(always)]
fn fractions(from: &Sums, half: usize) -> __m256 {
    let half = &from.as_chunks::<8>().0[half];
    // SAFETY: a whole vector is there, and the load needs no alignment.
    unsafe { _mm256_loadu_ps(half.as_ptr()) }
}

#[inline(always)]
fn keep(to: &mut Sums, half: usize, sum: __m256) {
    let half = &mut to.as_chunks_mut::<8>().0[half];
    // SAFETY: there is room for a whole vector.
    unsafe { _mm256_storeu_ps(half.as_mut_ptr(), sum) }
}

/// Four signed bytes of a row, in every lane.
#[inline(always)]
fn four(x: &Block8, step: usize) -> __m256i {
    let [a, b, c, d] = x.q.as_chunks::<4>().0[step];
    // SAFETY: see the module's text.
    unsafe { _mm256_set1_epi32(i32::from_le_bytes([a as u8, b as u8, c as u8, d as u8])) }
}

/// Adds the products of `R` rows with a panel to sums that are `stride` apart.
#[inline(always)]
pub(super) fn add<F: Short, N: Numbers, const R: usize>(
    numbers: &N,
    scales: &Scales,
    x: [&Block8; R],
    sums: &mut [Sums],
    stride: usize,
) {
    const { F::FIT };
    // SAFETY: see the module's text.
    unsafe {
        let nothing = [[_mm256_setzero_si256(); HALVES]; R];
        let mut products = nothing;
        for group in 0..STEPS / F::STEPS {
            let scale = if F::FRACTIONS {
                [_mm256_set1_epi16(1); HALVES]
            } else {
                load(&scales.groups[group])
            };
            for run in 0..F::STEPS / F::TOGETHER {
                let first = group * F::STEPS + run * F::TOGETHER;
                let short = sums_of_run::<F, N, R>(numbers, x, first);
                for r in 0..R {
                    for half in 0..HALVES {
                        let wide = _mm256_madd_epi16(short[r][half], scale[half]);
                        products[r][half] = _mm256_add_epi32(products[r][half], wide);
                    }
                }
            }
            if F::FRACTIONS {
                for r in 0..R {
                    finish(&scales.d[group], x[r].scale, products[r], &mut sums[r * stride]);
                }
                products = nothing;
            }
        }
        if !F::FRACTIONS {
            for r in 0..R {
                finish_block::<F>(scales, x[r], products[r], &mut sums[r * stride]);
            }
        }
    }
}

/// The sums of the products of as many steps as fit, two to a lane.
#[inline(always)]
fn sums_of_run<F: Short, N: Numbers, const R: usize>(
    numbers: &N,
    x: [&Block8; R],
    first: usize,
) -> [[__m256i; HALVES]; R] {
    // SAFETY: see the module's text.
    unsafe {
        let mut short = [[_mm256_setzero_si256(); HALVES]; R];
        for step in first..first + F::TOGETHER {
            let mut beside = numbers.at(step);
            let mut signs = beside;
            if F::FRACTIONS {
                for (beside, signs) in beside.iter_mut().zip(&mut signs) {
                    *signs = _mm256_xor_si256(*beside, _mm256_set1_epi8(i8::MIN));
                    *beside = _mm256_abs_epi8(*signs);
                }
            }
            for r in 0..R {
                let four = four(x[r], step);
                for half in 0..HALVES {
                    let four = if F::FRACTIONS {
                        _mm256_sign_epi8(four, signs[half])
                    } else {
                        four
                    };
                    let two = _mm256_maddubs_epi16(beside[half], four);
                    short[r][half] = _mm256_add_epi16(short[r][half], two);
                }
            }
        }
        short
    }
}

/// From the whole numbers of a block to values.
#[inline(always)]
fn finish_block<F: Short>(scales: &Scales, x: &Block8, mut products: [__m256i; HALVES], sums: &mut Sums) {
    if F::ADDED != 0 {
        let pairs = x.sums.as_chunks::<2>().0;
        let pairs = pairs
            .iter()
            .map(|&[even, odd]| i32::from(even) & 0xffff | i32::from(odd) << 16);
        let of_groups = with_pairs(scales, pairs);
        for (products, of_groups) in products.iter_mut().zip(of_groups) {
            // SAFETY: see the module's text.
            unsafe {
                let added = _mm256_mullo_epi32(of_groups, _mm256_set1_epi32(F::ADDED));
                *products = _mm256_sub_epi32(*products, added);
            }
        }
    }
    finish(&scales.d[0], x.scale, products, sums);
    if F::MINIMA {
        let minima = with_pairs(scales, x.pairs.iter().copied());
        for half in 0..HALVES {
            // SAFETY: see the module's text.
            unsafe {
                let dmin = _mm256_mul_ps(fractions(&scales.dmin, half), _mm256_set1_ps(x.scale));
                let minima = _mm256_cvtepi32_ps(minima[half]);
                keep(sums, half, _mm256_fnmadd_ps(minima, dmin, fractions(sums, half)));
            }
        }
    }
}

/// The sum over pairs of groups of what they have by what a row has.
#[inline(always)]
fn with_pairs(scales: &Scales, of_row: impl Iterator<Item = i32>) -> [__m256i; HALVES] {
    // SAFETY: see the module's text.
    unsafe {
        let mut sums = [_mm256_setzero_si256(); HALVES];
        for (pair, of_row) in scales.pairs.iter().zip(of_row) {
            let pair = load(pair);
            for half in 0..HALVES {
                let both = _mm256_madd_epi16(pair[half], _mm256_set1_epi32(of_row));
                sums[half] = _mm256_add_epi32(sums[half], both);
            }
        }
        sums
    }
}

/// Adds whole numbers, which count in `d` times `scale`.
#[inline(always)]
fn finish(d: &Sums, scale: f32, products: [__m256i; HALVES], sums: &mut Sums) {
    for half in 0..HALVES {
        // SAFETY: see the module's text.
        unsafe {
            let scale = _mm256_mul_ps(fractions(d, half), _mm256_set1_ps(scale));
            let products = _mm256_cvtepi32_ps(products[half]);
            keep(
                sums,
                half,
                _mm256_fmadd_ps(products, scale, fractions(sums, half)),
            );
        }
    }
}
