//! A hub's public keys in a file, for those who only verify.

use crate::misuse::Misuse;
use anyhow::Context as _;
use exchange::signing::VerifyingKeys;
use std::{fs, path::Path};

/// The keys of a file: a JSON Web Key Set, as the hub gives it at `/.well-known/jwks.json`.
pub fn read(file: &Path) -> anyhow::Result<VerifyingKeys> {
    let text = fs::read(file).with_context(|| format!("the keys in {}", file.display()))?;
    let keys = serde_json::from_slice(&text)
        .ok()
        .as_ref()
        .and_then(VerifyingKeys::from_jwks);
    keys.ok_or_else(|| {
        Misuse(format!(
            "{} is no JSON Web Key Set with Ed25519 keys",
            file.display()
        ))
        .into()
    })
}
