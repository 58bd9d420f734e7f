//! A linear layer over whichever form its weight is kept in.

use candle_core::{Result, Tensor};

use super::placed::Placed;
use super::quantised::Quantised;
use crate::ops::Ops;

/// `y = x W^T + b` for rows `x`; the bias, `[outputs]`, in `f32`.
#[derive(Debug)]
pub struct Linear {
    weight: Weight,
    bias: Option<Tensor>,
    ops: Ops,
}

/// `[outputs, inputs]`.
#[derive(Debug)]
enum Weight {
    /// In `f32`, `bf16` or `f16`.
    Dense(Tensor),
    /// In few bits, for the kernels.
    Quantised(Quantised),
    /// In few bits, for candle's operators.
    Placed(Placed),
}

impl Linear {
    pub(super) fn quantised(weight: Quantised, bias: Option<Tensor>, ops: &Ops) -> Result<Self> {
        let weight = match ops {
            Ops::Kernels(_) => Weight::Quantised(weight.for_products()?),
            Ops::Candle(operators) => Weight::Placed(weight.placed(&operators.device)?),
        };
        Ok(Self {
            weight,
            bias,
            ops: ops.clone(),
        })
    }

    pub(super) fn dense(weight: Tensor, bias: Option<Tensor>, ops: &Ops) -> Self {
        Self {
            weight: Weight::Dense(weight),
            bias,
            ops: ops.clone(),
        }
    }

    /// Whether the weight was quantised: then its products are not exact, and no other step has to be.
    pub fn is_quantised(&self) -> bool {
        !matches!(self.weight, Weight::Dense(_))
    }

    /// `[rows, inputs]` to `[rows, outputs]`, both `f32`. The input must be contiguous.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = match &self.weight {
            Weight::Dense(weight) => self.ops.product(weight, x)?,
            Weight::Quantised(weight) => weight.product(x)?,
            Weight::Placed(weight) => weight.product(x)?,
        };
        if let Some(bias) = &self.bias {
            self.ops.add(&y, bias)?;
        }
        Ok(y)
    }
}
