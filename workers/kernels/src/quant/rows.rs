//! Activations in eight bits: what quantised weights are multiplied with.

use super::{BLOCK, GROUP};
use rayon::prelude::*;

/// Rows of activations, each a whole number of blocks of 256 signed bytes with a scale for each block. Rows whose width
/// is no whole number of blocks are filled up with zeros.
#[derive(Debug, Clone)]
pub struct Rows {
    pub(super) count: usize,
    pub(super) blocks: usize,
    /// `[count][blocks]`.
    pub(super) data: Vec<Block8>,
}

/// One block.
#[derive(Debug, Clone)]
#[repr(C, align(32))]
pub(super) struct Block8 {
    pub q: [i8; BLOCK],
    /// Sums of each 16 of `q`.
    pub sums: [i16; BLOCK / GROUP],
    pub scale: f32,
}

const EMPTY: Block8 = Block8 {
    q: [0; BLOCK],
    sums: [0; BLOCK / GROUP],
    scale: 0.0,
};

impl Rows {
    /// Quantises rows of `width` values to the nearest of 255 steps, block by block.
    ///
    /// # Panics
    ///
    /// If `x` is no whole number of rows.
    pub fn quantise(x: &[f32], width: usize) -> Self {
        assert!(x.len().is_multiple_of(width));
        let (count, blocks) = (x.len() / width, width.div_ceil(BLOCK));
        let mut data = vec![EMPTY; count * blocks];
        data.par_chunks_mut(blocks)
            .zip(x.par_chunks(width))
            .for_each(|(row, x)| {
                for (block, x) in row.iter_mut().zip(x.chunks(BLOCK)) {
                    block.fill(x);
                }
            });
        Self { count, blocks, data }
    }

    pub(super) fn row(&self, number: usize) -> &[Block8] {
        &self.data[number * self.blocks..][..self.blocks]
    }
}

impl Block8 {
    fn fill(&mut self, x: &[f32]) {
        let largest = x.iter().fold(0f32, |largest, value| largest.max(value.abs()));
        if largest == 0.0 {
            return;
        }
        self.scale = largest / 127.0;
        let inverse = 127.0 / largest;
        for (q, value) in self.q.iter_mut().zip(x) {
            *q = (value * inverse).round() as i8;
        }
        for (sum, q) in self.sums.iter_mut().zip(self.q.as_chunks::<GROUP>().0) {
            *sum = q.iter().map(|&q| i16::from(q)).sum();
        }
    }
}
