//! `config.json` and `generation_config.json`: every size of the model, checked before anything is computed.

mod checks;
mod generation;
mod raw;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use tests::published;

use std::path::{Path, PathBuf};

pub use generation::end_ids;

use crate::texts;

/// The language model and, inside, the tower. Sizes are counts of values unless said otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    pub layers: usize,
    pub hidden: usize,
    /// Width of the MLP between gate and projection; the adapter has the same.
    pub inner: usize,
    pub heads: usize,
    /// Key and value heads; each serves `heads / key_heads` query heads.
    pub key_heads: usize,
    /// Width of one head. `heads * head_width` may differ from `hidden`.
    pub head_width: usize,
    /// Rows of the embedding and of the output layer; more than there are tokens.
    pub vocabulary: usize,
    /// Tokens that fit, an image counted by its rows.
    pub context: usize,
    pub norm_epsilon: f32,
    pub qkv_bias: bool,
    /// 10000 times `rope_ratio`.
    pub rope_base: f64,
    pub end_ids: Vec<u32>,
    pub vision: VisionConfig,
}

/// The vision tower.
#[derive(Debug, Clone, PartialEq)]
pub struct VisionConfig {
    pub layers: usize,
    pub hidden: usize,
    pub inner: usize,
    pub heads: usize,
    pub channels: usize,
    /// Sides in pixels.
    pub image_side: usize,
    pub patch_side: usize,
    pub norm_epsilon: f32,
    /// What all image rows are divided by in the end.
    pub scaling_factor: f32,
}

impl Config {
    /// Dimensions of a head that turn with the position.
    pub fn rotated(&self) -> usize {
        self.head_width / 2
    }
}

impl VisionConfig {
    /// Patches along one side.
    pub fn grid(&self) -> usize {
        self.image_side / self.patch_side
    }

    /// Rows of the tower: a class row and the patches.
    pub fn positions(&self) -> usize {
        self.grid() * self.grid() + 1
    }

    /// Rows that an image takes in the language model: a quarter of the patches, framed by two.
    pub fn image_rows(&self) -> usize {
        (self.grid() / 2) * (self.grid() / 2) + 2
    }
}

/// Why a configuration cannot be used. Every message names the file.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{path} cannot be read: {source}")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{path} is not a model configuration: {source}")]
    Malformed {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("{path}: {field} is {value}, but {rule}")]
    Refused {
        path: PathBuf,
        field: &'static str,
        value: String,
        rule: String,
    },
}

impl Config {
    /// Reads `config.json` of a model's folder or GGUF file.
    pub fn load(dir: &Path) -> Result<Config, ConfigError> {
        let path = texts::path_of(dir, "config.json");
        let text = texts::read(dir, "config.json").map_err(|source| ConfigError::Unreadable {
            path: path.clone(),
            source,
        })?;
        let raw: raw::RawConfig = serde_json::from_str(&text).map_err(|source| ConfigError::Malformed {
            path: path.clone(),
            source,
        })?;
        raw.check()
            .map_err(|checks::Refusal { field, value, rule }| ConfigError::Refused {
                path,
                field,
                value,
                rule,
            })
    }
}
