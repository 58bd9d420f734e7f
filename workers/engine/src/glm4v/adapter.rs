//! From tower rows to rows of the language model: a 2x2 convolution, a gated MLP, and a frame of two rows.
//!
//! Its products are a hundredth of the tower's, and what their rows lose is in every row of a page: they are done finely.

use candle_core::Tensor;

use super::blocks::forward_finely_in_blocks;
use super::trace::{ComputeError, Stage, Trace, ask, report};
use super::vision::layer_norm;
use crate::config::Config;
use crate::ops::{LayerNorm, Ops};
use crate::weights::{Linear, Weights, WeightsError};

/// The adapter's norm is made with its library's default, not with the tower's epsilon.
const NORM_EPSILON: f32 = 1e-5;

/// Rows that go through a part at one time: bounds the memory, and how long a breaking off takes.
const BLOCK: usize = 256;

/// D = tower hidden, H = hidden, N = a quarter of the patches.
#[derive(Debug)]
pub struct Adapter {
    ops: Ops,
    grid: usize,
    scaling_factor: f32,
    /// `[D * 2 * 2] -> [H]`, the inputs in the order channel, row, column.
    convolution: Linear,
    projection: Linear,
    norm: LayerNorm,
    gate: Linear,
    up: Linear,
    down: Linear,
    /// `[1, H]` each.
    first_row: Tensor,
    last_row: Tensor,
}

impl Adapter {
    pub fn new(config: &Config, weights: &mut Weights) -> Result<Self, WeightsError> {
        let Config { hidden, inner, .. } = *config;
        let at = "transformer.vision.linear_proj";
        let frame = |weights: &mut Weights, name: &str| {
            let row = weights.tensor(&format!("transformer.vision.{name}"), &[1, 1, hidden])?;
            Ok::<_, WeightsError>(row.reshape((1, hidden))?)
        };
        Ok(Self {
            ops: weights.ops().clone(),
            grid: config.vision.grid(),
            scaling_factor: config.vision.scaling_factor,
            convolution: weights.linear_of(
                "transformer.vision.conv",
                &[hidden, config.vision.hidden, 2, 2],
                true,
            )?,
            projection: weights.linear(&format!("{at}.linear_proj"), [hidden, hidden], false)?,
            norm: layer_norm(weights, &format!("{at}.norm1"), hidden, NORM_EPSILON)?,
            gate: weights.linear(&format!("{at}.gate_proj"), [inner, hidden], false)?,
            up: weights.linear(&format!("{at}.dense_h_to_4h"), [inner, hidden], false)?,
            down: weights.linear(&format!("{at}.dense_4h_to_h"), [hidden, inner], false)?,
            first_row: frame(weights, "boi")?,
            last_row: frame(weights, "eoi")?,
        })
    }

    /// `[1 + 4 N, D]`, the class row first, to `[N + 2, H]`.
    pub fn forward(&self, tower: &Tensor, trace: &mut dyn Trace) -> Result<Tensor, ComputeError> {
        let x = forward_finely_in_blocks(&self.convolution, &self.squares(tower)?, BLOCK, trace)?;
        report(trace, Stage::Downsampled, &x)?;
        let mut rows = vec![self.first_row.clone()];
        for first in (0..x.dim(0)?).step_by(BLOCK) {
            rows.push(self.project(&x.narrow(0, first, BLOCK.min(x.dim(0)? - first))?, trace)?);
        }
        rows.push(self.last_row.clone());
        let x = Tensor::cat(&rows, 0)?;
        self.ops.divide(&x, self.scaling_factor)?;
        report(trace, Stage::ImageRows, &x)?;
        Ok(x)
    }

    /// `[rows, H]` to `[rows, H]`.
    fn project(&self, x: &Tensor, trace: &mut dyn Trace) -> Result<Tensor, ComputeError> {
        let x = self.projection.forward_finely(x)?;
        self.ops.layer_norm(&self.norm, &x)?;
        self.ops.gelu(&x)?;
        ask(trace)?;
        let gate = self.gate.forward_finely(&x)?;
        ask(trace)?;
        let up = self.up.forward_finely(&x)?;
        ask(trace)?;
        Ok(self.down.forward_finely(&self.ops.silu_gate(&gate, &up)?)?)
    }

    /// One row per square of 2x2 patches, left to right and then down: `[N, D * 2 * 2]`. Drops the class row.
    fn squares(&self, tower: &Tensor) -> Result<Tensor, ComputeError> {
        let (half, width) = (self.grid / 2, tower.dim(1)?);
        let patches = tower.narrow(0, 1, tower.dim(0)? - 1)?;
        let squares = patches.reshape((half, 2, half, 2, width))?;
        // Of a square the channels come first, then its two rows of two patches.
        let squares = squares.permute((0, 2, 4, 1, 3))?.contiguous()?;
        Ok(squares.reshape((half * half, width * 4))?)
    }
}
