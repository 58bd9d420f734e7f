//! Numbers of a record rounded to 8 bits, in which the 256 of a row share one scale: then the dot products of a whole
//! block run on without a group's scale in between.
//!
//! As in `super::add` everything is inlined into `super::multiply_bytes`.

use super::super::{LINE, ROWS, STEPS};
use super::add::{Form, Sums, four, fractions, keep_fractions};
use super::{
    numbers::{Numbers, Packed},
    scales::Scales,
    vectors::{Line, keep, load},
};
use crate::quant::rows::Block8;
use std::arch::x86_64::{
    __m512, __m512i, _CMP_GT_OQ, _mm512_abs_ps, _mm512_add_epi16, _mm512_and_si512, _mm512_cmp_ps_mask,
    _mm512_cvtepi32_ps, _mm512_cvtps_epi32, _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_maskz_div_ps,
    _mm512_max_ps, _mm512_mul_ps, _mm512_mullo_epi16, _mm512_or_si512, _mm512_set1_epi16, _mm512_set1_epi32,
    _mm512_set1_ps, _mm512_setzero_ps, _mm512_setzero_si512, _mm512_slli_epi32, _mm512_srli_epi16,
    _mm512_srli_epi32, _mm512_sub_ps,
};

/// Sixteen rows of a block, each in its lane, with [`ADDED`] added to every number.
#[repr(C, align(64))]
pub(super) struct Bytes {
    numbers: [Line; STEPS],
    scale: Sums,
}

/// What makes all numbers positive.
const ADDED: i32 = 128;
/// Bits of a fraction while numbers are being rounded.
const FRACTION: u32 = 8;

impl Bytes {
    pub(super) const EMPTY: Bytes = Bytes {
        numbers: [[0; LINE]; STEPS],
        scale: [0.0; ROWS],
    };

    #[inline(always)]
    pub(super) fn fill<F: Form>(&mut self, numbers: &Packed<F>, scales: &Scales) {
        const { assert!(F::MINIMA) };
        // SAFETY: see the module's text.
        unsafe {
            let zero = _mm512_setzero_ps();
            let mut reach = zero;
            for group in 0..STEPS / F::STEPS {
                let (step, low) = range(scales, group);
                let high = _mm512_fmadd_ps(step, _mm512_set1_ps(F::LARGEST as f32), low);
                reach = _mm512_max_ps(reach, _mm512_max_ps(_mm512_abs_ps(low), _mm512_abs_ps(high)));
            }
            keep_fractions(&mut self.scale, _mm512_mul_ps(reach, _mm512_set1_ps(1.0 / 127.0)));
            let one = _mm512_set1_ps((127 << FRACTION) as f32);
            let inverse = _mm512_maskz_div_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(reach, zero), one, reach);
            for group in 0..STEPS / F::STEPS {
                let (step, low) = range(scales, group);
                let turn = Turn::of(_mm512_mul_ps(step, inverse), _mm512_mul_ps(low, inverse));
                for step in group * F::STEPS..(group + 1) * F::STEPS {
                    keep(&mut self.numbers[step], turn.turned(numbers.at(step)));
                }
            }
        }
    }
}

/// What a number of a group counts, and what zero stands for, in types with minima.
#[inline(always)]
pub(super) fn range(scales: &Scales, group: usize) -> (__m512, __m512) {
    // SAFETY: see the module's text.
    unsafe {
        let counted = _mm512_cvtepi32_ps(load(&scales.groups[group]));
        let step = _mm512_mul_ps(counted, fractions(&scales.d[0]));
        let pair = load(&scales.minima[group / 2]);
        let minimum = match group % 2 {
            0 => _mm512_and_si512(pair, _mm512_set1_epi32(0xffff)),
            _ => _mm512_srli_epi32::<16>(pair),
        };
        let below = _mm512_mul_ps(_mm512_cvtepi32_ps(minimum), fractions(&scales.dmin));
        (step, _mm512_sub_ps(_mm512_setzero_ps(), below))
    }
}

/// How a group's numbers become bytes: `(factor * number + addend) >> FRACTION`, in 16 bits each.
struct Turn {
    factor: __m512i,
    addend: __m512i,
}

impl Turn {
    #[inline(always)]
    fn of(step: __m512, low: __m512) -> Self {
        // SAFETY: see the module's text.
        unsafe {
            let half = (ADDED << FRACTION) + (1 << (FRACTION - 1));
            let addend = twice(_mm512_cvtps_epi32(low));
            Self {
                factor: twice(_mm512_cvtps_epi32(step)),
                addend: _mm512_add_epi16(addend, _mm512_set1_epi16(half as u16 as i16)),
            }
        }
    }

    #[inline(always)]
    fn turned(&self, numbers: __m512i) -> __m512i {
        // SAFETY: see the module's text.
        unsafe {
            let turn = |numbers| _mm512_add_epi16(_mm512_mullo_epi16(numbers, self.factor), self.addend);
            let even = turn(_mm512_and_si512(numbers, _mm512_set1_epi16(0xff)));
            let odd = turn(_mm512_srli_epi16::<8>(numbers));
            let upper = _mm512_and_si512(odd, _mm512_set1_epi16(0xff00_u16 as i16));
            _mm512_or_si512(_mm512_srli_epi16::<FRACTION>(even), upper)
        }
    }
}

/// The lower 16 bits of each lane in both of its halves.
#[inline(always)]
fn twice(numbers: __m512i) -> __m512i {
    // SAFETY: see the module's text.
    unsafe {
        let lower = _mm512_and_si512(numbers, _mm512_set1_epi32(0xffff));
        _mm512_or_si512(lower, _mm512_slli_epi32::<16>(numbers))
    }
}

/// Adds the products of `R` rows with `C` panels.
#[inline(always)]
pub(super) fn add<const C: usize, const R: usize>(
    weights: &[Bytes; C],
    x: &[Block8; R],
    sums: &mut [[Sums; C]; R],
) {
    // SAFETY: see the module's text.
    unsafe {
        let mut dots = [[_mm512_setzero_si512(); C]; R];
        for r in 0..R {
            dots[r] = [_mm512_set1_epi32(-ADDED * x[r].total); C];
        }
        for step in 0..STEPS {
            let mut beside = [_mm512_setzero_si512(); C];
            for c in 0..C {
                beside[c] = load(&weights[c].numbers[step]);
            }
            for r in 0..R {
                let four = four(&x[r], step);
                for c in 0..C {
                    dots[r][c] = _mm512_dpbusd_epi32(dots[r][c], beside[c], four);
                }
            }
        }
        for c in 0..C {
            let scale = fractions(&weights[c].scale);
            for r in 0..R {
                let scale = _mm512_mul_ps(scale, _mm512_set1_ps(x[r].scale));
                let sum = fractions(&sums[r][c]);
                keep_fractions(
                    &mut sums[r][c],
                    _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[r][c]), scale, sum),
                );
            }
        }
    }
}
