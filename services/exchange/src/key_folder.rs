//! The folder of a hub's keys: the one that signs, those that were replaced and still hold, and those that are retired.
//!
//! `hub.key` is the private key that signs. Of a replaced key only the public part is kept, in `accepted`: what it has
//! signed still holds, so that a change of keys voids no token and no order on its way. A retired key is in `retired`:
//! nothing that it has signed allows anything any more, but the audit log's old checkpoints still verify with it.

use crate::signing::{KeyError, SigningKey, VerifyingKeys, replace_private, write_private};
use std::{fs, io, path::PathBuf};

const SIGNING: &str = "hub.key";
const ACCEPTED: &str = "accepted";
const RETIRED: &str = "retired";

/// What may be done with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It signs.
    Signing,
    /// It was replaced, and what it has signed still holds.
    Accepted,
    /// What it has signed allows nothing any more.
    Retired,
}

impl Standing {
    /// The word for people and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Standing::Signing => "signing",
            Standing::Accepted => "accepted",
            Standing::Retired => "retired",
        }
    }
}

/// Why a key was not retired.
#[derive(Debug, thiserror::Error)]
pub enum RetireError {
    /// There is no such key.
    #[error("there is no key {0} here")]
    Unknown(String),
    /// It is the key that signs.
    #[error("{0} is the key that signs: rotate first, then retire it")]
    Signs(String),
    /// The files could not be used.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// See the module's text.
pub struct KeyFolder(PathBuf);

impl KeyFolder {
    /// The keys in `folder`.
    pub fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// Whether there is a key that signs.
    pub fn has_key(&self) -> bool {
        self.0.join(SIGNING).exists()
    }

    /// The key that signs, with the public parts of the others; makes one on first use.
    pub fn load(&self) -> Result<SigningKey, KeyError> {
        let key = SigningKey::load_or_create(&self.0.join(SIGNING))?;
        Ok(key.beside(self.read(ACCEPTED)?, self.read(RETIRED)?))
    }

    /// Every key and its standing.
    pub fn list(&self) -> Result<Vec<(String, Standing)>, KeyError> {
        let signing = SigningKey::load_or_create(&self.0.join(SIGNING))?
            .kid()
            .to_owned();
        let mut listed = vec![(signing.clone(), Standing::Signing)];
        for (folder, standing) in [(ACCEPTED, Standing::Accepted), (RETIRED, Standing::Retired)] {
            let keys = self.read(folder)?;
            let others = keys.each().map(|(kid, _)| kid).filter(|kid| *kid != signing);
            listed.extend(others.map(|kid| (kid.to_owned(), standing)));
        }
        Ok(listed)
    }

    /// Makes a new key that signs from the next start of each hub on; what the old one has signed still holds. Gives the
    /// names of the old and the new one.
    pub fn rotate(&self) -> Result<(String, String), KeyError> {
        let old = SigningKey::load_or_create(&self.0.join(SIGNING))?;
        // First: if this is cut off here, the old key signs and is accepted, which it was anyway.
        self.keep(ACCEPTED, old.kid(), &old.public())?;
        let file = self.0.join(SIGNING);
        replace_private(&file)?;
        let new = SigningKey::load_or_create(&file)?;
        Ok((old.kid().to_owned(), new.kid().to_owned()))
    }

    /// From the next start of hubs and workers on, what `kid` has signed allows nothing any more.
    pub fn retire(&self, kid: &str) -> Result<(), RetireError> {
        let found = self.list()?.into_iter().find(|(known, _)| known == kid);
        match found.map(|(_, standing)| standing) {
            None => return Err(RetireError::Unknown(kid.to_owned())),
            Some(Standing::Signing) => return Err(RetireError::Signs(kid.to_owned())),
            Some(Standing::Retired) => return Ok(()),
            Some(Standing::Accepted) => {}
        }
        let file = self.0.join(ACCEPTED).join(format!("{kid}.json"));
        self.keep(RETIRED, kid, &VerifyingKeys::read(&file)?)?;
        fs::remove_file(&file).map_err(|source| KeyError::in_file_of(&file, source))?;
        Ok(())
    }

    fn keep(&self, folder: &str, kid: &str, keys: &VerifyingKeys) -> Result<(), KeyError> {
        let file = self.0.join(folder).join(format!("{kid}.json"));
        match write_private(&file, keys.jwks().to_string().as_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(KeyError::in_file_of(&file, error))
            }
            _ => Ok(()),
        }
    }

    fn read(&self, folder: &str) -> Result<VerifyingKeys, KeyError> {
        let folder = self.0.join(folder);
        let mut keys = VerifyingKeys::default();
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(keys),
            Err(error) => return Err(KeyError::in_file_of(&folder, error)),
        };
        for entry in entries {
            let file = entry
                .map_err(|error| KeyError::in_file_of(&folder, error))?
                .path();
            if file.extension().is_some_and(|kind| kind == "json") {
                keys.merge(VerifyingKeys::read(&file)?);
            }
        }
        Ok(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const KIND: &str = "test";

    fn folder() -> (tempfile::TempDir, KeyFolder) {
        let parent = tempfile::tempdir().unwrap();
        let folder = KeyFolder::new(parent.path().join("keys"));
        (parent, folder)
    }

    #[test]
    fn what_the_old_key_signed_holds_until_it_is_retired() {
        let (_parent, folder) = folder();
        let old = folder.load().unwrap();
        let token = old.sign(KIND, &json!({ "a": 1 })).unwrap();
        let (before, after) = folder.rotate().unwrap();
        assert_eq!(before, old.kid());
        let new = folder.load().unwrap();
        assert_eq!(new.kid(), after);
        assert!(new.public().verify::<Value>(KIND, &token).is_ok());
        folder.retire(&before).unwrap();
        let later = folder.load().unwrap();
        assert!(later.public().verify::<Value>(KIND, &token).is_err());
        assert!(later.every().verify::<Value>(KIND, &token).is_ok());
        let listed = [(after, Standing::Signing), (before, Standing::Retired)];
        assert_eq!(folder.list().unwrap(), listed);
    }

    #[test]
    fn several_replaced_keys_hold_beside_each_other() {
        let (_parent, folder) = folder();
        let tokens: Vec<String> = (0..3)
            .map(|_| {
                let token = folder.load().unwrap().sign(KIND, &json!({})).unwrap();
                folder.rotate().unwrap();
                token
            })
            .collect();
        let keys = folder.load().unwrap().public();
        for token in tokens {
            assert!(keys.verify::<Value>(KIND, &token).is_ok());
        }
        assert_eq!(keys.each().count(), 4);
    }

    #[test]
    fn the_key_that_signs_and_an_unknown_one_are_not_retired() {
        let (_parent, folder) = folder();
        let kid = folder.load().unwrap().kid().to_owned();
        assert!(matches!(folder.retire(&kid), Err(RetireError::Signs(_))));
        assert!(matches!(folder.retire("0123"), Err(RetireError::Unknown(_))));
        let (old, _) = folder.rotate().unwrap();
        folder.retire(&old).unwrap();
        folder.retire(&old).unwrap();
    }
}
