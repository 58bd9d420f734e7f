//! The product of many rows with quantised weights, both rounded to bf16: for the tile unit.
//!
//! Spreading a weight out costs more than multiplying it with a few rows, and nothing beside multiplying it with a
//! thousand. Against [`super::product`] the activations keep eight bits of their own instead of eight that a block of 256
//! shares, and the weights lose less to rounding than a hundredth of what they lost to quantisation.

use super::{BLOCK, QuantType, dequantise};
use crate::pool;
use crate::tiles::{Columns, RESULT, Rounded, SIDE, STEP, Tile, Tiles};

/// Columns of the result that one thread works out at a time.
const OUTPUTS: usize = 4 * RESULT;
/// Numbers of a row that are spread out and multiplied at a time: with `OUTPUTS` what stays in a core's cache.
const DEPTH: usize = 2 * BLOCK;
/// Tiles of a panel of that depth.
const STEPS: usize = DEPTH / STEP;

/// `out[r, o] = x[r, :] . weight[o, :]`, as [`super::product`], with rows that were filled up to whole blocks of 256.
///
/// # Panics
///
/// If the lengths do not go together, or where [`crate::tiles::rounded_products`] is false.
pub fn product(kind: QuantType, weight: &[u8], x: &Rounded, out: &mut [f32]) {
    let width = x.steps * STEP;
    assert!(width.is_multiple_of(BLOCK));
    let bytes = width / kind.block_values() * kind.block_bytes();
    let outputs = weight.len() / bytes;
    assert_eq!(weight.len(), outputs * bytes);
    assert_eq!(out.len(), outputs * x.count);
    let out = Columns::of(out, outputs);
    pool::for_each(weight.chunks(OUTPUTS * bytes).enumerate(), |(chunk, weight)| {
        let sums = chunk_sums(kind, weight, bytes, x);
        write(&sums, &out, chunk * OUTPUTS, weight.len() / bytes, x.count);
    });
}

#[expect(unsafe_code, reason = "threads write disjoint columns")]
fn write(sums: &[f32], out: &Columns, first: usize, columns: usize, rows: usize) {
    for (row, sums) in sums.chunks_exact(OUTPUTS).take(rows).enumerate() {
        // SAFETY: every chunk of weights is another range of columns.
        unsafe { out.write(row, first, &sums[..columns]) };
    }
}

/// The products of all rows with up to `OUTPUTS` weight rows: rows of `OUTPUTS`.
fn chunk_sums(kind: QuantType, weight: &[u8], bytes: usize, x: &Rounded) -> Vec<f32> {
    let unit = Tiles::of_this_thread();
    let pairs = x.count.div_ceil(RESULT);
    let mut sums = vec![0.0; pairs * RESULT * OUTPUTS];
    let mut panels = vec![Tile::ZERO; OUTPUTS / SIDE * STEPS];
    let mut values = vec![0.0; SIDE * DEPTH];
    let used = (weight.len() / bytes).div_ceil(RESULT);
    for first in (0..x.steps).step_by(STEPS) {
        let steps = STEPS.min(x.steps - first);
        for (panel, weight) in panels.chunks_exact_mut(STEPS).zip(weight.chunks(SIDE * bytes)) {
            spread(kind, weight, bytes, first * STEP, steps * STEP, &mut values);
            for (step, tile) in panel[..steps].iter_mut().enumerate() {
                unit.round_columns(&values[step * STEP..], DEPTH, tile);
            }
        }
        for (pair, sums) in sums.chunks_exact_mut(RESULT * OUTPUTS).enumerate() {
            let left = x.pair(pair).map(|panel| &panel[first..first + steps]);
            for (column, right) in panels.chunks_exact(2 * STEPS).take(used).enumerate() {
                let right = [&right[..steps], &right[STEPS..][..steps]];
                unit.multiply(left, right, &mut sums[column * RESULT..], OUTPUTS, first == 0);
            }
        }
    }
    sums
}

/// `depth` values from `first` on of up to sixteen weight rows, in rows of `DEPTH`.
fn spread(kind: QuantType, weight: &[u8], bytes: usize, first: usize, depth: usize, values: &mut [f32]) {
    let place = |value: usize| value / kind.block_values() * kind.block_bytes();
    for (row, values) in weight.chunks_exact(bytes).zip(values.chunks_exact_mut(DEPTH)) {
        dequantise(
            kind,
            &row[place(first)..place(first + depth)],
            &mut values[..depth],
        );
    }
}
