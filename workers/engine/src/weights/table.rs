//! The rows that ids stand for.

use candle_core::{DType, Device, Result, Tensor};

use super::quantised::Quantised;

/// A matrix of which single rows are taken.
#[derive(Debug)]
pub enum Table {
    /// In the weight type.
    Dense(Tensor),
    Quantised(Quantised),
}

impl Table {
    /// `[ids, width]` in `f32`. Every id is below the number of rows.
    pub fn rows(&self, ids: &[u32]) -> Result<Tensor> {
        match self {
            Table::Dense(rows) => {
                let ids = Tensor::from_slice(ids, ids.len(), &Device::Cpu)?;
                rows.index_select(&ids, 0)?.to_dtype(DType::F32)
            }
            Table::Quantised(rows) => rows.rows(ids),
        }
    }
}
