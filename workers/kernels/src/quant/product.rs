//! The product of rows of activations with quantised weights.
//!
//! Weights stay in their few bits in memory and are spread out block by block where they are used; a spread block
//! serves several rows. Products and sums inside a block are whole numbers, so they are exact in any order; what is
//! rounded is the sum over blocks, which runs in one order whatever the number of rows and threads.

use super::{
    BLOCK, GROUP, QuantType, SMALL_BLOCK, Unpacked, q4_k, q5_k, q6_k, q8_0, rows::Block8, rows::Rows,
};
use rayon::prelude::*;

/// Rows that a spread block serves at one time.
pub(super) const TILE: usize = 4;
/// Weight rows that one thread takes at a time.
const OUTPUTS: usize = 16;

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
    columns
        .par_chunks_mut(OUTPUTS * x.count)
        .zip(weight.par_chunks(OUTPUTS * bytes))
        .for_each(|(out, weight)| {
            for (out, weight) in out.chunks_exact_mut(x.count).zip(weight.chunks_exact(bytes)) {
                dots(kind, weight, x, out);
            }
        });
    if x.count == 1 {
        return out.copy_from_slice(&columns);
    }
    out.par_chunks_mut(outputs).enumerate().for_each(|(row, out)| {
        for (out, column) in out.iter_mut().zip(columns.chunks_exact(x.count)) {
            *out = column[row];
        }
    });
}

/// One weight row with every row of `x`.
fn dots(kind: QuantType, weight: &[u8], x: &Rows, out: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if super::x86::dots(kind, weight, x, out) {
        return;
    }
    dots_with(Scalar, kind, weight, x, out);
}

/// How a block is multiplied with blocks of a few rows.
pub(super) trait Multiply: Copy {
    /// What a row has come to so far.
    type Sum: Copy;
    fn zero(self) -> Self::Sum;
    /// Adds a block of a K type.
    fn add(self, weight: &Unpacked, x: &Block8, sum: Self::Sum) -> Self::Sum;
    /// Adds eight blocks of `Q8_0`.
    fn add_small(self, weight: &[u8], x: &Block8, sum: Self::Sum) -> Self::Sum;
    fn total(self, sum: Self::Sum) -> f32;
}

/// Every multiplier's loop. `M` marks its functions as `#[inline(always)]`.
#[inline(always)]
pub(super) fn dots_with<M: Multiply>(with: M, kind: QuantType, weight: &[u8], x: &Rows, out: &mut [f32]) {
    for (tile, out) in out.chunks_mut(TILE).enumerate() {
        let first = tile * TILE;
        let mut rows: [&[Block8]; TILE] = [&[]; TILE];
        for (row, number) in rows.iter_mut().zip(first..first + out.len()) {
            *row = x.row(number);
        }
        match kind {
            QuantType::Q4K => k_tile(
                with,
                weight.as_chunks::<{ q4_k::BYTES }>().0,
                q4_k::unpack_into,
                &rows[..out.len()],
                out,
            ),
            QuantType::Q5K => k_tile(
                with,
                weight.as_chunks::<{ q5_k::BYTES }>().0,
                q5_k::unpack_into,
                &rows[..out.len()],
                out,
            ),
            QuantType::Q6K => k_tile(
                with,
                weight.as_chunks::<{ q6_k::BYTES }>().0,
                q6_k::unpack_into,
                &rows[..out.len()],
                out,
            ),
            QuantType::Q8_0 => small_tile(with, weight, &rows[..out.len()], out),
        }
    }
}

#[inline(always)]
fn k_tile<M: Multiply, const BYTES: usize>(
    with: M,
    weight: &[[u8; BYTES]],
    unpack: impl Fn(&[u8], &mut Unpacked),
    rows: &[&[Block8]],
    out: &mut [f32],
) {
    let mut sums = [with.zero(); TILE];
    let mut block = Unpacked::EMPTY;
    for (number, bytes) in weight.iter().enumerate() {
        unpack(bytes, &mut block);
        for (sum, row) in sums.iter_mut().zip(rows) {
            *sum = with.add(&block, &row[number], *sum);
        }
    }
    for (out, sum) in out.iter_mut().zip(sums) {
        *out = with.total(sum);
    }
}

#[inline(always)]
fn small_tile<M: Multiply>(with: M, weight: &[u8], rows: &[&[Block8]], out: &mut [f32]) {
    const BYTES: usize = BLOCK / SMALL_BLOCK * q8_0::BYTES;
    let mut sums = [with.zero(); TILE];
    for (number, bytes) in weight.as_chunks::<BYTES>().0.iter().enumerate() {
        for (sum, row) in sums.iter_mut().zip(rows) {
            *sum = with.add_small(bytes, &row[number], *sum);
        }
    }
    for (out, sum) in out.iter_mut().zip(sums) {
        *out = with.total(sum);
    }
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
    fn add(self, weight: &Unpacked, x: &Block8, sum: f32) -> f32 {
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
        sum + x.scale * (weight.d * products as f32 - weight.dmin * minima as f32)
    }

    #[inline(always)]
    fn add_small(self, weight: &[u8], x: &Block8, sum: f32) -> f32 {
        let blocks = weight
            .chunks_exact(q8_0::BYTES)
            .zip(x.q.as_chunks::<SMALL_BLOCK>().0);
        blocks.fold(sum, |sum, (bytes, values)| {
            let (scale, weights) = q8_0::parts(bytes);
            let dot: i32 = weights
                .iter()
                .zip(values)
                .map(|(&w, &x)| i32::from(w as i8) * i32::from(x))
                .sum();
            sum + x.scale * scale * dot as f32
        })
    }

    fn total(self, sum: f32) -> f32 {
        sum
    }
}
