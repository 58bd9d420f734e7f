//! The section `[openai]` of the settings. What each setting means stands in `config.default.toml`.

use domain::purpose::Purpose;
use serde::Deserialize;

/// How requests of OpenAI's form are read.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenaiSettings {
    /// What a request that names no purpose is for.
    pub purpose: Purpose,
    /// The most bytes of a request's body.
    pub most_body_bytes: usize,
    /// The most answers to one question.
    pub most_choices: u32,
    /// The most bytes of a file.
    pub most_file_bytes: u64,
    /// The most files that a tenant has sent and keeps.
    pub most_files: u32,
    /// The most batches of a tenant that are under way.
    pub most_batches: u32,
    /// The most requests of a batch.
    pub most_batch_requests: u64,
    /// The most faults that are told of a batch's file.
    pub most_batch_faults: usize,
}

impl OpenaiSettings {
    /// Whether the values make sense. An error says which does not.
    pub fn check(&self) -> Result<(), String> {
        if self.purpose == Purpose::Commercial {
            return Err(
                "openai.purpose is commercial and must be research or evaluation: commercial use is said by \
                        those who make it"
                    .into(),
            );
        }
        if self.most_batch_requests == 0 || self.most_batch_faults == 0 {
            return Err("openai.most_batch_requests and most_batch_faults must be at least 1".into());
        }
        if self.most_choices == 0 {
            return Err("openai.most_choices is 0 and must be at least 1".into());
        }
        match self.most_body_bytes {
            0 => Err("openai.most_body_bytes is 0 and must be at least 1".into()),
            _ => Ok(()),
        }
    }
}
