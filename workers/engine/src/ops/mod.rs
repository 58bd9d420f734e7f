//! What a model does with tensors, by whoever computes it: on the processor the kernels, on cards candle's operators.
//!
//! Functions that return `Result<()>` change their first tensor in place. Tensors share storage when cloned, so
//! the caller must own it alone; no argument may alias another.

mod candle;
mod kernels;

use ::kernels::attention::{Mask, RoundedContext, Shape};
use ::kernels::rope::{self, Heads};
use candle_core::{Device, Result, Tensor};

pub use candle::{Operators, SCORE_BYTES};
pub use kernels::{
    Input, Output, attend_rounded, product_rounded, round_through, with_values, with_values_of, write_to,
};

use crate::kv::KvType;

/// Weight and bias of a layer norm.
#[derive(Debug)]
pub struct LayerNorm {
    pub weight: Tensor,
    pub bias: Tensor,
    pub epsilon: f32,
}

/// Weight of a root-mean-square norm.
#[derive(Debug)]
pub struct RmsNorm {
    pub weight: Tensor,
    pub epsilon: f32,
}

/// A run of context rows: the keys in `keys`, from column `key_column` on, the values alike.
pub struct ContextRun<'a> {
    pub keys: &'a Tensor,
    pub key_column: usize,
    pub values: &'a Tensor,
    pub value_column: usize,
    pub rows: usize,
}

/// How far the heads of some rows turn.
pub enum Rotation {
    Kernels(rope::Rotation),
    /// Cosines and sines, `[rows, 1, pairs]` each.
    Candle(Tensor, Tensor),
}

/// Up to this many rows a product is bound by reading the weight, so its rows are read in order, once. With the kernels a row
/// gives the same bits among as many others.
pub const FEW: usize = 8;

/// Who computes, and where.
#[derive(Debug, Clone)]
pub enum Ops {
    /// The kernels, on the processor, with what they keep keys and values in.
    Kernels(KvType),
    /// Candle's operators, on any device.
    Candle(Operators),
}

impl Ops {
    /// Where their tensors lie.
    pub fn device(&self) -> Device {
        match self {
            Ops::Kernels(_) => Device::Cpu,
            Ops::Candle(operators) => operators.device.clone(),
        }
    }

    /// What keys and values are kept in.
    pub fn kept(&self) -> KvType {
        match self {
            Ops::Kernels(kept) => *kept,
            Ops::Candle(operators) => operators.kept,
        }
    }

    /// Rows of heads as they are kept: `[rows, heads * width]` to `[rows, columns]`.
    pub fn keep(&self, rows: &Tensor, heads: Heads) -> Result<Tensor> {
        match self {
            Ops::Kernels(kept) => kernels::keep(*kept, rows, heads),
            Ops::Candle(operators) => rows.to_dtype(operators.kept.dtype()),
        }
    }

    /// `x += y`; `y` is a row to be added to each row of `x`, or as large as `x`.
    pub fn add(&self, x: &Tensor, y: &Tensor) -> Result<()> {
        match self {
            Ops::Kernels(_) => kernels::add(x, y),
            Ops::Candle(_) => candle::add(x, y),
        }
    }

    /// Divides every value.
    pub fn divide(&self, x: &Tensor, by: f32) -> Result<()> {
        match self {
            Ops::Kernels(_) => kernels::divide(x, by),
            Ops::Candle(_) => candle::divide(x, by),
        }
    }

    /// The exact GELU.
    pub fn gelu(&self, x: &Tensor) -> Result<()> {
        match self {
            Ops::Kernels(_) => kernels::gelu(x),
            Ops::Candle(_) => candle::gelu(x),
        }
    }

    /// Normalises every row of `x`.
    pub fn layer_norm(&self, norm: &LayerNorm, x: &Tensor) -> Result<()> {
        match self {
            Ops::Kernels(_) => kernels::layer_norm(norm, x),
            Ops::Candle(_) => candle::layer_norm(norm, x),
        }
    }

    /// The normalised copy of every row of `x`.
    pub fn rms_norm(&self, norm: &RmsNorm, x: &Tensor) -> Result<Tensor> {
        match self {
            Ops::Kernels(_) => kernels::rms_norm(norm, x),
            Ops::Candle(_) => candle::rms_norm(norm, x),
        }
    }

    /// `silu(gate) * up`, of one shape.
    pub fn silu_gate(&self, gate: &Tensor, up: &Tensor) -> Result<Tensor> {
        match self {
            Ops::Kernels(_) => kernels::silu_gate(gate, up),
            Ops::Candle(_) => candle::silu_gate(gate, up),
        }
    }

    /// The same for rows of `[gate | up]`, into `out`: `[rows, 2 * inner]` to `[rows, inner]`.
    pub fn silu_gate_fused(&self, out: &Tensor, fused: &Tensor) -> Result<()> {
        match self {
            Ops::Kernels(_) => kernels::silu_gate_fused(out, fused),
            Ops::Candle(_) => candle::silu_gate_fused(out, fused),
        }
    }

    /// How far heads turn at these positions.
    pub fn rotation(&self, positions: &[usize], pairs: usize, base: f64) -> Result<Rotation> {
        let rotation = rope::Rotation::new(positions, pairs, base);
        match self {
            Ops::Kernels(_) => Ok(Rotation::Kernels(rotation)),
            Ops::Candle(operators) => operators.rotation(&rotation, positions.len(), pairs),
        }
    }

    /// Turns the first `heads` heads of every row by its position.
    pub fn turn(&self, x: &Tensor, heads: Heads, rotation: &Rotation) -> Result<()> {
        match rotation {
            Rotation::Kernels(rotation) => kernels::turn(x, heads, rotation),
            Rotation::Candle(cos, sin) => candle::turn(x, heads, cos, sin),
        }
    }

    /// All of one run rounded to bf16, once for all queries of [`attend_rounded`]; none where that is not done.
    pub fn rounded_context(&self, shape: Shape, run: &ContextRun) -> Result<Option<RoundedContext>> {
        match self {
            Ops::Kernels(_) => kernels::rounded_context(shape, run),
            Ops::Candle(_) => Ok(None),
        }
    }

    /// Attention of the queries in the first columns of `queries` over the context: `[rows, heads * width]`.
    pub fn attention(
        &self,
        shape: Shape,
        queries: &Tensor,
        context: &[ContextRun],
        mask: Mask,
    ) -> Result<Tensor> {
        match self {
            Ops::Kernels(_) => kernels::attention(shape, queries, context, mask),
            Ops::Candle(operators) => operators.attention(shape, queries, context, mask),
        }
    }

    /// Attention of each row of queries over a context of its own, all of which it sees.
    pub fn attention_each(
        &self,
        shape: Shape,
        queries: &Tensor,
        contexts: &[Vec<ContextRun>],
    ) -> Result<Tensor> {
        match self {
            Ops::Kernels(_) => kernels::attention_each(shape, queries, contexts),
            Ops::Candle(operators) => operators.attention_each(shape, queries, contexts),
        }
    }

    /// `x W^T` for rows `x`, `[rows, inputs]`, and a weight `[outputs, inputs]` in any kept type.
    pub fn product(&self, weight: &Tensor, x: &Tensor) -> Result<Tensor> {
        match self {
            Ops::Kernels(_) => kernels::product(weight, x),
            Ops::Candle(_) => candle::product(weight, x),
        }
    }

    /// Whether [`product_rounded`] is to be had here.
    pub fn rounds(&self) -> bool {
        matches!(self, Ops::Kernels(_)) && kernels::rounds()
    }
}
