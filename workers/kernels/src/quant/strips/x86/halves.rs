//! Sixteen rows of a block spread out and rounded to bf16, as the panels of columns that tiles take.
//!
//! A strip is sixteen rows side by side, as a panel is sixteen columns: nothing changes its lane.

use super::super::{ROWS, Record};
use super::add::{Form, Q4K, Q5K, Q6K, Q80, fractions};
use super::numbers::{Numbers, Packed};
use super::scales::Scales;
use super::vectors::{Line, keep, load};
use crate::Finish;
use crate::quant::{BLOCK, QuantType};
use crate::tiles::{self, LayOut, Out, Room, Rounded, STEP, Tile, in_turn};
use std::arch::x86_64::{
    __m512, __m512i, _mm512_and_si512, _mm512_cvtepi32_ps, _mm512_fmadd_ps, _mm512_mul_ps, _mm512_set1_epi32,
    _mm512_set1_ps, _mm512_srli_epi32,
};
use std::marker::PhantomData;
use std::ops::Range;

/// As [`super::super::product_bf16`], which has looked at the lengths and the processor.
pub(in super::super) fn product(
    kind: QuantType,
    strips: &[u8],
    x: &Rounded,
    outputs: usize,
    finish: Finish,
    out: Out,
) {
    let (lines, blocks) = (strips.as_chunks().0, x.steps * STEP / BLOCK);
    match kind {
        QuantType::Q4K => tiles::product(&Strips::<Q4K>::of(lines, blocks, outputs), x, finish, out),
        QuantType::Q5K => tiles::product(&Strips::<Q5K>::of(lines, blocks, outputs), x, finish, out),
        QuantType::Q6K => tiles::product(&Strips::<Q6K>::of(lines, blocks, outputs), x, finish, out),
        QuantType::Q8_0 => tiles::product(&Strips::<Q80>::of(lines, blocks, outputs), x, finish, out),
    }
}

/// Strips of one type.
struct Strips<'a, F> {
    lines: &'a [Line],
    /// Blocks of a row.
    blocks: usize,
    outputs: usize,
    kind: PhantomData<F>,
}

impl<'a, F: Form> Strips<'a, F> {
    fn of(lines: &'a [Line], blocks: usize, outputs: usize) -> Self {
        let strips = outputs.div_ceil(ROWS);
        assert_eq!(lines.len(), strips * blocks * Record::of(F::KIND).lines);
        Self {
            lines,
            blocks,
            outputs,
            kind: PhantomData,
        }
    }
}

impl<F: Form + Sync> LayOut for Strips<'_, F> {
    fn outputs(&self) -> usize {
        self.outputs
    }

    fn lay_out(&self, rows: Range<usize>, columns: Range<usize>, panel: &mut [Tile], _room: &mut Room) {
        assert!(rows.start.is_multiple_of(ROWS) && rows.len() <= ROWS);
        assert!(columns.start.is_multiple_of(BLOCK) && columns.len() == panel.len() * STEP);
        let record = Record::of(F::KIND).lines;
        let block = rows.start / ROWS * self.blocks + columns.start / BLOCK;
        let lines = &self.lines[block * record..][..record];
        // SAFETY: `product` alone makes these, where the processor has the instructions.
        unsafe { spread::<F>(lines, panel) }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vnni,avx512bf16")]
fn spread<F: Form>(record: &[Line], panel: &mut [Tile]) {
    let mut scales = Scales::EMPTY;
    scales.fill(F::KIND, record);
    let numbers = Packed::<F>::of(record);
    for (number, tile) in panel.iter_mut().enumerate() {
        let lines = tile.0.as_chunks_mut::<ROWS>().0.as_chunks_mut::<2>().0;
        for (step, lines) in (number * STEP / 4..).zip(lines) {
            let (scale, low) = range::<F>(&scales, step / F::STEPS);
            let bytes = numbers.at(step);
            let value = |byte: __m512i| {
                let number = _mm512_cvtepi32_ps(_mm512_and_si512(byte, _mm512_set1_epi32(0xff)));
                _mm512_fmadd_ps(number, scale, low)
            };
            let (first, second) = (value(bytes), value(_mm512_srli_epi32::<8>(bytes)));
            let (third, fourth) = (
                value(_mm512_srli_epi32::<16>(bytes)),
                value(_mm512_srli_epi32::<24>(bytes)),
            );
            keep(&mut lines[0], in_turn(first, second));
            keep(&mut lines[1], in_turn(third, fourth));
        }
    }
}

/// What a number of a group counts, and what zero stands for.
#[inline(always)]
fn range<F: Form>(scales: &Scales, group: usize) -> (__m512, __m512) {
    if F::MINIMA {
        return super::bytes::range(scales, group);
    }
    // SAFETY: see the module's text of `super::add`.
    unsafe {
        let scale = match F::FRACTIONS {
            true => fractions(&scales.d[group]),
            false => _mm512_mul_ps(
                _mm512_cvtepi32_ps(load(&scales.groups[group])),
                fractions(&scales.d[0]),
            ),
        };
        (scale, _mm512_mul_ps(scale, _mm512_set1_ps(-F::ADDED as f32)))
    }
}
