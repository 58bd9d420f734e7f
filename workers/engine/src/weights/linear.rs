//! A linear layer over whichever form its weight is kept in.

use candle_core::{Result, Tensor};

use crate::ops;

/// `y = x W^T + b` for rows `x`.
#[derive(Debug)]
pub enum Linear {
    Dense(Dense),
}

/// Weight `[outputs, inputs]` in `f32`, `bf16` or `f16`; bias `[outputs]` in `f32`.
#[derive(Debug)]
pub struct Dense {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    pub(super) fn dense(weight: Tensor, bias: Option<Tensor>) -> Self {
        Linear::Dense(Dense { weight, bias })
    }

    /// `[rows, inputs]` to `[rows, outputs]`, both `f32`. The input must be contiguous.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Linear::Dense(dense) => dense.forward(x),
        }
    }
}

impl Dense {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = ops::product(&self.weight, x)?;
        if let Some(bias) = &self.bias {
            ops::add(&y, bias)?;
        }
        Ok(y)
    }
}
