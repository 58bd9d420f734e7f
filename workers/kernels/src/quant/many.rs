//! The product of many rows with quantised weights, both rounded to bf16: for the tile unit.
//!
//! Against [`super::product`] the activations keep eight bits of their own instead of eight that a block of 256 shares,
//! and the weights lose less to rounding than a hundredth of what they lost to quantisation.

use super::{BLOCK, QuantType, dequantise};
use crate::Finish;
use crate::tiles::{self, Out, Rounded, STEP, Spread};
use std::ops::Range;

/// `out[r, o] = x[r, :] . weight[o, :]`, as [`super::product`], with rows that were filled up to whole blocks of 256.
///
/// # Panics
///
/// If the lengths do not go together, or where [`crate::tiles::rounded_products`] is false.
pub fn product(kind: QuantType, weight: &[u8], x: &Rounded, out: &mut [f32]) {
    let width = x.steps * STEP;
    assert!(width.is_multiple_of(BLOCK));
    let bytes = width / kind.block_values() * kind.block_bytes();
    assert!(weight.len().is_multiple_of(bytes));
    let weight = Weight { kind, weight, bytes };
    tiles::product(&weight, x, Finish::default(), Out::Values(out));
}

/// Rows of `bytes` bytes.
struct Weight<'a> {
    kind: QuantType,
    weight: &'a [u8],
    bytes: usize,
}

impl Spread for Weight<'_> {
    fn outputs(&self) -> usize {
        self.weight.len() / self.bytes
    }

    fn spread(&self, row: usize, columns: Range<usize>, to: &mut [f32]) {
        let place = |value: usize| value / self.kind.block_values() * self.kind.block_bytes();
        let row = &self.weight[row * self.bytes..][..self.bytes];
        dequantise(self.kind, &row[place(columns.start)..place(columns.end)], to);
    }
}
