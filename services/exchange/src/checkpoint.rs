//! Checkpoints of the audit log as signed notes: `c2sp.org/tlog-checkpoint` in `c2sp.org/signed-note`, with Ed25519.
//!
//! The note's key is the hub's signing key under the log's origin as its name.

use crate::signing::{SigningKey, VerifyingKeys};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::digest::Sha256;
use signed_note::{Note, Signature, StandardVerifier, Verifier, VerifierList};
use tlog_tiles::{Checkpoint, Hash};

/// The algorithm's byte before a public key.
const ED25519: u8 = 1;

/// A checkpoint is not to be believed, or could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// It is no signed note with a checkpoint in it.
    #[error("it is no signed checkpoint")]
    Malformed,
    /// No known key has signed it under its origin.
    #[error("none of the known keys has signed it, or it was altered")]
    Unsigned,
    /// It is of another log.
    #[error("it is of the log {0}")]
    ForeignOrigin(String),
    /// The origin cannot name a key.
    #[error("the origin {0} has spaces or a plus, or is empty")]
    BadOrigin(String),
}

/// What a checkpoint says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Believed {
    /// The log's name.
    pub origin: String,
    /// How many entries.
    pub size: u64,
    /// The tree's root.
    pub root: Sha256,
}

/// The key in the form that verifiers of notes take: `name+id+key`.
pub fn note_key(origin: &str, public: &[u8; 32]) -> String {
    let key = [&[ED25519], public.as_slice()].concat();
    format!(
        "{origin}+{:08x}+{}",
        signed_note::key_id(origin, &key),
        STANDARD.encode(&key)
    )
}

/// A signed checkpoint of the log `origin`.
pub fn sign(key: &SigningKey, origin: &str, size: u64, root: &Sha256) -> Result<String, CheckpointError> {
    let bad_origin = || CheckpointError::BadOrigin(origin.to_owned());
    let checkpoint = Checkpoint::new(origin, size, Hash(*root.as_bytes()), "").map_err(|_| bad_origin())?;
    let text = checkpoint.to_bytes();
    let id = signed_note::key_id(origin, &[&[ED25519], key.public_bytes().as_slice()].concat());
    let signature = Signature::new(origin.to_owned(), id, key.sign_bytes(&text)).map_err(|_| bad_origin())?;
    let note = Note::new(&text, &[signature]).map_err(|_| CheckpointError::Malformed)?;
    String::from_utf8(note.to_bytes()).map_err(|_| CheckpointError::Malformed)
}

/// What `note` says, if one of `keys` has signed it. `origin` is the log that it must be of; none takes any.
pub fn verify(keys: &VerifyingKeys, origin: Option<&str>, note: &str) -> Result<Believed, CheckpointError> {
    let note = Note::from_bytes(note.as_bytes()).map_err(|_| CheckpointError::Malformed)?;
    let said = Checkpoint::from_bytes(note.text()).map_err(|_| CheckpointError::Malformed)?;
    if origin.is_some_and(|origin| origin != said.origin()) {
        return Err(CheckpointError::ForeignOrigin(said.origin().to_owned()));
    }
    let verifiers = keys
        .each()
        .filter_map(|(_, public)| StandardVerifier::new(&note_key(said.origin(), public)).ok())
        .map(|verifier| Box::new(verifier) as Box<dyn Verifier>);
    note.verify(&VerifierList::new(verifiers.collect()))
        .map_err(|_| CheckpointError::Unsigned)?;
    Ok(Believed {
        origin: said.origin().to_owned(),
        size: said.size(),
        root: Sha256::from_bytes(said.hash().0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_believed_from_its_key_and_of_its_log_alone() {
        let (ours, theirs) = (SigningKey::ephemeral().unwrap(), SigningKey::ephemeral().unwrap());
        let root = Sha256::of(b"root");
        let note = sign(&ours, "hub.example/audit", 12, &root).unwrap();
        assert!(note.starts_with("hub.example/audit\n12\n"), "{note}");
        let believed = verify(&ours.public(), Some("hub.example/audit"), &note).unwrap();
        assert_eq!((believed.size, believed.root), (12, root));
        assert_eq!(
            verify(&theirs.public(), None, &note),
            Err(CheckpointError::Unsigned)
        );
        let other = verify(&ours.public(), Some("other"), &note);
        assert_eq!(
            other,
            Err(CheckpointError::ForeignOrigin("hub.example/audit".into()))
        );
    }

    #[test]
    fn no_byte_of_a_checkpoint_can_be_altered() {
        let key = SigningKey::ephemeral().unwrap();
        let note = sign(&key, "glmhub", 7, &Sha256::of(b"root")).unwrap();
        for at in 0..note.len() {
            let mut bytes = note.clone().into_bytes();
            bytes[at] ^= 1;
            let Ok(altered) = String::from_utf8(bytes) else {
                continue;
            };
            assert!(
                verify(&key.public(), Some("glmhub"), &altered).is_err(),
                "byte {at}: {altered}"
            );
        }
    }

    #[test]
    fn an_origin_that_cannot_name_a_key_is_refused() {
        let key = SigningKey::ephemeral().unwrap();
        for origin in ["", "my hub", "a+b"] {
            let refused = sign(&key, origin, 1, &Sha256::of(b""));
            assert_eq!(
                refused,
                Err(CheckpointError::BadOrigin(origin.into())),
                "{origin:?}"
            );
        }
    }
}
