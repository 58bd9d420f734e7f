//! What keys and values are kept in.

use std::fmt;
use std::str::FromStr;

use candle_core::DType;
use half::f16;
use kernels::attention::{Kept, Q8};
use kernels::rope::Heads;

/// A type of keys and values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KvType {
    /// Four bytes a value: exact.
    #[default]
    F32,
    /// Two bytes a value.
    F16,
    /// 32 values of a head in 34 bytes.
    Q8_0,
}

/// The text names no type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a type of keys and values; choose f32, f16 or q8_0")]
pub struct BadKvType(String);

impl FromStr for KvType {
    type Err = BadKvType;

    fn from_str(text: &str) -> Result<Self, BadKvType> {
        let named = |one: &KvType| one.name() == text;
        let found = KvType::ALL.into_iter().find(named);
        found.ok_or_else(|| BadKvType(text.to_owned()))
    }
}

impl fmt::Display for KvType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl KvType {
    /// Every type, the exact one first.
    pub const ALL: [KvType; 3] = [KvType::F32, KvType::F16, KvType::Q8_0];

    fn name(self) -> &'static str {
        match self {
            KvType::F32 => "f32",
            KvType::F16 => "f16",
            KvType::Q8_0 => "q8_0",
        }
    }

    /// What tensors of it consist of: blocks are bytes.
    pub(crate) fn dtype(self) -> DType {
        match self {
            KvType::F32 => DType::F32,
            KvType::F16 => DType::F16,
            KvType::Q8_0 => DType::U8,
        }
    }

    /// How many of these a row is.
    pub(crate) fn columns(self, Heads { heads, width }: Heads) -> usize {
        heads
            * match self {
                KvType::F32 => f32::count(width),
                KvType::F16 => f16::count(width),
                KvType::Q8_0 => Q8::count(width) * size_of::<Q8>(),
            }
    }

    /// Bytes of a row.
    pub(crate) fn row_bytes(self, heads: Heads) -> usize {
        self.columns(heads) * self.dtype().size_in_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_named_as_it_is_shown() {
        for kept in KvType::ALL {
            assert_eq!(kept.to_string().parse(), Ok(kept));
        }
        for text in ["", "F16", "q8", "bf16", "q4_0", "auto"] {
            let error = text.parse::<KvType>().unwrap_err().to_string();
            assert_eq!(
                error,
                format!("{text:?} is not a type of keys and values; choose f32, f16 or q8_0")
            );
        }
    }

    #[test]
    fn a_head_that_is_no_whole_number_of_blocks_is_filled_up() {
        let bytes = |kept: KvType, heads, width| kept.row_bytes(Heads { heads, width });
        assert_eq!(KvType::ALL.map(|kept| bytes(kept, 2, 128)), [1024, 512, 272]);
        assert_eq!(KvType::ALL.map(|kept| bytes(kept, 3, 33)), [396, 198, 204]);
    }
}
