//! A hub's public keys in a file, for those who only verify.

use crate::misuse::Misuse;
use exchange::signing::{KeyError, VerifyingKeys};
use std::path::Path;

/// The keys of a file: a JSON Web Key Set, as the hub gives it at `/.well-known/jwks.json`.
pub fn read(file: &Path) -> anyhow::Result<VerifyingKeys> {
    VerifyingKeys::read(file).map_err(|error| match error {
        KeyError::NoKeySet(_) => Misuse(error.to_string()).into(),
        other => anyhow::Error::from(other).context(format!("the keys in {}", file.display())),
    })
}
