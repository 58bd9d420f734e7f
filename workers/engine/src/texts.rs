//! The texts of a model: `config.json` and what else stands beside its weights.
//!
//! In a folder they are files; in a GGUF file they are values, under [`KEY`] and their name.

use std::io;
use std::path::{Path, PathBuf};

use crate::gguf::{Header, header_of};

/// What the key of a text begins with.
pub const KEY: &str = "glmhub.files.";

/// The texts that make a model, beside its weights. Only `generation_config.json` may be missing.
pub const NAMES: [&str; 4] = [
    "config.json",
    "generation_config.json",
    "tokenizer.model",
    "tokenizer_config.json",
];

/// How a text is called in messages.
pub fn path_of(place: &Path, name: &str) -> PathBuf {
    place.join(name)
}

/// A text of the model at `place`, a folder or a GGUF file. One that is missing is an error of kind `NotFound`.
pub fn read(place: &Path, name: &str) -> io::Result<String> {
    if !place.is_file() {
        return std::fs::read_to_string(place.join(name));
    }
    let (header, _) = header_of(place)?;
    held(&header, name)
        .map(str::to_owned)
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("the file has no {KEY}{name}")))
}

/// A text that a GGUF file holds, by its header.
pub fn held<'a>(header: &'a Header, name: &str) -> Option<&'a str> {
    header.text(&format!("{KEY}{name}"))
}
