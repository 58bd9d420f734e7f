//! GGUF, version 3: one file with the tensors of a model, their types and everything said about them.
//!
//! Layout: magic, version, counts; key and value pairs; one description for each tensor; then the tensors' bytes, each
//! at a multiple of the alignment. All numbers are little-endian. Dimensions stand innermost first.
//!
//! A file may come from anybody, so [`Header::read`] trusts no count and no length: whatever does not fit the file is
//! an error before anything is set aside for it.

mod header;
#[cfg(test)]
mod tests;
mod value;
mod write;

pub use header::{GgufError, Header, TensorPlace};
pub use value::{Array, Value};
pub use write::{Described, Layout, write_header};

use std::io;
use std::path::Path;

use kernels::quant::QuantType;

use crate::map::map;

/// The first four bytes of a file.
const MAGIC: [u8; 4] = *b"GGUF";
/// The version that is written, and the only one that is read.
const VERSION: u32 = 3;
/// Where tensors begin, unless the file says otherwise.
const ALIGNMENT: u64 = 32;
/// The key that says otherwise.
const ALIGNMENT_KEY: &str = "general.alignment";

/// The header of a file, and how many bytes the file has. The tensors' bytes are not read.
pub fn header_of(path: &Path) -> io::Result<(Header, u64)> {
    let file = map(path)?;
    let header = Header::read(&file).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok((header, file.len() as u64))
}

/// How a tensor's values are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TensorType {
    F32,
    F16,
    Bf16,
    Quant(QuantType),
}

impl TensorType {
    /// Every type that can be read.
    pub const ALL: [TensorType; 7] = [
        TensorType::F32,
        TensorType::F16,
        TensorType::Bf16,
        TensorType::Quant(QuantType::Q8_0),
        TensorType::Quant(QuantType::Q4K),
        TensorType::Quant(QuantType::Q5K),
        TensorType::Quant(QuantType::Q6K),
    ];

    /// The number in files.
    pub fn code(self) -> u32 {
        match self {
            TensorType::F32 => 0,
            TensorType::F16 => 1,
            TensorType::Quant(QuantType::Q8_0) => 8,
            TensorType::Quant(QuantType::Q4K) => 12,
            TensorType::Quant(QuantType::Q5K) => 13,
            TensorType::Quant(QuantType::Q6K) => 14,
            TensorType::Bf16 => 30,
        }
    }

    /// The type of that number.
    pub fn of_code(code: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            TensorType::F32 => "f32",
            TensorType::F16 => "f16",
            TensorType::Bf16 => "bf16",
            TensorType::Quant(kind) => kind.name(),
        }
    }

    /// Bytes of a row of `width` values; none if it is no whole number of blocks.
    pub fn row_bytes(self, width: usize) -> Option<usize> {
        match self {
            TensorType::F32 => width.checked_mul(4),
            TensorType::F16 | TensorType::Bf16 => width.checked_mul(2),
            TensorType::Quant(kind) => kind.row_bytes(width),
        }
    }
}
