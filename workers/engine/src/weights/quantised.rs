//! A matrix in few bits: read where it lies in its file, or laid out anew for the processor's dot products.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use candle_core::{Device, Result, Tensor};
use kernels::Finish;
use kernels::quant::{
    BLOCK, QuantType, Rows, dequantise, first_not_finite, lay_out, product, product_bf16, product_of_many,
    product_of_strips, product_w8a8, strips_available, strips_bytes, strips_in_bf16,
};
use kernels::tiles::{Rounded, tile_unit};
use memmap2::{Mmap, MmapMut};

use super::linear::Rounding;
use super::placed::Placed;
use crate::map::{anonymous, release};
use crate::ops::{self, Input, Output};

/// From so many rows on, spreading the weights out for the tile unit pays.
const MANY: usize = 16;

/// The shape that a matrix has when it is quantised: all dimensions but the first are one, filled up with zeros to
/// whole blocks. Without that the rows of 13,696 values that the published model has could not be kept in the smaller
/// types at all.
pub fn padded(shape: &[usize]) -> [usize; 2] {
    let (outputs, inputs) = (
        shape.first().copied().unwrap_or(1),
        shape.iter().skip(1).product::<usize>(),
    );
    [outputs, inputs.next_multiple_of(BLOCK)]
}

/// `[outputs, inputs]`, its rows filled up to whole blocks.
pub struct Quantised {
    kind: QuantType,
    kept: Kept,
    outputs: usize,
    inputs: usize,
}

enum Kept {
    /// Row by row, in the file.
    Rows(Arc<Mmap>, Range<usize>),
    /// Sixteen rows side by side, in memory.
    Strips(MmapMut),
}

impl fmt::Debug for Quantised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}, {}]", self.kind.name(), self.outputs, self.inputs)
    }
}

impl Quantised {
    /// The matrix whose bytes are at `range`; or the number of the first value that is not finite.
    pub(super) fn new(
        kind: QuantType,
        map: Arc<Mmap>,
        range: Range<usize>,
        [outputs, inputs]: [usize; 2],
    ) -> std::result::Result<Self, usize> {
        match first_not_finite(kind, &map[range.clone()]) {
            Some(at) => Err(at),
            None => Ok(Self {
                kind,
                kept: Kept::Rows(map, range),
                outputs,
                inputs,
            }),
        }
    }

    /// The same for products alone, in the order in which this processor multiplies fastest. The file's part of the memory
    /// is given back.
    pub(super) fn for_products(mut self) -> std::io::Result<Self> {
        // A tile unit takes many rows from the file's order.
        if let Kept::Rows(map, range) = &self.kept
            && strips_available()
            && !tile_unit()
        {
            let mut strips = anonymous(strips_bytes(self.kind, self.outputs, self.inputs))?;
            lay_out(self.kind, &map[range.clone()], self.outputs, &mut strips);
            release(map, range.clone());
            self.kept = Kept::Strips(strips);
        }
        Ok(self)
    }

    /// The same for candle's operators on a device. The file's part of the memory is given back.
    pub(super) fn placed(self, device: &Device) -> Result<Placed> {
        let Kept::Rows(map, range) = &self.kept else {
            candle_core::bail!("a matrix that is laid out for the processor is not placed elsewhere");
        };
        let wide = self.inputs.next_multiple_of(BLOCK);
        let placed = Placed::new(
            self.kind,
            &map[range.clone()],
            [self.outputs, self.inputs],
            wide,
            device,
        )?;
        release(map, range.clone());
        Ok(placed)
    }

    /// Whether [`Self::product_rounded`] is to be had.
    pub(super) fn rounds(&self) -> bool {
        matches!(self.kept, Kept::Strips(_))
    }

    /// As [`Self::product`] with a bias and perhaps the exact GELU. Weights and rows are rounded to bf16 where
    /// everything may be and the processor multiplies that; else rows to eight bits, and weights too where that is faster.
    pub(super) fn product_rounded(
        &self,
        x: &Input,
        rounding: Rounding,
        bias: Option<&Tensor>,
        gelu: bool,
        to: &Output,
    ) -> Result<()> {
        let Kept::Strips(strips) = &self.kept else {
            candle_core::bail!("a matrix is rounded only where it is laid out for products");
        };
        if let Input::Rows(x) = x {
            self.check(x)?;
        }
        if let Some(wide) = self.halves(rounding) {
            return ops::with_values_of(bias, |bias| {
                ops::round_through(x, (self.inputs, wide), to, |x, out| {
                    product_bf16(self.kind, strips, x, self.outputs, Finish { bias, gelu }, out)
                })
            })?;
        }
        let (Input::Rows(x), Output::Rows(y)) = (x, to) else {
            candle_core::bail!("rows in bf16 are multiplied in eight bits nowhere");
        };
        let x = ops::with_values(x, |x| Rows::quantise(x, self.inputs))?;
        ops::with_values_of(bias, |bias| {
            ops::write_to(y, |y| {
                product_w8a8(self.kind, strips, &x, Finish { bias, gelu }, y)
            })
        })?
    }

    /// What rows are filled up to where [`Self::product_rounded`] multiplies them in bf16.
    pub(super) fn halves(&self, rounding: Rounding) -> Option<usize> {
        let halves = rounding == Rounding::Everything && self.rounds() && strips_in_bf16();
        halves.then(|| self.inputs.next_multiple_of(BLOCK))
    }

    fn check(&self, x: &Tensor) -> Result<()> {
        match x.dim(1)? {
            given if given == self.inputs => Ok(()),
            given => candle_core::bail!(
                "rows of {given} values do not fit a weight of {} inputs",
                self.inputs
            ),
        }
    }

    /// What rounding rows to eight bits for [`Self::product`] leaves of them, where they are rounded so.
    pub(super) fn rest(&self, x: &Tensor) -> Result<Option<Tensor>> {
        if self.takes_tiles(x.dim(0)?) {
            return Ok(None);
        }
        let rest = ops::with_values(x, |x| Rows::rest(x, self.inputs))?;
        Tensor::from_vec(rest, x.shape(), &Device::Cpu).map(Some)
    }

    /// Whether so many rows are multiplied by the tile unit.
    fn takes_tiles(&self, rows: usize) -> bool {
        matches!(self.kept, Kept::Rows(..)) && rows >= MANY && tile_unit()
    }

    /// `x W^T` for rows `x`, `[rows, inputs]`.
    pub(super) fn product(&self, x: &Tensor) -> Result<Tensor> {
        self.check(x)?;
        let rows = x.dim(0)?;
        let zeros = || vec![0.0; rows * self.outputs];
        let out = ops::with_values(x, |x| match &self.kept {
            Kept::Strips(strips) => {
                let x = Rows::quantise(x, self.inputs);
                product_of_strips(self.kind, strips, &x, self.outputs)
            }
            Kept::Rows(map, range) if self.takes_tiles(rows) => {
                let (x, mut out) = (
                    Rounded::of(x, self.inputs, self.inputs.next_multiple_of(BLOCK)),
                    zeros(),
                );
                product_of_many(self.kind, &map[range.clone()], &x, &mut out);
                out
            }
            Kept::Rows(map, range) => {
                let (x, mut out) = (Rows::quantise(x, self.inputs), zeros());
                product(self.kind, &map[range.clone()], &x, &mut out);
                out
            }
        })?;
        Tensor::from_vec(out, (rows, self.outputs), &Device::Cpu)
    }

    /// The rows of these numbers, `[numbers, inputs]`.
    pub(super) fn rows(&self, numbers: &[u32]) -> Result<Tensor> {
        let Kept::Rows(map, range) = &self.kept else {
            candle_core::bail!("single rows are not taken from a matrix that is kept for products");
        };
        let all = &map[range.clone()];
        let row = all.len() / self.outputs;
        let width = self.inputs.next_multiple_of(BLOCK);
        let (mut values, mut whole) = (Vec::with_capacity(numbers.len() * self.inputs), vec![0.0; width]);
        for &number in numbers {
            let Some(bytes) = all.chunks_exact(row).nth(number as usize) else {
                candle_core::bail!("there is no row {number} among {}", self.outputs);
            };
            dequantise(self.kind, bytes, &mut whole);
            values.extend_from_slice(&whole[..self.inputs]);
        }
        Tensor::from_vec(values, (numbers.len(), self.inputs), &Device::Cpu)
    }
}

/// The values of rows that are filled up to whole blocks, without the filling; or the number of the first that is not
/// finite.
pub(super) fn spread_rows(
    kind: QuantType,
    bytes: &[u8],
    width: usize,
) -> std::result::Result<Vec<f32>, usize> {
    let wide = width.next_multiple_of(BLOCK);
    let mut whole = vec![0.0; bytes.len() / kind.block_bytes() * kind.block_values()];
    dequantise(kind, bytes, &mut whole);
    let values: Vec<f32> = whole
        .chunks_exact(wide)
        .flat_map(|row| row[..width].iter().copied())
        .collect();
    match values.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(at),
        None => Ok(values),
    }
}
