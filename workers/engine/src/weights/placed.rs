//! A matrix in few bits that candle multiplies with, on whichever device it lies.

use candle_core::quantized::{GgmlDType, QMatMul, QStorage, QTensor};
use candle_core::{Device, Module as _, Result, Tensor};
use kernels::quant::QuantType;
use std::borrow::Cow;
use std::sync::Arc;

/// `[outputs, inputs]`, its rows filled up to whole blocks.
#[derive(Debug)]
pub struct Placed {
    weight: QMatMul,
    /// Zeros that a row of `x` is filled up with.
    filling: usize,
}

impl Placed {
    /// The matrix of `[outputs, inputs]` whose blocks are `bytes`, each row of `wide` values.
    pub(super) fn new(
        kind: QuantType,
        bytes: &[u8],
        [outputs, inputs]: [usize; 2],
        wide: usize,
        device: &Device,
    ) -> Result<Self> {
        let kind = match kind {
            QuantType::Q4K => GgmlDType::Q4K,
            QuantType::Q5K => GgmlDType::Q5K,
            QuantType::Q6K => GgmlDType::Q6K,
            QuantType::Q8_0 => GgmlDType::Q8_0,
        };
        let blocks = QStorage::from_data(Cow::Borrowed(bytes), device, kind)?;
        let weight = QTensor::new(blocks, (outputs, wide))?;
        Ok(Self {
            weight: QMatMul::QTensor(Arc::new(weight)),
            filling: wide - inputs,
        })
    }

    /// `x W^T` for rows `x`, `[rows, inputs]`.
    pub(super) fn product(&self, x: &Tensor) -> Result<Tensor> {
        match self.filling {
            0 => self.weight.forward(x),
            filling => self.weight.forward(&x.pad_with_zeros(1, 0, filling)?),
        }
    }
}
