//! The numbers of a record, step by step, where they lie or spread out to a byte each.
//!
//! As in `super::add` everything is inlined into `super::multiply`.

use super::super::{LINE, Record, STEPS};
use super::vectors::{Line, keep, load};
use std::marker::PhantomData;

use std::arch::x86_64::{
    __m512i, _mm_cvtsi32_si128, _mm512_and_si512, _mm512_or_si512, _mm512_set1_epi8, _mm512_slli_epi16,
    _mm512_srl_epi16, _mm512_srli_epi16,
};

/// Four numbers of each of sixteen rows, none below zero, at each of 64 steps.
pub(super) trait Numbers {
    /// The type that they are of.
    type Kind;
    fn at(&self, step: usize) -> __m512i;
}

/// The numbers of a record as they lie there.
pub(super) struct Packed<'a, K> {
    lines: &'a [Line],
    kind: PhantomData<K>,
}

/// How the numbers of a type lie.
pub(super) trait Lie {
    const RECORD: Record;
}

impl<K> Clone for Packed<'_, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Packed<'_, K> {}

impl<'a, K: Lie> Packed<'a, K> {
    #[inline(always)]
    pub(super) fn of(lines: &'a [Line]) -> Self {
        Self {
            lines,
            kind: PhantomData,
        }
    }
}

impl<K: Lie> Numbers for Packed<'_, K> {
    type Kind = K;

    #[inline(always)]
    fn at(&self, step: usize) -> __m512i {
        let line = load(&self.lines[K::RECORD.line_of(step)]);
        if K::RECORD.whole {
            return line;
        }
        // SAFETY: see the module's text.
        unsafe {
            let half = if step.is_multiple_of(2) {
                line
            } else {
                _mm512_srli_epi16::<4>(line)
            };
            let low = _mm512_and_si512(half, _mm512_set1_epi8(15));
            let bits = K::RECORD.higher;
            if bits == 0 {
                return low;
            }
            let all = load(&self.lines[K::RECORD.higher_of(step)]);
            let shift = step % K::RECORD.together() * bits;
            let rest = _mm512_srl_epi16(all, _mm_cvtsi32_si128(shift as i32));
            let higher = _mm512_and_si512(rest, _mm512_set1_epi8((1 << bits) - 1));
            _mm512_or_si512(low, _mm512_slli_epi16::<4>(higher))
        }
    }
}

/// Numbers spread out, which pays where several rows pass by.
#[repr(C, align(64))]
pub(super) struct Spread<K> {
    lines: [Line; STEPS],
    kind: PhantomData<K>,
}

impl<K> Spread<K> {
    pub(super) const EMPTY: Self = Self {
        lines: [[0; LINE]; STEPS],
        kind: PhantomData,
    };

    #[inline(always)]
    pub(super) fn fill(&mut self, from: &impl Numbers<Kind = K>) {
        for (step, to) in self.lines.iter_mut().enumerate() {
            keep(to, from.at(step));
        }
    }
}

impl<K> Numbers for Spread<K> {
    type Kind = K;

    #[inline(always)]
    fn at(&self, step: usize) -> __m512i {
        load(&self.lines[step])
    }
}
