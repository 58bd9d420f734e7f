//! What the vision tower multiplies in.

use std::fmt;
use std::str::FromStr;

/// A precision of products. Sums are in `f32` in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TowerPrecision {
    /// Exact products of weights of 16 or 32 bits. Quantised ones are multiplied in eight bits, as everywhere.
    #[default]
    F32,
    /// Weights of every kind and rows rounded to eight bits of mantissa, where the processor has dot products of such
    /// numbers.
    Bf16,
}

/// The text names no precision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a precision of the tower; choose f32 or bf16")]
pub struct BadPrecision(String);

impl FromStr for TowerPrecision {
    type Err = BadPrecision;

    fn from_str(text: &str) -> Result<Self, BadPrecision> {
        let named = |one: &TowerPrecision| one.name() == text;
        let found = TowerPrecision::ALL.into_iter().find(named);
        found.ok_or_else(|| BadPrecision(text.to_owned()))
    }
}

impl fmt::Display for TowerPrecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl TowerPrecision {
    /// Both, the exact one first.
    pub const ALL: [TowerPrecision; 2] = [TowerPrecision::F32, TowerPrecision::Bf16];

    fn name(self) -> &'static str {
        match self {
            TowerPrecision::F32 => "f32",
            TowerPrecision::Bf16 => "bf16",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_precision_is_named_as_it_is_shown() {
        for precision in TowerPrecision::ALL {
            assert_eq!(precision.to_string().parse(), Ok(precision));
        }
        for text in ["", "F32", "f16", "int8", "auto"] {
            let error = text.parse::<TowerPrecision>().unwrap_err().to_string();
            assert_eq!(
                error,
                format!("{text:?} is not a precision of the tower; choose f32 or bf16")
            );
        }
    }
}
