//! The section `[hf]` of the settings. What each setting means stands in `config.default.toml`.

use domain::purpose::Purpose;
use serde::Deserialize;

/// How requests of Hugging Face's form are read.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HfSettings {
    /// What files are given out for where the address names no purpose.
    pub purpose: Purpose,
}

impl HfSettings {
    /// Whether the values make sense. An error says which does not.
    pub fn check(&self) -> Result<(), String> {
        match self.purpose {
            Purpose::Commercial => Err(
                "hf.purpose is commercial and must be research or evaluation: commercial use is said by those who \
                 make it, with /hf/for/commercial"
                    .into(),
            ),
            _ => Ok(()),
        }
    }
}
