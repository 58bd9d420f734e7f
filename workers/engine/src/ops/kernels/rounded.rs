//! Products of numbers in bf16.

use std::cell::RefCell;

use candle_core::{DType, Result, Tensor, WithDType, bail};
use half::{bf16, f16};
use kernels::Finish;
use kernels::dense::Weight;
use kernels::product::product_rounded as many_rows_rounded;
use kernels::tiles::{Out, Rounded, rounded_products};

use super::{Values, product_shape, with_values, with_values_of, write_to};

/// Whether this processor multiplies numbers in bf16.
pub(in super::super) fn rounds() -> bool {
    rounded_products()
}

/// Rows for a product of numbers in bf16.
pub enum Input<'a> {
    Rows(&'a Tensor),
    /// The same, rounded.
    Rounded(&'a RefCell<Rounded>),
}

/// Where a product of numbers in bf16 goes.
pub enum Output<'a> {
    Rows(&'a Tensor),
    Rounded(&'a RefCell<Rounded>),
}

/// Calls `product` with the rows of `x`, filled up to `padded`, and with the place that `to` is.
pub fn round_through(
    x: &Input,
    (width, padded): (usize, usize),
    to: &Output,
    product: impl Fn(&Rounded, Out),
) -> Result<()> {
    let (rounded, borrowed);
    let x = match x {
        Input::Rows(x) => {
            rounded = with_values(x, |x| Rounded::of(x, width, padded))?;
            &rounded
        }
        Input::Rounded(x) => {
            borrowed = x.borrow();
            &*borrowed
        }
    };
    match to {
        Output::Rows(y) => write_to(y, |y| product(x, Out::Values(y))),
        Output::Rounded(y) => {
            product(x, Out::Rounded(&mut y.borrow_mut()));
            Ok(())
        }
    }
}

/// The products of rows with a bias and perhaps the exact GELU, everything but the sums rounded to bf16. Only where
/// [`super::Ops::rounds`] says so.
pub fn product_rounded(
    weight: &Tensor,
    x: &Input,
    bias: Option<&Tensor>,
    gelu: bool,
    to: &Output,
) -> Result<()> {
    match weight.dtype() {
        DType::F32 => product_rounded_of::<f32>(weight, x, bias, gelu, to),
        DType::BF16 => product_rounded_of::<bf16>(weight, x, bias, gelu, to),
        DType::F16 => product_rounded_of::<f16>(weight, x, bias, gelu, to),
        other => bail!("weights are not kept in {other:?}"),
    }
}

fn product_rounded_of<W: Weight + WithDType>(
    weight: &Tensor,
    x: &Input,
    bias: Option<&Tensor>,
    gelu: bool,
    to: &Output,
) -> Result<()> {
    let width = match x {
        Input::Rows(x) => product_shape(weight, x)?.2,
        Input::Rounded(_) => weight.dim(1)?,
    };
    let weights = Values::of(weight)?;
    let weights = weights.as_slice::<W>()?;
    with_values_of(bias, |bias| {
        round_through(x, (width, Rounded::filled(width)), to, |x, out| {
            many_rows_rounded(weights, x, width, Finish { bias, gelu }, out)
        })
    })?
}
