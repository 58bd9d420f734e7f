//! The numbers of a record, step by step, where they lie or spread out to a byte each.
//!
//! Everything here is inlined into functions of `super`, which are compiled for the instructions and only called where the
//! processor has them.

use super::super::numbers::Lie;
use crate::quant::strips::{LINE, STEPS};
use std::arch::x86_64::{
    __m256i, _mm_cvtsi32_si128, _mm256_and_si256, _mm256_loadu_si256, _mm256_or_si256, _mm256_set1_epi8,
    _mm256_slli_epi16, _mm256_srl_epi16, _mm256_srli_epi16, _mm256_storeu_si256,
};
use std::marker::PhantomData;

/// Vectors of a line: rows 0 to 7 and rows 8 to 15.
pub(super) const HALVES: usize = 2;

/// The halves of 64 bytes.
#[inline(always)]
pub(super) fn load<T: Copy, const N: usize>(from: &[T; N]) -> [__m256i; HALVES] {
    const { assert!(size_of::<[T; N]>() == LINE) };
    let from = from.as_ptr().cast::<__m256i>();
    // SAFETY: 64 bytes are there, the loads need no alignment, and every pattern of bits is a vector.
    unsafe { [_mm256_loadu_si256(from), _mm256_loadu_si256(from.add(1))] }
}

#[inline(always)]
pub(super) fn keep<T: Copy, const N: usize>(to: &mut [T; N], halves: [__m256i; HALVES]) {
    const { assert!(size_of::<[T; N]>() == LINE) };
    let to = to.as_mut_ptr().cast::<__m256i>();
    // SAFETY: there is room for 64 bytes, and numbers take every pattern of bits.
    unsafe {
        _mm256_storeu_si256(to, halves[0]);
        _mm256_storeu_si256(to.add(1), halves[1]);
    }
}

/// Four numbers of each of sixteen rows, none below zero, at each of 64 steps.
pub(super) trait Numbers {
    fn at(&self, step: usize) -> [__m256i; HALVES];
}

/// The numbers of a record as they lie there.
pub(super) struct Packed<'a, K> {
    lines: &'a [[u8; LINE]],
    kind: PhantomData<K>,
}

impl<'a, K: Lie> Packed<'a, K> {
    #[inline(always)]
    pub(super) fn of(lines: &'a [[u8; LINE]]) -> Self {
        assert!(lines.len() == K::RECORD.lines);
        Self {
            lines,
            kind: PhantomData,
        }
    }
}

impl<K: Lie> Numbers for Packed<'_, K> {
    #[inline(always)]
    fn at(&self, step: usize) -> [__m256i; HALVES] {
        let line = load(&self.lines[K::RECORD.line_of(step)]);
        if K::RECORD.whole {
            return line;
        }
        // SAFETY: see the module's text.
        unsafe {
            let low = line.map(|line| {
                let half = if step.is_multiple_of(2) {
                    line
                } else {
                    _mm256_srli_epi16::<4>(line)
                };
                _mm256_and_si256(half, _mm256_set1_epi8(15))
            });
            let bits = K::RECORD.higher;
            if bits == 0 {
                return low;
            }
            let shift = _mm_cvtsi32_si128((step % K::RECORD.together() * bits) as i32);
            let higher = load(&self.lines[K::RECORD.higher_of(step)]).map(|all| {
                let rest = _mm256_srl_epi16(all, shift);
                let higher = _mm256_and_si256(rest, _mm256_set1_epi8((1 << bits) - 1));
                _mm256_slli_epi16::<4>(higher)
            });
            [
                _mm256_or_si256(low[0], higher[0]),
                _mm256_or_si256(low[1], higher[1]),
            ]
        }
    }
}

/// Numbers spread out, which pays where several rows pass by.
#[repr(C, align(64))]
pub(super) struct Spread([[u8; LINE]; STEPS]);

impl Spread {
    pub(super) const EMPTY: Spread = Spread([[0; LINE]; STEPS]);

    #[inline(always)]
    pub(super) fn fill(&mut self, from: &impl Numbers) {
        for (step, to) in self.0.iter_mut().enumerate() {
            keep(to, from.at(step));
        }
    }
}

impl Numbers for Spread {
    #[inline(always)]
    fn at(&self, step: usize) -> [__m256i; HALVES] {
        load(&self.0[step])
    }
}
