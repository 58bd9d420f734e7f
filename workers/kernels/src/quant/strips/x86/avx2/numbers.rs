//! The numbers of a record, step by step, where they lie or spread out to a byte each.
//!
//! Everything here is inlined into functions of `super`, which are compiled for the instructions and only called where the
//! processor has them.

use super::super::numbers::Lie;
use crate::quant::strips::{LINE, STEPS};
use std::arch::x86_64::{
    __m256i, _MM_HINT_T0, _mm_cvtsi32_si128, _mm_prefetch, _mm256_and_si256, _mm256_loadu_si256,
    _mm256_or_si256, _mm256_set1_epi8, _mm256_sll_epi16, _mm256_srl_epi16, _mm256_srli_epi16,
    _mm256_storeu_si256,
};
use std::marker::PhantomData;

/// Vectors of a line: rows 0 to 7 and rows 8 to 15.
pub(super) const HALVES: usize = 2;

/// One half of 64 bytes.
#[inline(always)]
pub(super) fn load<T: Copy, const N: usize>(from: &[T; N], half: usize) -> __m256i {
    const { assert!(size_of::<[T; N]>() == LINE) };
    assert!(half < HALVES);
    // SAFETY: 64 bytes are there, the load needs no alignment, and every pattern of bits is a vector.
    unsafe { _mm256_loadu_si256(from.as_ptr().cast::<__m256i>().add(half)) }
}

#[inline(always)]
pub(super) fn keep<T: Copy, const N: usize>(to: &mut [T; N], half: usize, vector: __m256i) {
    const { assert!(size_of::<[T; N]>() == LINE) };
    assert!(half < HALVES);
    // SAFETY: there is room for 64 bytes, and numbers take every pattern of bits.
    unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast::<__m256i>().add(half), vector) }
}

/// Four numbers of each of the eight rows of half a strip, none below zero, at each of 64 steps.
pub(super) trait Numbers {
    fn at(&self, step: usize, half: usize) -> __m256i;
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

/// Asks memory for the same line of the next record, which is read when all strips have been through this one.
#[inline(always)]
pub(super) fn ask_for_next<K: Lie>(line: &[u8; LINE]) {
    let next = line.as_ptr().wrapping_add(K::RECORD.lines * LINE);
    // SAFETY: nothing is read or written, and an address where nothing is does no harm.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(next.cast()) };
}

impl<K: Lie> Packed<'_, K> {
    /// A half of a line, which is the line's `first` step or a later one.
    #[inline(always)]
    fn line(&self, number: usize, half: usize, first: bool) -> __m256i {
        debug_assert!(number < self.lines.len());
        // SAFETY: no step has a line past the record's, all of which are there.
        let line = unsafe { self.lines.get_unchecked(number) };
        if first && half == 0 {
            ask_for_next::<K>(line);
        }
        load(line, half)
    }
}

impl<K: Lie> Numbers for Packed<'_, K> {
    #[inline(always)]
    fn at(&self, step: usize, half: usize) -> __m256i {
        let line = self.line(
            K::RECORD.line_of(step),
            half,
            K::RECORD.whole || step.is_multiple_of(2),
        );
        if K::RECORD.whole {
            return line;
        }
        // SAFETY: see the module's text.
        unsafe {
            let four = if step.is_multiple_of(2) {
                line
            } else {
                _mm256_srli_epi16::<4>(line)
            };
            let low = _mm256_and_si256(four, _mm256_set1_epi8(15));
            let bits = K::RECORD.higher;
            if bits == 0 {
                return low;
            }
            let all = self.line(
                K::RECORD.higher_of(step),
                half,
                step.is_multiple_of(K::RECORD.together()),
            );
            // To where they belong, above the lower four.
            let from = step % K::RECORD.together() * bits;
            let placed = if from < 4 {
                _mm256_sll_epi16(all, _mm_cvtsi32_si128(4 - from as i32))
            } else {
                _mm256_srl_epi16(all, _mm_cvtsi32_si128(from as i32 - 4))
            };
            let mask = ((1 << bits) - 1) << 4;
            _mm256_or_si256(low, _mm256_and_si256(placed, _mm256_set1_epi8(mask)))
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
            for half in 0..HALVES {
                keep(to, half, from.at(step, half));
            }
        }
    }
}

impl Numbers for Spread {
    #[inline(always)]
    fn at(&self, step: usize, half: usize) -> __m256i {
        load(&self.0[step], half)
    }
}
