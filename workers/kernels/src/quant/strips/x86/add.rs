//! A block of a few rows with panels of a few strips: all sums of whole numbers stay in registers.
//!
//! Everything here is inlined into `super::multiply` and `super::multiply_few`, which are compiled for the instructions and
//! only called where the processor has them.

use super::super::{ROWS, Record, STEPS};
use super::{
    numbers::{Lie, Numbers},
    scales::Scales,
    vectors::load,
};
use crate::quant::{QuantType, rows::Block8};
use std::arch::x86_64::{
    __m512, __m512i, _mm512_add_epi32, _mm512_cvtepi32_ps, _mm512_dpbusd_epi32, _mm512_dpwssd_epi32,
    _mm512_fmadd_ps, _mm512_fnmadd_ps, _mm512_loadu_ps, _mm512_mul_ps, _mm512_mullo_epi32, _mm512_set1_epi32,
    _mm512_set1_ps, _mm512_setzero_si512, _mm512_storeu_ps,
};

/// How a type's numbers become values.
pub(super) trait Form {
    const KIND: QuantType;
    /// Steps of a group: those that one scale multiplies.
    const STEPS: usize;
    /// The largest number, where it is rounded further.
    const LARGEST: i32 = 0;
    /// What was added to each number so that none is below zero.
    const ADDED: i32 = 0;
    /// Whether groups have minima.
    const MINIMA: bool = false;
    /// Whether the groups' scales are fractions, so that their products are not whole numbers.
    const FRACTIONS: bool = false;
}

pub(super) struct Q4K;
pub(super) struct Q5K;
pub(super) struct Q6K;
pub(super) struct Q80;

impl Form for Q4K {
    const KIND: QuantType = QuantType::Q4K;
    const STEPS: usize = 8;
    const LARGEST: i32 = 15;
    const MINIMA: bool = true;
}

impl Form for Q5K {
    const KIND: QuantType = QuantType::Q5K;
    const STEPS: usize = 8;
    const LARGEST: i32 = 31;
    const MINIMA: bool = true;
}

impl Form for Q6K {
    const KIND: QuantType = QuantType::Q6K;
    const STEPS: usize = 4;
    const ADDED: i32 = 32;
}

impl Form for Q80 {
    const KIND: QuantType = QuantType::Q8_0;
    const STEPS: usize = 8;
    const ADDED: i32 = 128;
    const FRACTIONS: bool = true;
}

impl<F: Form> Lie for F {
    const RECORD: Record = Record::of(F::KIND);
}

/// Sums of sixteen rows of weights.
pub(super) type Sums = [f32; ROWS];

#[inline(always)]
pub(super) fn fractions(from: &Sums) -> __m512 {
    // SAFETY: a whole vector is there, and the load needs no alignment.
    unsafe { _mm512_loadu_ps(from.as_ptr()) }
}

#[inline(always)]
pub(super) fn keep_fractions(to: &mut Sums, sum: __m512) {
    // SAFETY: there is room for a whole vector.
    unsafe { _mm512_storeu_ps(to.as_mut_ptr(), sum) }
}

/// Four signed bytes of a row, in every lane.
#[inline(always)]
pub(super) fn four(x: &Block8, step: usize) -> __m512i {
    let [a, b, c, d] = x.q.as_chunks::<4>().0[step];
    // SAFETY: see the module's text.
    unsafe { _mm512_set1_epi32(i32::from_le_bytes([a as u8, b as u8, c as u8, d as u8])) }
}

/// What a group's dot product begins with, so that what was added to the numbers falls out.
#[inline(always)]
fn beginning<F: Form>(x: &Block8, group: usize) -> __m512i {
    let of_sixteen = F::STEPS / 4;
    let mut sum = 0;
    if F::ADDED != 0 {
        for &part in &x.sums[group * of_sixteen..][..of_sixteen] {
            sum += i32::from(part);
        }
    }
    // SAFETY: see the module's text.
    unsafe { _mm512_set1_epi32(-F::ADDED * sum) }
}

/// Adds the products of `R` rows with `C` panels.
#[inline(always)]
pub(super) fn add<F: Form, N: Numbers, const C: usize, const R: usize>(
    numbers: &[N; C],
    scales: &[Scales; C],
    x: &[Block8; R],
    sums: &mut [[Sums; C]; R],
) {
    // SAFETY: see the module's text.
    unsafe {
        let mut products = [[_mm512_setzero_si512(); C]; R];
        for group in 0..STEPS / F::STEPS {
            let dots = dots::<F, N, C, R>(numbers, x, group);
            for c in 0..C {
                if F::FRACTIONS {
                    let d = fractions(&scales[c].d[group]);
                    for r in 0..R {
                        let scale = _mm512_mul_ps(d, _mm512_set1_ps(x[r].scale));
                        let sum = fractions(&sums[r][c]);
                        keep_fractions(
                            &mut sums[r][c],
                            _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[r][c]), scale, sum),
                        );
                    }
                } else {
                    let scale = load(&scales[c].groups[group]);
                    for r in 0..R {
                        let scaled = _mm512_mullo_epi32(dots[r][c], scale);
                        products[r][c] = _mm512_add_epi32(products[r][c], scaled);
                    }
                }
            }
        }
        if !F::FRACTIONS {
            finish::<F, C, R>(scales, x, &products, sums);
        }
    }
}

/// The dot products of one group.
#[inline(always)]
fn dots<F: Form, N: Numbers, const C: usize, const R: usize>(
    numbers: &[N; C],
    x: &[Block8; R],
    group: usize,
) -> [[__m512i; C]; R] {
    // SAFETY: see the module's text.
    unsafe {
        let mut dots = [[_mm512_setzero_si512(); C]; R];
        for r in 0..R {
            dots[r] = [beginning::<F>(&x[r], group); C];
        }
        for step in 0..F::STEPS {
            let step = group * F::STEPS + step;
            let mut beside = [_mm512_setzero_si512(); C];
            for c in 0..C {
                beside[c] = numbers[c].at(step);
            }
            for r in 0..R {
                let four = four(&x[r], step);
                for c in 0..C {
                    dots[r][c] = _mm512_dpbusd_epi32(dots[r][c], beside[c], four);
                }
            }
        }
        dots
    }
}

/// From whole numbers to values.
#[inline(always)]
fn finish<F: Form, const C: usize, const R: usize>(
    scales: &[Scales; C],
    x: &[Block8; R],
    products: &[[__m512i; C]; R],
    sums: &mut [[Sums; C]; R],
) {
    // SAFETY: see the module's text.
    unsafe {
        for c in 0..C {
            let d = fractions(&scales[c].d[0]);
            for r in 0..R {
                let scale = _mm512_set1_ps(x[r].scale);
                let product = _mm512_cvtepi32_ps(products[r][c]);
                let mut sum = _mm512_fmadd_ps(product, _mm512_mul_ps(d, scale), fractions(&sums[r][c]));
                if F::MINIMA {
                    let mut minima = _mm512_setzero_si512();
                    for (pair, groups) in scales[c].minima.iter().zip(&x[r].pairs) {
                        minima = _mm512_dpwssd_epi32(minima, load(pair), _mm512_set1_epi32(*groups));
                    }
                    let dmin = _mm512_mul_ps(fractions(&scales[c].dmin), scale);
                    sum = _mm512_fnmadd_ps(_mm512_cvtepi32_ps(minima), dmin, sum);
                }
                keep_fractions(&mut sums[r][c], sum);
            }
        }
    }
}
