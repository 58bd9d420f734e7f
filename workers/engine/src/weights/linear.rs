//! A linear layer over whichever form its weight is kept in.

use candle_core::{DType, Result, Tensor};

use crate::ops;

/// Up to this many rows the product is bound by reading the weight: it is read once, by the kernel that widens
/// as it reads. Above, the matrix product pays.
const FEW: usize = 4;

/// Output columns whose narrow weights are widened at one time.
const WIDENED: usize = 1024;

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
        let y = if x.dim(0)? <= FEW {
            ops::few_rows(&self.weight, x)?
        } else if self.weight.dtype() == DType::F32 {
            x.matmul(&self.weight.t()?)?
        } else {
            self.widening(x)?
        };
        if let Some(bias) = &self.bias {
            ops::add(&y, bias)?;
        }
        Ok(y)
    }

    /// The matrix product with narrow weights, widened a strip of outputs at a time.
    fn widening(&self, x: &Tensor) -> Result<Tensor> {
        let outputs = self.weight.dim(0)?;
        let y = Tensor::zeros((x.dim(0)?, outputs), DType::F32, x.device())?;
        for first in (0..outputs).step_by(WIDENED) {
            let strip = self.weight.narrow(0, first, WIDENED.min(outputs - first))?;
            let part = x.matmul(&ops::widen(&strip)?.t()?)?;
            y.slice_set(&part, 1, first)?;
        }
        Ok(y)
    }
}
