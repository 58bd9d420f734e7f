//! `generation_config.json`: which ids end an answer.

use std::path::Path;

use serde::Deserialize;

use super::raw::Ids;
use super::{Config, ConfigError};
use crate::texts;

#[derive(Deserialize)]
struct RawGeneration {
    eos_token_id: Option<Ids>,
}

/// The ids that end an answer: of `generation_config.json` where that file is and names some, else of `config.json`.
pub fn end_ids(dir: &Path, config: &Config) -> Result<Vec<u32>, ConfigError> {
    let path = texts::path_of(dir, "generation_config.json");
    let text = match texts::read(dir, "generation_config.json") {
        Ok(text) => text,
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Ok(config.end_ids.clone()),
        Err(source) => return Err(ConfigError::Unreadable { path, source }),
    };
    let raw: RawGeneration =
        serde_json::from_str(&text).map_err(|source| ConfigError::Malformed { path, source })?;
    Ok(raw
        .eos_token_id
        .map_or_else(|| config.end_ids.clone(), Ids::into_vec))
}
