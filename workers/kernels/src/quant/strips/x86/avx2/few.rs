//! A few rows: they take the numbers of a record as they lie there.

use super::super::{Line, Q4K, Q5K, Q6K, Q80, Sums};
use super::add::{Short, add_first};
use super::numbers::{HALVES, Packed, ask_for_next};
use super::scales::Scales;
use crate::quant::{
    QuantType,
    rows::{Block8, Rows},
};

#[target_feature(enable = "avx2,fma,f16c")]
pub(in super::super) fn few(kind: QuantType, strips: &[Line], x: &Rows, sums: &mut [Sums]) {
    match kind {
        QuantType::Q4K => multiply::<Q4K>(strips, x, sums),
        QuantType::Q5K => multiply::<Q5K>(strips, x, sums),
        QuantType::Q6K => multiply::<Q6K>(strips, x, sums),
        QuantType::Q8_0 => multiply::<Q80>(strips, x, sums),
    }
}

#[inline(always)]
fn multiply<F: Short>(strips: &[Line], x: &Rows, sums: &mut [Sums]) {
    let (together, record) = (sums.len() / x.count, F::RECORD.lines);
    let mut scales = Scales::EMPTY;
    for block in 0..x.blocks {
        let strips = strips.chunks_exact(strips.len() / together);
        for (number, strip) in strips.enumerate() {
            let lines = &strip[block * record..][..record];
            for line in &lines[..F::RECORD.numbers] {
                ask_for_next::<F>(line);
            }
            scales.fill(F::KIND, lines);
            let numbers = Packed::<F>::of(lines);
            add_few::<F>(&numbers, &scales, x.block(block), &mut sums[number..], together);
        }
    }
}

/// Adds the products of up to eight rows with a panel. More than four take half of it at a time: their sums of 16 bits fill
/// half of the registers either way, and each line that is spread out serves them all.
#[inline(always)]
fn add_few<F: Short>(numbers: &Packed<F>, scales: &Scales, x: &[Block8], sums: &mut [Sums], stride: usize) {
    match x.len() {
        1 => add_first::<F, _, 1, 0, HALVES>(numbers, scales, x, sums, stride),
        2 => add_first::<F, _, 2, 0, HALVES>(numbers, scales, x, sums, stride),
        3 => add_first::<F, _, 3, 0, HALVES>(numbers, scales, x, sums, stride),
        4 => add_first::<F, _, 4, 0, HALVES>(numbers, scales, x, sums, stride),
        5 => add_halves::<F, 5>(numbers, scales, x, sums, stride),
        6 => add_halves::<F, 6>(numbers, scales, x, sums, stride),
        7 => add_halves::<F, 7>(numbers, scales, x, sums, stride),
        8 => add_halves::<F, 8>(numbers, scales, x, sums, stride),
        more => unreachable!("{more} rows are not few"),
    }
}

#[inline(always)]
fn add_halves<F: Short, const R: usize>(
    numbers: &Packed<F>,
    scales: &Scales,
    x: &[Block8],
    sums: &mut [Sums],
    stride: usize,
) {
    add_first::<F, _, R, 0, 1>(numbers, scales, x, sums, stride);
    add_first::<F, _, R, 1, 1>(numbers, scales, x, sums, stride);
}
