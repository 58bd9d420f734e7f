//! Special tokens: `added_tokens_decoder` of `tokenizer_config.json`.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde::Deserialize;

use super::TokenizerError;
use super::ranks::Ranks;

/// Only what is needed; the file has many fields for other programs.
#[derive(Deserialize)]
struct TokenizerConfig {
    added_tokens_decoder: BTreeMap<String, AddedToken>,
}

#[derive(Deserialize)]
struct AddedToken {
    content: String,
}

#[derive(Debug, Default)]
pub(super) struct Specials {
    by_content: HashMap<String, u32>,
    by_id: HashMap<u32, String>,
}

impl Specials {
    /// `path` is where the text is from, for messages.
    pub fn read(path: &Path, text: &str, ranks: &Ranks) -> Result<Specials, TokenizerError> {
        Specials::parse(text, ranks).map_err(|reason| TokenizerError::Content {
            path: path.to_owned(),
            reason,
        })
    }

    fn parse(text: &str, ranks: &Ranks) -> Result<Specials, String> {
        let config: TokenizerConfig = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let mut specials = Specials::default();
        for (key, AddedToken { content }) in config.added_tokens_decoder {
            let id: u32 = key
                .parse()
                .map_err(|_| format!("added token id `{key}` is not a number"))?;
            if ranks.bytes_of(id).is_some() {
                return Err(format!(
                    "added token `{content}` has id {id}, which is a rank of tokenizer.model"
                ));
            }
            if let Some(first) = specials.by_content.insert(content.clone(), id) {
                return Err(format!("added token `{content}` has two ids, {first} and {id}"));
            }
            specials.by_id.insert(id, content);
        }
        Ok(specials)
    }

    pub fn id_of(&self, content: &str) -> Option<u32> {
        self.by_content.get(content).copied()
    }

    pub fn content_of(&self, id: u32) -> Option<&str> {
        self.by_id.get(&id).map(String::as_str)
    }
}
