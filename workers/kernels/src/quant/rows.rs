//! Activations in eight bits: what quantised weights are multiplied with.

#[cfg(target_arch = "x86_64")]
mod x86;

use super::{BLOCK, GROUP};
use crate::activation::ROUNDER;
use crate::pool;
use crate::simd::{Isa, Work, dispatch};
use crate::tiles::Columns;

/// Rows of activations, each a whole number of blocks of 256 signed bytes with a scale for each block. Rows whose width
/// is no whole number of blocks are filled up with zeros.
#[derive(Debug, Clone)]
pub struct Rows {
    pub(super) count: usize,
    pub(super) blocks: usize,
    /// `[blocks][count]`.
    data: Vec<Block8>,
}

/// One block.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Block8 {
    pub q: [i8; BLOCK],
    /// Sums of each 16 of `q`.
    pub sums: [i16; BLOCK / GROUP],
    /// Sums of each 32 of `q`, two 16-bit numbers in each, the first in the lower half.
    pub pairs: [i32; BLOCK / GROUP / 4],
    /// The sum of all of `q`.
    pub total: i32,
    pub scale: f32,
}

const EMPTY: Block8 = Block8 {
    q: [0; BLOCK],
    sums: [0; BLOCK / GROUP],
    pairs: [0; BLOCK / GROUP / 4],
    total: 0,
    scale: 0.0,
};

/// Fewer blocks are filled by one thread.
const SHARED: usize = 128;

/// Rows that one thread takes at a time: each is read from its beginning to its end.
const TOGETHER: usize = 16;

impl Rows {
    /// Quantises rows of `width` values to the nearest of 255 steps, block by block. A block with a value that is not
    /// finite gives products that are not finite.
    ///
    /// # Panics
    ///
    /// If `x` is no whole number of rows.
    #[expect(unsafe_code, reason = "threads write disjoint columns, and all of them")]
    pub fn quantise(x: &[f32], width: usize) -> Self {
        assert!(x.len().is_multiple_of(width));
        let (count, blocks) = (x.len() / width, width.div_ceil(BLOCK));
        let all = count * blocks;
        // To fill it with zeros first takes one thread a while.
        let mut data = Vec::with_capacity(all);
        let columns = Columns::of_spare(&mut data.spare_capacity_mut()[..all], count);
        let fill = |(number, x): (usize, &[f32])| {
            let mut some = [EMPTY; TOGETHER];
            let some = &mut some[..x.len() / width];
            for block in 0..blocks {
                let values = block * BLOCK..width.min((block + 1) * BLOCK);
                for (block, x) in some.iter_mut().zip(x.chunks_exact(width)) {
                    block.fill(&x[values.clone()]);
                }
                // SAFETY: these rows are other columns than those of the other pieces.
                unsafe { columns.write(block, number * TOGETHER, some) };
            }
        };
        let pieces = x.chunks(TOGETHER * width).enumerate();
        if all < SHARED {
            pieces.for_each(fill);
        } else {
            pool::for_each(pieces, fill);
        }
        // SAFETY: the pieces are all rows, and each has written all of its blocks.
        unsafe { data.set_len(all) };
        Self { count, blocks, data }
    }

    /// What [`Self::quantise`] leaves of rows: products of the rounded rows and of these together are right to fifteen bits.
    ///
    /// # Panics
    ///
    /// If `x` is no whole number of rows.
    pub fn rest(x: &[f32], width: usize) -> Vec<f32> {
        assert!(x.len().is_multiple_of(width));
        let mut rest = x.to_vec();
        pool::for_each(rest.chunks_mut(TOGETHER * width), |rows| {
            let mut rounded = EMPTY;
            for values in rows.chunks_exact_mut(width).flat_map(|row| row.chunks_mut(BLOCK)) {
                rounded.fill(values);
                for (value, &q) in values.iter_mut().zip(&rounded.q) {
                    *value -= f32::from(q) * rounded.scale;
                }
            }
        });
        rest
    }

    /// Block `number` of all rows.
    pub(super) fn block(&self, number: usize) -> &[Block8] {
        &self.data[number * self.count..][..self.count]
    }
}

/// Values that run side by side along a block.
const LANES: usize = 16;

/// The specification of [`Block8::fill`].
struct Fill<'a> {
    block: &'a mut Block8,
    values: &'a [f32],
}

impl Work for Fill<'_> {
    type Output = ();
    #[inline(always)]
    fn carry_out<I: Isa>(self) {
        let mut x = [[0f32; LANES]; BLOCK / LANES];
        x.as_flattened_mut()[..self.values.len()].copy_from_slice(self.values);
        let mut lanes = [0f32; LANES];
        // Not a number as soon as one of its lane is not finite.
        let mut nothing = [0f32; LANES];
        for x in &x {
            for lane in 0..LANES {
                lanes[lane] = if x[lane].abs() > lanes[lane] {
                    x[lane].abs()
                } else {
                    lanes[lane]
                };
                nothing[lane] += x[lane] * 0.0;
            }
        }
        let largest = lanes.iter().fold(0f32, |largest, &lane| largest.max(lane));
        let nothing: f32 = nothing.iter().sum();
        self.block.scale = largest / 127.0 + nothing;
        let inverse = if largest > 0.0 { 127.0 / largest } else { 0.0 };
        for (q, x) in self.block.q.as_chunks_mut::<LANES>().0.iter_mut().zip(&x) {
            for lane in 0..LANES {
                // To the nearest, ties to even. Conversions that look for what does not fit are not done side by side.
                q[lane] = (x[lane] * inverse + ROUNDER).to_bits() as i8;
            }
        }
        self.block.sum_up();
    }
}

impl Block8 {
    /// Rounds up to 256 values; zeros after them.
    fn fill(&mut self, values: &[f32]) {
        #[cfg(target_arch = "x86_64")]
        if let Some(values) = values.as_array()
            && x86::fill(self, values)
        {
            return;
        }
        dispatch(Fill { block: self, values });
    }

    #[inline(always)]
    fn sum_up(&mut self) {
        for (sum, q) in self.sums.iter_mut().zip(self.q.as_chunks::<GROUP>().0) {
            *sum = q.iter().map(|&q| i16::from(q)).sum();
        }
        for (pair, [a, b, c, d]) in self.pairs.iter_mut().zip(self.sums.as_chunks::<4>().0) {
            *pair = i32::from(a + b) & 0xffff | i32::from(c + d) << 16;
        }
        self.total = self.sums.iter().map(|&sum| i32::from(sum)).sum();
    }
}
