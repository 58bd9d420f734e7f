//! Which tensor is kept in which type.

use std::fmt;
use std::str::FromStr;

use kernels::quant::QuantType;

use crate::config::Config;
use crate::gguf::{Described, TensorType};
use crate::glm4v::tensors;
use crate::weights::padded;

/// A named choice of types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mix {
    /// Mostly 4.5 bits; more where an error costs most.
    Q4KM,
    /// Mostly 5.5 bits.
    Q5KM,
    /// 6.6 bits throughout.
    Q6K,
    /// 8.5 bits throughout.
    Q8_0,
    /// Nothing is quantised: the matrices as published.
    Bf16,
}

impl Mix {
    /// Every mix, the smallest first.
    pub const ALL: [Mix; 5] = [Mix::Q4KM, Mix::Q5KM, Mix::Q6K, Mix::Q8_0, Mix::Bf16];

    /// The name on the command line and in cards.
    pub fn name(self) -> &'static str {
        match self {
            Mix::Q4KM => "q4_k_m",
            Mix::Q5KM => "q5_k_m",
            Mix::Q6K => "q6_k",
            Mix::Q8_0 => "q8_0",
            Mix::Bf16 => "bf16",
        }
    }

    /// The type of most matrices.
    fn usual(self) -> TensorType {
        match self {
            Mix::Q4KM => TensorType::Quant(QuantType::Q4K),
            Mix::Q5KM => TensorType::Quant(QuantType::Q5K),
            Mix::Q6K => TensorType::Quant(QuantType::Q6K),
            Mix::Q8_0 => TensorType::Quant(QuantType::Q8_0),
            Mix::Bf16 => TensorType::Bf16,
        }
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No mix has that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a type is one of q4_k_m, q5_k_m, q6_k, q8_0, bf16")]
pub struct BadMix;

impl FromStr for Mix {
    type Err = BadMix;

    fn from_str(name: &str) -> Result<Self, BadMix> {
        Self::ALL.into_iter().find(|mix| mix.name() == name).ok_or(BadMix)
    }
}

/// A tensor of a checkpoint, and how it will be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Its shape in the checkpoint.
    pub shape: Vec<usize>,
    /// What will be written.
    pub kept: Described,
}

/// How every tensor of a checkpoint with this configuration is kept.
pub fn plan(config: &Config, mix: Mix) -> Vec<Planned> {
    let each = |(name, shape): (String, Vec<usize>)| {
        let kind = kind(config, mix, &name, &shape);
        let kept_shape = match kind {
            TensorType::Quant(_) => padded(&shape).to_vec(),
            _ => shape.clone(),
        };
        let kept = Described {
            name,
            kind,
            shape: kept_shape,
        };
        Planned { shape, kept }
    };
    tensors(config).into_iter().map(each).collect()
}

fn kind(config: &Config, mix: Mix, name: &str, shape: &[usize]) -> TensorType {
    // Norms, biases, the frame and the table of positions are small, and used as they are. The patch convolution has
    // rows of 588 values: quantised, a quarter of it would be filling.
    let whole = shape.len() == 1
        || !name.ends_with(".weight")
        || name.ends_with("position_embedding.weight")
        || name.ends_with("patch_embedding.proj.weight");
    if whole {
        return TensorType::F32;
    }
    let more = match mix {
        Mix::Q4KM | Mix::Q5KM => TensorType::Quant(QuantType::Q6K),
        Mix::Q6K | Mix::Q8_0 | Mix::Bf16 => mix.usual(),
    };
    match name
        .strip_prefix("transformer.encoder.layers.")
        .and_then(|rest| rest.split_once('.'))
    {
        Some((layer, "mlp.dense_4h_to_h.weight")) => {
            let layer = layer.parse().unwrap_or(0);
            if takes_more(layer, config.layers) {
                more
            } else {
                mix.usual()
            }
        }
        Some((_, "self_attention.query_key_value.weight")) if mix == Mix::Q4KM => {
            TensorType::Quant(QuantType::Q5K)
        }
        None if name == "transformer.output_layer.weight" => more,
        // What was measured to matter most for its size: `bench/ERRORS.md`.
        None if name.starts_with("transformer.vision.")
            && name.ends_with("attention.query_key_value.weight") =>
        {
            more
        }
        _ => mix.usual(),
    }
}

/// The layers whose errors reach farthest: the first and the last eighth.
fn takes_more(layer: usize, layers: usize) -> bool {
    let eighth = layers / 8;
    layer < eighth || layer >= layers - eighth
}
