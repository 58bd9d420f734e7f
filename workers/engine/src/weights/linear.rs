//! A linear layer over whichever form its weight is kept in.

use std::cell::RefCell;

use candle_core::{DType, Device, Result, Tensor};
use kernels::tiles::Rounded;

use super::placed::Placed;
use super::quantised::Quantised;
use crate::ops::{self, Input, Ops, Output};

/// `y = x W^T + b` for rows `x`; the bias, `[outputs]`, in `f32`.
#[derive(Debug)]
pub struct Linear {
    weight: Weight,
    bias: Option<Tensor>,
    ops: Ops,
}

/// What products of many rows may round on the way, to be faster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    Nothing,
    /// Quantised weights, to eight bits.
    Quantised,
    /// All weights with their rows to bf16.
    Everything,
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

/// Room for rows that one layer passes to the next.
pub enum Between {
    /// `[rows, inner]`.
    Rows(Tensor),
    /// As the next multiplies them.
    Rounded(RefCell<Rounded>),
}

impl Between {
    /// For up to `rows` rows of `inner` values, which the layers of each block in turn pass on as [`Linear::passes_rounded`]
    /// says.
    pub fn of(
        mut padded: impl Iterator<Item = Option<usize>>,
        (rows, inner): (usize, usize),
        device: &Device,
    ) -> Result<Self> {
        match padded.next().flatten() {
            Some(one) if padded.all(|other| other == Some(one)) => {
                Ok(Self::Rounded(RefCell::new(Rounded::room(rows, one))))
            }
            _ => Tensor::zeros((rows, inner), DType::F32, device).map(Self::Rows),
        }
    }
}

/// What a layer has left in [`Between`] for the next.
pub enum Passed<'a> {
    Rows(Tensor),
    Rounded(&'a RefCell<Rounded>),
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

    /// Whether [`Self::forward_into`] rounds with this.
    fn rounds(&self, rounding: Rounding) -> bool {
        match &self.weight {
            Weight::Dense(_) => rounding == Rounding::Everything && self.ops.rounds(),
            Weight::Quantised(weight) => rounding != Rounding::Nothing && weight.rounds(),
            Weight::Placed(_) => false,
        }
    }

    /// As [`Self::forward`], into `y`, and for many rows: it may round as `rounding` says.
    pub fn forward_into(&self, x: &Tensor, y: &Tensor, rounding: Rounding) -> Result<()> {
        match self.rounds(rounding) {
            true => self.product_rounded(&Input::Rows(x), &Output::Rows(y), rounding, false),
            false => y.slice_set(&self.forward(x)?, 0, 0),
        }
    }

    fn product_rounded(&self, x: &Input, to: &Output, rounding: Rounding, gelu: bool) -> Result<()> {
        let bias = self.bias.as_ref();
        match &self.weight {
            Weight::Dense(weight) => ops::product_rounded(weight, x, bias, gelu, to),
            Weight::Quantised(weight) => weight.product_rounded(x, rounding, bias, gelu, to),
            Weight::Placed(_) => candle_core::bail!("products are rounded by the kernels alone"),
        }
    }

    /// As [`Self::forward_in`], and the exact GELU of it, for another layer.
    pub fn forward_gelu_in<'a>(
        &self,
        room: &'a Between,
        x: &Tensor,
        rounding: Rounding,
    ) -> Result<Passed<'a>> {
        match room {
            Between::Rounded(room) => {
                self.product_rounded(&Input::Rows(x), &Output::Rounded(room), rounding, true)?;
                Ok(Passed::Rounded(room))
            }
            Between::Rows(room) if self.rounds(rounding) => Ok(Passed::Rows(self.rounded_in(
                room,
                &Input::Rows(x),
                x.dim(0)?,
                rounding,
                true,
            )?)),
            Between::Rows(_) => {
                let y = self.forward(x)?;
                self.ops.gelu(&y)?;
                Ok(Passed::Rows(y))
            }
        }
    }

    /// As [`Self::forward`], and for many rows: it may round as `rounding` says, and then takes the first rows of `room`,
    /// which is as wide as its outputs.
    pub fn forward_in(&self, room: &Tensor, x: &Tensor, rounding: Rounding) -> Result<Tensor> {
        match self.rounds(rounding) {
            true => self.rounded_in(room, &Input::Rows(x), x.dim(0)?, rounding, false),
            false => self.forward(x),
        }
    }

    /// As [`Self::forward_in`], of rows that another layer passes on.
    pub fn forward_passed_in(&self, room: &Tensor, passed: &Passed, rounding: Rounding) -> Result<Tensor> {
        match passed {
            Passed::Rows(x) => self.forward_in(room, x, rounding),
            Passed::Rounded(x) => {
                let rows = x.borrow().rows();
                self.rounded_in(room, &Input::Rounded(x), rows, rounding, false)
            }
        }
    }

    fn rounded_in(
        &self,
        room: &Tensor,
        x: &Input,
        rows: usize,
        rounding: Rounding,
        gelu: bool,
    ) -> Result<Tensor> {
        let y = room.narrow(0, 0, rows)?;
        self.product_rounded(x, &Output::Rows(&y), rounding, gelu)?;
        Ok(y)
    }

    /// What rows from here to `next` are filled up to, where both multiply in bf16.
    pub fn passes_rounded(&self, next: &Linear, rounding: Rounding) -> Option<usize> {
        self.halves(rounding).and(next.halves(rounding))
    }

    /// What rows are filled up to where [`Self::forward_into`] multiplies them in bf16.
    fn halves(&self, rounding: Rounding) -> Option<usize> {
        match &self.weight {
            Weight::Dense(weight) if self.rounds(rounding) => weight.dim(1).ok().map(Rounded::filled),
            Weight::Quantised(weight) => weight.halves(rounding),
            _ => None,
        }
    }

    /// As [`Self::forward`]. Rows that quantised weights would be multiplied with in eight bits keep fifteen, for twice the
    /// work.
    pub fn forward_finely(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.product(x)?;
        if let Weight::Quantised(weight) = &self.weight
            && let Some(rest) = weight.rest(x)?
        {
            self.ops.add(&y, &weight.product(&rest)?)?;
        }
        self.with_bias(y)
    }

    /// `[rows, inputs]` to `[rows, outputs]`, both `f32`. The input must be contiguous.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.with_bias(self.product(x)?)
    }

    fn product(&self, x: &Tensor) -> Result<Tensor> {
        match &self.weight {
            Weight::Dense(weight) => self.ops.product(weight, x),
            Weight::Quantised(weight) => weight.product(x),
            Weight::Placed(weight) => weight.product(x),
        }
    }

    fn with_bias(&self, y: Tensor) -> Result<Tensor> {
        if let Some(bias) = &self.bias {
            self.ops.add(&y, bias)?;
        }
        Ok(y)
    }
}
