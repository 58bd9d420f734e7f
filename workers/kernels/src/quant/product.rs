//! The product of rows of activations with quantised weights.
//!
//! Weights stay in their few bits in memory and are spread out block by block where they are used; a spread block
//! serves several rows. Products and sums inside a block are whole numbers, so they are exact in any order; what is
//! rounded is the sum over blocks, which runs in one order whatever the number of rows and threads.

use super::{
    BLOCK, GROUP, QuantType, SMALL_BLOCK, Unpacked, q4_k, q5_k, q6_k, q8_0, rows::Block8, rows::Rows,
};
use crate::pool;

/// Rows that a block of weights is multiplied with at one time.
const TILE: usize = 4;
/// Weight rows that one thread spreads out at one time. They stay in its cache while all rows pass by.
const OUTPUTS: usize = 8;

/// `out[r, o] = x[r, :] . weight[o, :]`. `weight` is the bytes of `outputs` rows, each as wide as the rows of `x` are when
/// they are filled up; `out` has a row of outputs for each row of `x`.
///
/// # Panics
///
/// If the lengths do not go together.
pub fn product(kind: QuantType, weight: &[u8], x: &Rows, out: &mut [f32]) {
    let bytes = x.blocks * BLOCK / kind.block_values() * kind.block_bytes();
    let outputs = weight.len() / bytes;
    assert_eq!(weight.len(), outputs * bytes);
    assert_eq!(out.len(), outputs * x.count);
    // By columns first: threads share the weights, which are what has to come from memory.
    let mut columns = vec![0.0; out.len()];
    let chunks = columns
        .chunks_mut(OUTPUTS * x.count)
        .zip(weight.chunks(OUTPUTS * bytes));
    pool::for_each(chunks, |(out, weight)| dots(kind, weight, x, out));
    if x.count == 1 {
        return out.copy_from_slice(&columns);
    }
    pool::for_each(out.chunks_mut(outputs).enumerate(), |(row, out)| {
        for (out, column) in out.iter_mut().zip(columns.chunks_exact(x.count)) {
            *out = column[row];
        }
    });
}

/// A few weight rows with every row of `x`: a column of `out` for each weight row.
fn dots(kind: QuantType, weight: &[u8], x: &Rows, out: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if super::x86::dots(kind, weight, x, out) {
        return;
    }
    #[cfg(target_arch = "aarch64")]
    if super::neon::dots(kind, weight, x, out) {
        return;
    }
    dots_with(Scalar, kind, weight, x, out);
}

/// How a block is multiplied with blocks of a few rows.
pub(super) trait Multiply: Copy {
    /// What a row has come to so far.
    type Sum: Copy;
    fn zero(self) -> Self::Sum;
    /// Spreads a block of a K type out.
    fn unpack(self, kind: QuantType, bytes: &[u8], block: &mut Unpacked);
    /// Adds a block of a K type to each row.
    fn add<const R: usize>(self, weight: &Unpacked, x: [&Block8; R], sums: &mut [Self::Sum; R]);
    /// Adds eight blocks of `Q8_0` to each row.
    fn add_small<const R: usize>(self, weight: &SmallBlocks, x: [&Block8; R], sums: &mut [Self::Sum; R]);
    fn total(self, sum: Self::Sum) -> f32;
}

/// Eight blocks of `Q8_0`: as many values as a block of activations has.
pub(super) type SmallBlocks = [u8; BLOCK / SMALL_BLOCK * q8_0::BYTES];

/// Every multiplier's loop. Implementations of `M` mark their functions as `#[inline(always)]`.
#[inline(always)]
pub(super) fn dots_with<M: Multiply>(with: M, kind: QuantType, weight: &[u8], x: &Rows, out: &mut [f32]) {
    if kind == QuantType::Q8_0 {
        return tiles(with, x, weight.as_chunks::<{ size_of::<SmallBlocks>() }>().0, out);
    }
    let mut blocks = vec![Unpacked::EMPTY; weight.len() / kind.block_bytes()];
    for (block, bytes) in blocks.iter_mut().zip(weight.chunks_exact(kind.block_bytes())) {
        with.unpack(kind, bytes, block);
    }
    tiles(with, x, &blocks, out);
}

/// Weights that go with one block of activations.
trait Factor {
    fn add_to<M: Multiply, const R: usize>(&self, with: M, x: [&Block8; R], sums: &mut [M::Sum; R]);
}

impl Factor for Unpacked {
    #[inline(always)]
    fn add_to<M: Multiply, const R: usize>(&self, with: M, x: [&Block8; R], sums: &mut [M::Sum; R]) {
        with.add(self, x, sums);
    }
}

impl Factor for SmallBlocks {
    #[inline(always)]
    fn add_to<M: Multiply, const R: usize>(&self, with: M, x: [&Block8; R], sums: &mut [M::Sum; R]) {
        with.add_small(self, x, sums);
    }
}

/// Every weight row with every row of `x`, a few of those at a time.
#[inline(always)]
fn tiles<M: Multiply, F: Factor>(with: M, x: &Rows, weights: &[F], out: &mut [f32]) {
    let whole = x.count / TILE * TILE;
    for first in (0..whole).step_by(TILE) {
        for (out, weights) in out.chunks_exact_mut(x.count).zip(weights.chunks_exact(x.blocks)) {
            out[first..first + TILE].copy_from_slice(&sums::<M, F, TILE>(with, weights, x, first));
        }
    }
    for row in whole..x.count {
        for (out, weights) in out.chunks_exact_mut(x.count).zip(weights.chunks_exact(x.blocks)) {
            [out[row]] = sums(with, weights, x, row);
        }
    }
}

#[inline(always)]
fn sums<M: Multiply, F: Factor, const R: usize>(with: M, weights: &[F], x: &Rows, first: usize) -> [f32; R] {
    let mut sums = [with.zero(); R];
    for (number, block) in weights.iter().enumerate() {
        let rows = &x.block(number)[first..first + R];
        block.add_to(with, std::array::from_fn(|row| &rows[row]), &mut sums);
    }
    sums.map(|sum| with.total(sum))
}

/// The specification.
#[derive(Clone, Copy)]
pub(super) struct Scalar;

impl Multiply for Scalar {
    type Sum = f32;

    fn zero(self) -> f32 {
        0.0
    }

    #[inline(always)]
    fn unpack(self, kind: QuantType, bytes: &[u8], block: &mut Unpacked) {
        match kind {
            QuantType::Q4K => q4_k::unpack_into(bytes, block),
            QuantType::Q5K => q5_k::unpack_into(bytes, block),
            QuantType::Q6K => q6_k::unpack_into(bytes, block),
            // It has no groups: `add_small` takes it as it is.
            QuantType::Q8_0 => {}
        }
    }

    #[inline(always)]
    fn add<const R: usize>(self, weight: &Unpacked, x: [&Block8; R], sums: &mut [f32; R]) {
        for (x, sum) in x.into_iter().zip(sums) {
            let (mut products, mut minima) = (0i32, 0i32);
            let groups = weight
                .q
                .as_chunks::<GROUP>()
                .0
                .iter()
                .zip(x.q.as_chunks::<GROUP>().0);
            for (group, (weights, values)) in groups.enumerate() {
                let dot: i32 = weights
                    .iter()
                    .zip(values)
                    .map(|(&w, &x)| i32::from(w) * i32::from(x))
                    .sum();
                products += i32::from(weight.scales[group]) * dot;
                minima += i32::from(weight.mins[group]) * i32::from(x.sums[group]);
            }
            *sum += x.scale * (weight.d * products as f32 - weight.dmin * minima as f32);
        }
    }

    #[inline(always)]
    fn add_small<const R: usize>(self, weight: &SmallBlocks, x: [&Block8; R], sums: &mut [f32; R]) {
        for (x, sum) in x.into_iter().zip(sums) {
            let blocks = weight
                .chunks_exact(q8_0::BYTES)
                .zip(x.q.as_chunks::<SMALL_BLOCK>().0);
            for (bytes, values) in blocks {
                let (scale, weights) = q8_0::parts(bytes);
                let products = weights
                    .iter()
                    .zip(values)
                    .map(|(&w, &x)| i32::from(w as i8) * i32::from(x));
                *sum += x.scale * scale * products.sum::<i32>() as f32;
            }
        }
    }

    fn total(self, sum: f32) -> f32 {
        sum
    }
}
