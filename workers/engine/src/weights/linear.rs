//! A linear layer over whichever form its weight is kept in.

use candle_core::{Result, Tensor};

use super::quantised::Quantised;
use crate::ops;

/// `y = x W^T + b` for rows `x`.
#[derive(Debug)]
pub enum Linear {
    Dense(Dense),
    Quantised(Narrow),
}

/// Weight `[outputs, inputs]` in `f32`, `bf16` or `f16`; bias `[outputs]` in `f32`.
#[derive(Debug)]
pub struct Dense {
    weight: Tensor,
    bias: Option<Tensor>,
}

/// Weight in few bits; bias `[outputs]` in `f32`.
#[derive(Debug)]
pub struct Narrow {
    weight: Quantised,
    bias: Option<Tensor>,
}

impl Linear {
    pub(super) fn quantised(weight: Quantised, bias: Option<Tensor>) -> Self {
        Linear::Quantised(Narrow { weight, bias })
    }

    pub(super) fn dense(weight: Tensor, bias: Option<Tensor>) -> Self {
        Linear::Dense(Dense { weight, bias })
    }

    /// Whether the weight was quantised: then its products are not exact, and no other step has to be.
    pub fn is_quantised(&self) -> bool {
        matches!(self, Linear::Quantised(_))
    }

    /// `[rows, inputs]` to `[rows, outputs]`, both `f32`. The input must be contiguous.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (y, bias) = match self {
            Linear::Dense(dense) => (ops::product(&dense.weight, x)?, &dense.bias),
            Linear::Quantised(narrow) => (narrow.weight.product(x)?, &narrow.bias),
        };
        if let Some(bias) = bias {
            ops::add(&y, bias)?;
        }
        Ok(y)
    }
}
