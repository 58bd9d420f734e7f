//! The vision tower: from pixel values to one row per patch.

use candle_core::{DType, Device, Tensor};
use kernels::attention::{Mask, Shape};

use super::blocks::for_blocks;
use super::trace::{ComputeError, Stage, Trace, ask, report};
use crate::config::VisionConfig;
use crate::ops::{ContextRun, LayerNorm, Ops};
use crate::weights::{Linear, Weights, WeightsError};

/// Rows that go through a part at one time: bounds the memory of `[rows, inner]`, and how long a breaking off takes.
const BLOCK: usize = 1024;

/// P = positions (patches and a class row), D = hidden.
#[derive(Debug)]
pub struct Tower {
    ops: Ops,
    config: VisionConfig,
    /// `[channels * side * side] -> [D]`, the inputs in the order channel, row, column.
    patches: Linear,
    /// `[1, D]`
    class_row: Tensor,
    /// `[P, D]`
    positions: Tensor,
    blocks: Vec<Block>,
}

/// The norms stand on the branches, after attention and MLP: what enters those is not normalised.
#[derive(Debug)]
struct Block {
    ops: Ops,
    shape: Shape,
    qkv: Linear,
    dense: Linear,
    attention_norm: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    mlp_norm: LayerNorm,
}

impl Tower {
    pub fn new(config: &VisionConfig, weights: &mut Weights) -> Result<Self, WeightsError> {
        let (hidden, side) = (config.hidden, config.patch_side);
        let at = "transformer.vision.patch_embedding";
        Ok(Self {
            ops: weights.ops().clone(),
            patches: weights.linear_of(
                &format!("{at}.proj"),
                &[hidden, config.channels, side, side],
                true,
            )?,
            class_row: weights.tensor(&format!("{at}.cls_embedding"), &[1, hidden])?,
            positions: weights.tensor(
                &format!("{at}.position_embedding.weight"),
                &[config.positions(), hidden],
            )?,
            blocks: (0..config.layers)
                .map(|layer| Block::new(config, weights, layer))
                .collect::<Result<_, _>>()?,
            config: config.clone(),
        })
    }

    /// `pixels`: `[channels, image side, image side]`, normalised. Gives `[P, D]`, the class row first.
    pub fn forward(&self, pixels: &[f32], trace: &mut dyn Trace) -> Result<Tensor, ComputeError> {
        let patches = self.cut(pixels)?.to_device(&self.ops.device())?;
        let patches = self.patches.forward(&patches)?;
        let x = Tensor::cat(&[&self.class_row, &patches], 0)?;
        self.ops.add(&x, &self.positions)?;
        report(trace, Stage::Patches, &x)?;
        for (index, block) in self.blocks.iter().enumerate() {
            block.forward(&x, trace)?;
            report(trace, Stage::TowerBlock(index), &x)?;
        }
        Ok(x)
    }

    /// One row per patch, left to right and then down; inside a row channel, row, column.
    fn cut(&self, pixels: &[f32]) -> Result<Tensor, ComputeError> {
        let (grid, side, image) = (self.config.grid(), self.config.patch_side, self.config.image_side);
        let width = self.config.channels * side * side;
        let mut rows = Vec::with_capacity(grid * grid * width);
        for patch in 0..grid * grid {
            let (top, left) = (patch / grid * side, patch % grid * side);
            for channel in 0..self.config.channels {
                for y in top..top + side {
                    let at = (channel * image + y) * image + left;
                    rows.extend_from_slice(&pixels[at..at + side]);
                }
            }
        }
        Ok(Tensor::from_vec(rows, (grid * grid, width), &Device::Cpu)?)
    }
}

impl Block {
    fn new(config: &VisionConfig, weights: &mut Weights, layer: usize) -> Result<Self, WeightsError> {
        let at = format!("transformer.vision.transformer.layers.{layer}");
        let VisionConfig {
            hidden, inner, heads, ..
        } = *config;
        Ok(Self {
            ops: weights.ops().clone(),
            shape: Shape {
                heads,
                key_heads: heads,
                width: hidden / heads,
            },
            qkv: weights.linear(
                &format!("{at}.attention.query_key_value"),
                [3 * hidden, hidden],
                true,
            )?,
            dense: weights.linear(&format!("{at}.attention.dense"), [hidden, hidden], true)?,
            attention_norm: layer_norm(
                weights,
                &format!("{at}.input_layernorm"),
                hidden,
                config.norm_epsilon,
            )?,
            fc1: weights.linear(&format!("{at}.mlp.fc1"), [inner, hidden], true)?,
            fc2: weights.linear(&format!("{at}.mlp.fc2"), [hidden, inner], true)?,
            mlp_norm: layer_norm(
                weights,
                &format!("{at}.post_attention_layernorm"),
                hidden,
                config.norm_epsilon,
            )?,
        })
    }

    /// Changes `x`, `[P, D]`, in place.
    fn forward(&self, x: &Tensor, trace: &mut dyn Trace) -> Result<(), ComputeError> {
        let attended = self.attention(x, trace)?;
        for_blocks(x, BLOCK, trace, |first, x, _| {
            let branch = self.dense.forward(&attended.narrow(0, first, x.dim(0)?)?)?;
            self.ops.layer_norm(&self.attention_norm, &branch)?;
            Ok(self.ops.add(x, &branch)?)
        })?;
        for_blocks(x, BLOCK, trace, |_, x, trace| {
            let inner = self.fc1.forward(x)?;
            self.ops.gelu(&inner)?;
            ask(trace)?;
            let branch = self.fc2.forward(&inner)?;
            self.ops.layer_norm(&self.mlp_norm, &branch)?;
            Ok(self.ops.add(x, &branch)?)
        })
    }

    /// Every row over every row: `[P, D]` to `[P, D]`.
    fn attention(&self, x: &Tensor, trace: &mut dyn Trace) -> Result<Tensor, ComputeError> {
        let (rows, hidden) = x.dims2()?;
        let qkv = Tensor::zeros((rows, 3 * hidden), DType::F32, x.device())?;
        for_blocks(x, BLOCK, trace, |first, x, _| {
            Ok(qkv.slice_set(&self.qkv.forward(x)?, 0, first)?)
        })?;
        let context = ContextRun {
            keys: &qkv,
            key_column: hidden,
            values: &qkv,
            value_column: 2 * hidden,
            rows,
        };
        if self.qkv.is_quantised() && self.ops.attends_rounded(self.shape) {
            return Ok(self.ops.rounded_attention(self.shape, &qkv, &context)?);
        }
        let attended = Tensor::zeros((rows, hidden), DType::F32, x.device())?;
        for_blocks(&qkv, BLOCK, trace, |first, queries, _| {
            let of_block =
                self.ops
                    .attention(self.shape, queries, std::slice::from_ref(&context), Mask::Full)?;
            Ok(attended.slice_set(&of_block, 0, first)?)
        })?;
        Ok(attended)
    }
}

pub(super) fn layer_norm(
    weights: &mut Weights,
    name: &str,
    width: usize,
    epsilon: f32,
) -> Result<LayerNorm, WeightsError> {
    Ok(LayerNorm {
        weight: weights.tensor(&format!("{name}.weight"), &[width])?,
        bias: weights.tensor(&format!("{name}.bias"), &[width])?,
        epsilon,
    })
}
