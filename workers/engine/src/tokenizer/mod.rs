//! Text to ids and back: ranks, pieces and special tokens.
//!
//! The vocabulary is a list of byte strings with ranks (`tokenizer.model`); the special tokens stand apart
//! (`tokenizer_config.json`) and can never come out of [`Tokenizer::encode`]: what looks like a special
//! token in a message stays ordinary text, so no message can pretend to be a role.

mod merge;
mod pieces;
mod ranks;
mod specials;
mod stream;

use std::path::{Path, PathBuf};

pub use stream::DecodeStream;

use pieces::Splitter;
use ranks::Ranks;
use specials::Specials;

use crate::texts;

/// What can be wrong with a tokenizer's two files.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    #[error("cannot read {path}: {reason}", path = .path.display())]
    Unreadable { path: PathBuf, reason: std::io::Error },
    #[error("{path} line {line}: {reason}", path = .path.display())]
    Line {
        path: PathBuf,
        line: usize,
        reason: String,
    },
    #[error("{path}: {reason}", path = .path.display())]
    Content { path: PathBuf, reason: String },
}

/// The ranks and special tokens of one checkpoint; shared by every request.
#[derive(Debug)]
pub struct Tokenizer {
    ranks: Ranks,
    specials: Specials,
    splitter: Splitter,
}

fn text(dir: &Path, name: &str) -> Result<String, TokenizerError> {
    texts::read(dir, name).map_err(|reason| TokenizerError::Unreadable {
        path: texts::path_of(dir, name),
        reason,
    })
}

impl Tokenizer {
    /// Reads `tokenizer.model` and `tokenizer_config.json` of the checkpoint in `dir`.
    pub fn load(dir: &Path) -> Result<Tokenizer, TokenizerError> {
        let ranks = Ranks::read(
            &texts::path_of(dir, "tokenizer.model"),
            &text(dir, "tokenizer.model")?,
        )?;
        let path = texts::path_of(dir, "tokenizer_config.json");
        let specials = Specials::read(&path, &text(dir, "tokenizer_config.json")?, &ranks)?;
        Ok(Tokenizer {
            ranks,
            specials,
            splitter: Splitter::new(),
        })
    }

    /// The ids of `text`. Special tokens are never among them, whatever the text says.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let mut ids = Vec::with_capacity(text.len() / 3);
        for piece in self.splitter.pieces(text) {
            match self.ranks.of(piece.as_bytes()) {
                Some(rank) => ids.push(rank),
                None => merge::merge_into(&mut ids, piece.as_bytes(), &self.ranks),
            }
        }
        ids
    }

    /// The id of a special token by its content, such as `<|user|>`.
    pub fn special(&self, content: &str) -> Option<u32> {
        self.specials.id_of(content)
    }

    /// Whether `id` has a token, ordinary or special. Embedding matrices are padded: they have more rows.
    pub fn is_known(&self, id: u32) -> bool {
        self.ranks.bytes_of(id).is_some() || self.specials.content_of(id).is_some()
    }

    /// The ids in `0..vocabulary` that have no token: they must not be sampled.
    pub fn tokenless(&self, vocabulary: u32) -> Vec<u32> {
        (0..vocabulary).filter(|&id| !self.is_known(id)).collect()
    }

    /// The text of an answer: bytes of the ordinary tokens, U+FFFD where they are not UTF-8.
    /// Special tokens and ids without a token are left out, as in the original's answers.
    pub fn decode(&self, ids: &[u32]) -> String {
        let mut bytes = Vec::with_capacity(ids.len() * 4);
        for &id in ids {
            bytes.extend_from_slice(self.ranks.bytes_of(id).unwrap_or_default());
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// One token by itself, for display: a special token's content, an ordinary token's text
    /// (U+FFFD where it is a part of a character), empty for an id without a token.
    pub fn token(&self, id: u32) -> String {
        match self.specials.content_of(id) {
            Some(content) => content.to_owned(),
            None => self.decode(&[id]),
        }
    }

    /// The bytes that one token adds to a text: none for a special token or an id without a token.
    pub fn bytes(&self, id: u32) -> &[u8] {
        self.ranks.bytes_of(id).unwrap_or_default()
    }

    /// Decodes id by id without ever cutting a character; see [`DecodeStream`].
    pub fn stream(&self) -> DecodeStream<'_> {
        DecodeStream::new(&self.ranks)
    }
}

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod tests;
