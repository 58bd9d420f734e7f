//! What can be wrong with a model's weights.

use std::path::PathBuf;

/// Every message names the file, and the tensor where there is one.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    #[error(
        "{dir} holds neither model.safetensors.index.json nor model.safetensors: it is not a model's folder"
    )]
    NoWeights { dir: PathBuf },
    #[error("{path} cannot be read: {source}")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{path} is not an index of shards: {reason}")]
    Index { path: PathBuf, reason: String },
    #[error("{path} is missing, though {index} lists it: fetch the file again")]
    MissingShard { path: PathBuf, index: PathBuf },
    #[error("{path} is truncated or damaged ({reason}): fetch the file again")]
    Damaged { path: PathBuf, reason: String },
    #[error("{path} has tensor {tensor}, which the index does not place there")]
    Misplaced { path: PathBuf, tensor: String },
    #[error("{path} lacks tensor {tensor}")]
    MissingTensor { path: PathBuf, tensor: String },
    #[error("{path} has tensor {tensor}, which this architecture does not know")]
    UnexpectedTensor { path: PathBuf, tensor: String },
    #[error("{path}: tensor {tensor} has shape {found:?}, but config.json makes it {expected:?}")]
    Shape {
        path: PathBuf,
        tensor: String,
        found: Vec<usize>,
        expected: Vec<usize>,
    },
    #[error(
        "{path}: tensor {tensor} is of type {found}; it must be F32, F16 or BF16, or quantised where it is a matrix"
    )]
    Type {
        path: PathBuf,
        tensor: String,
        found: String,
    },
    #[error("{path}: tensor {tensor} has a value that is not finite (number {at}) as {weight_type}")]
    NotFinite {
        path: PathBuf,
        tensor: String,
        at: usize,
        weight_type: &'static str,
    },
    #[error("weights cannot be placed on the device: {0}")]
    Device(#[from] candle_core::Error),
}
