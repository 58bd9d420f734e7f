//! Vocabularies for tests.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const SPECIALS: [&str; 9] = [
    "<|endoftext|>",
    "[gMASK]",
    "<sop>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|observation|>",
    "<|begin_of_image|>",
    "<|end_of_image|>",
];

/// Writes a tokenizer whose rank of a byte is its value, then `merged` from 256 on, special tokens from
/// 300 on, except the one called `without`.
pub(crate) fn write(dir: &Path, merged: &[&[u8]], without: &str) {
    let bytes = (0..=255_u8).map(|byte| vec![byte]);
    let tokens = bytes.chain(merged.iter().map(|token| token.to_vec()));
    let lines: String = tokens
        .enumerate()
        .map(|(rank, token)| format!("{} {rank}\n", STANDARD.encode(token)))
        .collect();
    std::fs::write(dir.join("tokenizer.model"), lines).unwrap();
    let added: serde_json::Map<_, _> = (300..)
        .zip(SPECIALS)
        .filter(|&(_, content)| content != without)
        .map(|(id, content): (u32, _)| (id.to_string(), serde_json::json!({ "content": content })))
        .collect();
    let config = serde_json::json!({ "added_tokens_decoder": added });
    std::fs::write(dir.join("tokenizer_config.json"), config.to_string()).unwrap();
}

pub(crate) fn write_bytes_only(dir: &Path, without: &str) {
    write(dir, &[], without);
}

/// The real vocabulary with its vectors, where it is present. It is under the model's licence and so not
/// part of the project: its folder stands beside the project's.
pub(crate) fn real_vocabulary() -> Option<(PathBuf, serde_json::Value)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/glm4v/tokenizer");
    match std::fs::read_to_string(dir.join("vectors.json")) {
        Ok(text) => Some((dir, serde_json::from_str(&text).unwrap())),
        Err(_) => {
            eprintln!("skipped: the real vocabulary is not present");
            None
        }
    }
}
