//! The scales and minima of a record as pairs of 16-bit numbers, which is how products of 16 bits take them.
//!
//! As in `super::numbers` everything is inlined into functions of `super`.

use super::super::Line;
use crate::quant::strips::{LINE, ROWS, Record};
use crate::quant::{BLOCK, GROUP, QuantType, SMALL_BLOCK, groups::GROUPS};
use std::arch::x86_64::{_mm_loadu_si128, _mm256_cvtph_ps, _mm256_storeu_ps};

/// A number for each of sixteen rows.
type Lanes = [u32; ROWS];

/// Sixteen rows of a block, each in its lane.
#[repr(C, align(64))]
pub(super) struct Scales {
    /// Of each group, twice: 8 groups in `Q4_K` and `Q5_K`, 16 in `Q6_K`.
    pub groups: [Lanes; BLOCK / GROUP],
    /// Of groups `2 n` and `2 n + 1`: the minima, or the scales where there are none.
    pub pairs: [Lanes; BLOCK / GROUP / 2],
    /// What the scales count in; in `Q8_0` of each small block.
    pub d: [[f32; ROWS]; BLOCK / SMALL_BLOCK],
    /// What the minima count in.
    pub dmin: [f32; ROWS],
}

/// Half-precision numbers.
#[inline(always)]
fn fractions(halves: &[u8; LINE / 2]) -> [f32; ROWS] {
    let mut all = [0.0; ROWS];
    for (halves, to) in halves.as_chunks::<16>().0.iter().zip(all.as_chunks_mut::<8>().0) {
        // SAFETY: sixteen bytes are there, and room for eight values.
        unsafe {
            let eight = _mm256_cvtph_ps(_mm_loadu_si128(halves.as_ptr().cast()));
            _mm256_storeu_ps(to.as_mut_ptr(), eight);
        }
    }
    all
}

#[inline(always)]
fn lanes(line: &Line) -> Lanes {
    let mut lanes = [0; ROWS];
    for (lane, &four) in lanes.iter_mut().zip(line.as_chunks().0) {
        *lane = u32::from_le_bytes(four);
    }
    lanes
}

/// `from >> shift & mask` in each lane.
#[inline(always)]
fn bits(from: &Lanes, shift: usize, mask: u32) -> Lanes {
    from.map(|lane| lane >> shift & mask)
}

/// `high << shift | low` in each lane.
#[inline(always)]
fn joined(low: &Lanes, high: &Lanes, shift: usize) -> Lanes {
    let mut joined = *low;
    for (lane, high) in joined.iter_mut().zip(high) {
        *lane |= high << shift;
    }
    joined
}

impl Scales {
    pub(super) const EMPTY: Scales = Scales {
        groups: [[0; ROWS]; BLOCK / GROUP],
        pairs: [[0; ROWS]; BLOCK / GROUP / 2],
        d: [[0.0; ROWS]; BLOCK / SMALL_BLOCK],
        dmin: [0.0; ROWS],
    };

    #[inline(always)]
    pub(super) fn fill(&mut self, kind: QuantType, record: &[Line]) {
        let at = Record::of(kind);
        let halves = record.as_flattened().as_chunks::<{ LINE / 2 }>().0;
        match kind {
            QuantType::Q4K | QuantType::Q5K => {
                (self.d[0], self.dmin) = (fractions(&halves[0]), fractions(&halves[1]));
                self.fill_eight([0, 1, 2].map(|line| lanes(&record[at.groups + line])));
            }
            QuantType::Q6K => {
                self.d[0] = fractions(&halves[0]);
                self.fill_sixteen(&record[at.groups..at.numbers]);
            }
            QuantType::Q8_0 => {
                for (halves, d) in halves.iter().zip(&mut self.d) {
                    *d = fractions(halves);
                }
            }
        }
    }

    /// The scales and minima of eight groups, six bits each; `crate::quant::groups` says how they lie.
    #[inline(always)]
    fn fill_eight(&mut self, [first, second, third]: [Lanes; 3]) {
        let mut minima = [[0; ROWS]; GROUPS];
        for group in 0..GROUPS / 2 {
            let (byte, later) = (8 * group, group + GROUPS / 2);
            let scale = bits(&first, byte, 63);
            self.groups[group] = joined(&scale, &scale, 16);
            let scale = joined(&bits(&third, byte, 15), &bits(&first, byte + 6, 3), 4);
            self.groups[later] = joined(&scale, &scale, 16);
            minima[group] = bits(&second, byte, 63);
            minima[later] = joined(&bits(&third, byte + 4, 15), &bits(&second, byte + 6, 3), 4);
        }
        for (pair, [even, odd]) in self.pairs.iter_mut().zip(minima.as_chunks::<2>().0) {
            *pair = joined(even, odd, 16);
        }
    }

    /// The scales of sixteen groups, eight bits each.
    #[inline(always)]
    fn fill_sixteen(&mut self, lines: &[Line]) {
        let sixteens = lines.as_flattened().as_chunks::<ROWS>().0;
        let wide = |sixteen: &[u8; ROWS]| sixteen.map(|scale| u32::from(i16::from(scale as i8) as u16));
        let pairs = sixteens.as_chunks::<2>().0.iter().zip(&mut self.pairs);
        for (([even, odd], pair), groups) in pairs.zip(self.groups.as_chunks_mut::<2>().0) {
            let (even, odd) = (wide(even), wide(odd));
            *pair = joined(&even, &odd, 16);
            *groups = [joined(&even, &even, 16), joined(&odd, &odd, 16)];
        }
    }
}
