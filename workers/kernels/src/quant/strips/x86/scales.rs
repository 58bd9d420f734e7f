//! The scales and minima of a record, as numbers of 32 bits.
//!
//! As in `super::add` everything is inlined into `super::multiply`.

use super::super::{LINE, ROWS, Record};
use super::vectors::{Line, keep, load};
use crate::quant::{BLOCK, GROUP, QuantType, SMALL_BLOCK, groups::GROUPS};
use std::arch::x86_64::{
    __m512i, _mm_cvtsi32_si128, _mm_loadu_si128, _mm256_loadu_si256, _mm512_and_si512, _mm512_castps_si512,
    _mm512_cvtepi8_epi32, _mm512_cvtph_ps, _mm512_or_si512, _mm512_set1_epi32, _mm512_setzero_si512,
    _mm512_slli_epi32, _mm512_srl_epi32,
};

/// Sixteen rows of a block, each in its lane.
#[repr(C, align(64))]
pub(super) struct Scales {
    /// Of each group: 8 groups in `Q4_K` and `Q5_K`, 16 in `Q6_K`.
    pub groups: [[i32; ROWS]; BLOCK / GROUP],
    /// Pairs of 16-bit numbers: of groups `2 n` and `2 n + 1`.
    pub minima: [[i32; ROWS]; GROUPS / 2],
    /// What the scales count in; in `Q8_0` of each small block.
    pub d: [[f32; ROWS]; BLOCK / SMALL_BLOCK],
    /// What the minima count in.
    pub dmin: [f32; ROWS],
}

/// The half-precision numbers of the first or second half of a line.
#[inline(always)]
fn fractions(line: &Line, half: usize) -> __m512i {
    let half = &line.as_chunks::<{ LINE / 2 }>().0[half];
    // SAFETY: 32 bytes are there.
    unsafe { _mm512_castps_si512(_mm512_cvtph_ps(_mm256_loadu_si256(half.as_ptr().cast()))) }
}

/// `from >> shift & mask` in each lane.
#[inline(always)]
fn bits(from: __m512i, shift: usize, mask: i32) -> __m512i {
    // SAFETY: see the module's text.
    unsafe {
        let shifted = _mm512_srl_epi32(from, _mm_cvtsi32_si128(shift as i32));
        _mm512_and_si512(shifted, _mm512_set1_epi32(mask))
    }
}

/// `high << SHIFT | low` in each lane.
#[inline(always)]
fn joined<const SHIFT: u32>(low: __m512i, high: __m512i) -> __m512i {
    // SAFETY: see the module's text.
    unsafe { _mm512_or_si512(low, _mm512_slli_epi32::<SHIFT>(high)) }
}

impl Scales {
    pub(super) const EMPTY: Scales = Scales {
        groups: [[0; ROWS]; BLOCK / GROUP],
        minima: [[0; ROWS]; GROUPS / 2],
        d: [[0.0; ROWS]; BLOCK / SMALL_BLOCK],
        dmin: [0.0; ROWS],
    };

    #[inline(always)]
    pub(super) fn fill(&mut self, kind: QuantType, record: &[Line]) {
        let at = Record::of(kind);
        match kind {
            QuantType::Q4K | QuantType::Q5K => self.fill_eight(record, at.groups),
            QuantType::Q6K => {
                keep(&mut self.d[0], fractions(&record[0], 0));
                self.fill_sixteen(&record[at.groups..at.numbers]);
            }
            QuantType::Q8_0 => {
                for (line, to) in record.iter().zip(self.d.as_chunks_mut::<2>().0) {
                    keep(&mut to[0], fractions(line, 0));
                    keep(&mut to[1], fractions(line, 1));
                }
            }
        }
    }

    /// The scales and minima of eight groups, six bits each; `crate::quant::groups` says how they lie.
    #[inline(always)]
    fn fill_eight(&mut self, record: &[Line], at: usize) {
        keep(&mut self.d[0], fractions(&record[0], 0));
        keep(&mut self.dmin, fractions(&record[0], 1));
        let [first, second, third] = [load(&record[at]), load(&record[at + 1]), load(&record[at + 2])];
        // SAFETY: see the module's text.
        let mut minima = [unsafe { _mm512_setzero_si512() }; GROUPS];
        for group in 0..GROUPS / 2 {
            let (byte, later) = (8 * group, group + GROUPS / 2);
            keep(&mut self.groups[group], bits(first, byte, 63));
            minima[group] = bits(second, byte, 63);
            let scale = joined::<4>(bits(third, byte, 15), bits(first, byte + 6, 3));
            keep(&mut self.groups[later], scale);
            minima[later] = joined::<4>(bits(third, byte + 4, 15), bits(second, byte + 6, 3));
        }
        for (to, pair) in self.minima.iter_mut().zip(minima.as_chunks::<2>().0) {
            keep(to, joined::<16>(pair[0], pair[1]));
        }
    }

    /// The scales of sixteen groups, eight bits each.
    #[inline(always)]
    fn fill_sixteen(&mut self, lines: &[Line]) {
        let sixteens = lines.as_flattened().as_chunks::<ROWS>().0;
        for (sixteen, to) in sixteens.iter().zip(&mut self.groups) {
            // SAFETY: sixteen bytes are there.
            keep(to, unsafe {
                _mm512_cvtepi8_epi32(_mm_loadu_si128(sixteen.as_ptr().cast()))
            });
        }
    }
}
