//! The same product with vectors of 256 bits, two to a line, for processors without dot products of 8-bit numbers.
//!
//! The products of numbers of few bits with those of eight take so little of 16 bits that the sums of several steps fit
//! there. Only then are they multiplied with their group's scale, which widens them. All whole numbers are exact, and
//! fractions are added up in the same order, so that the bits are those of the wider vectors.

mod add;
mod few;
mod numbers;
mod scales;

use super::{Line, Q4K, Q5K, Q6K, Q80, Sums};
use crate::quant::{
    QuantType,
    rows::{Block8, Rows},
};
use add::{Short, add, add_first};
pub(super) use few::few;
use numbers::{HALVES, Numbers, Packed, Spread};
use scales::Scales;
use std::{arch::is_x86_feature_detected as has, sync::LazyLock};

/// Rows that go through a strip together: their sums of 16 bits fill half of the registers.
const TILE: usize = 4;

pub(super) fn available() -> bool {
    static AVAILABLE: LazyLock<bool> = LazyLock::new(|| has!("avx2") && has!("fma") && has!("f16c"));
    *AVAILABLE
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn many(kind: QuantType, strips: &[Line], x: &Rows, sums: &mut [Sums]) {
    match kind {
        QuantType::Q4K => multiply_many::<Q4K>(strips, x, sums),
        QuantType::Q5K => multiply_many::<Q5K>(strips, x, sums),
        QuantType::Q6K => multiply_many::<Q6K>(strips, x, sums),
        QuantType::Q8_0 => multiply_many::<Q80>(strips, x, sums),
    }
}

#[inline(always)]
fn multiply_many<F: Short>(strips: &[Line], x: &Rows, sums: &mut [Sums]) {
    let (together, record) = (sums.len() / x.count, F::RECORD.lines);
    let (mut numbers, mut scales) = (Spread::EMPTY, Scales::EMPTY);
    for block in 0..x.blocks {
        let strips = strips.chunks_exact(strips.len() / together);
        for (number, strip) in strips.enumerate() {
            let lines = &strip[block * record..][..record];
            scales.fill(F::KIND, lines);
            numbers.fill(&Packed::<F>::of(lines));
            add_all::<F, _>(&numbers, &scales, x.block(block), &mut sums[number..], together);
        }
    }
}

/// Adds the products of all rows with a panel. Their sums are `stride` apart.
#[inline(always)]
fn add_all<F: Short, N: Numbers>(
    numbers: &N,
    scales: &Scales,
    x: &[Block8],
    sums: &mut [Sums],
    stride: usize,
) {
    let (tiles, rest) = x.as_chunks::<TILE>();
    let mut sums = sums.chunks_mut(TILE * stride);
    for (x, sums) in tiles.iter().zip(&mut sums) {
        add::<F, N, TILE, 0, HALVES>(numbers, scales, x, sums, stride);
    }
    let Some(sums) = sums.next() else {
        return;
    };
    match rest.len() {
        3 => add_first::<F, N, 3, 0, HALVES>(numbers, scales, rest, sums, stride),
        2 => add_first::<F, N, 2, 0, HALVES>(numbers, scales, rest, sums, stride),
        1 => add_first::<F, N, 1, 0, HALVES>(numbers, scales, rest, sums, stride),
        _ => {}
    }
}
