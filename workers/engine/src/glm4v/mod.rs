//! GLM-4V: a vision tower, an adapter, and a language model that reads the image's rows among its own.

mod adapter;
mod blocks;
mod splice;
mod tensors;
mod text;
mod trace;
mod vision;

use candle_core::{Device, Tensor};

use crate::cache::Cache;
use crate::config::Config;
use crate::ops;
use crate::weights::{Weights, WeightsError};
pub use adapter::Adapter;
pub use splice::{PLACEHOLDERS, Splice};
pub use tensors::tensors;
pub use text::{Memory, Text};
pub use trace::{Asked, ComputeError, Stage, Trace, Untraced};
pub use vision::Tower;

/// Rows that enter the language model at one time: bounds the memory of a long prompt.
const CHUNK: usize = 512;

/// Memories that one step may go on with: with more rows the kernels sum dense products in another order.
pub const TOGETHER: usize = ops::FEW;

/// The model. It is only ever read: what a conversation adds lies in its [`Cache`].
#[derive(Debug)]
pub struct Glm4v {
    tower: Tower,
    adapter: Adapter,
    text: Text,
}

impl Glm4v {
    /// Asks `weights` for every tensor of the architecture.
    pub fn new(config: &Config, weights: &mut Weights) -> Result<Self, WeightsError> {
        Ok(Self {
            tower: Tower::new(&config.vision, weights)?,
            adapter: Adapter::new(config, weights)?,
            text: Text::new(config, weights)?,
        })
    }

    /// An empty memory for this model.
    pub fn new_cache(&self) -> Cache {
        self.text.new_cache()
    }

    /// Bytes that a memory of `rows` rows takes.
    pub fn memory_bytes(&self, rows: usize) -> u64 {
        self.text.memory_bytes(rows)
    }

    /// Normalised pixels `[3, side, side]` to image rows `[image rows, hidden]`, in the machine's memory.
    pub fn encode_image(&self, pixels: &[f32], trace: &mut dyn Trace) -> Result<Tensor, ComputeError> {
        let rows = self.adapter.forward(&self.tower.forward(pixels, trace)?, trace)?;
        Ok(rows.to_device(&Device::Cpu)?)
    }

    /// The embedded rows of ids: `[ids, hidden]`.
    pub fn embed(&self, ids: &[u32]) -> Result<Tensor, ComputeError> {
        Ok(self.text.embed(ids)?)
    }

    /// Takes rows into the cache, in chunks that are counted from the first of them: the same rows after the same
    /// rows give the same bits, whoever asked for the ones before. Gives the rows of the last chunk.
    pub fn take_in(
        &self,
        rows: &Tensor,
        positions: &[usize],
        cache: &mut Cache,
        trace: &mut dyn Trace,
    ) -> Result<Tensor, ComputeError> {
        let mut last = rows.clone();
        for (index, positions) in positions.chunks(CHUNK).enumerate() {
            let chunk = rows.narrow(0, index * CHUNK, positions.len())?;
            last = self
                .text
                .forward(&chunk, positions, &mut Memory::One(cache), trace)?;
        }
        Ok(last)
    }

    /// The logits after the last of `rows`, which [`Self::take_in`] gave.
    pub fn logits(&self, rows: &Tensor) -> Result<Vec<f32>, ComputeError> {
        let last = rows.narrow(0, rows.dim(0)? - 1, 1)?;
        let mut logits = self.text.logits(&last)?;
        Ok(logits.swap_remove(0))
    }

    /// The logits after one more id.
    pub fn step(&self, id: u32, cache: &mut Cache, trace: &mut dyn Trace) -> Result<Vec<f32>, ComputeError> {
        let mut logits = self.step_each(&[id], &mut [cache], trace)?;
        Ok(logits.swap_remove(0))
    }

    /// The logits after one more id for each of several memories, [`TOGETHER`] at most: with the kernels the bits that each
    /// gives alone.
    pub fn step_each(
        &self,
        ids: &[u32],
        caches: &mut [&mut Cache],
        trace: &mut dyn Trace,
    ) -> Result<Vec<Vec<f32>>, ComputeError> {
        let positions: Vec<usize> = caches.iter().map(|cache| cache.position()).collect();
        let rows = self.embed(ids)?;
        let rows = self
            .text
            .forward(&rows, &positions, &mut Memory::Each(caches), trace)?;
        self.text.logits(&rows)
    }
}
