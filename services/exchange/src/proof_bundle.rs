//! The files of a proof, as they stand in its ZIP archive, and how a reader makes a [`Proof`] of them again.

use crate::{
    attestation::{self, AttestationError, Envelope},
    checkpoint::{self, CheckpointError},
    grant::{self, GrantError},
    signing::VerifyingKeys,
};
use domain::{
    digest::Sha256,
    proof::{Proof, ProvenEntry, Root, VouchedRow},
    provenance::Statement,
};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// How to read the rest.
pub const README: &str = "README.txt";
/// The signed statement: where the answer came from.
pub const PROVENANCE: &str = "provenance.json";
/// The signed checkpoint of the audit log.
pub const CHECKPOINT: &str = "checkpoint.txt";
/// The entries of the log, each with its inclusion proof.
pub const ENTRIES: &str = "entries.json";
/// The rows that the entries vouch for: answer, grant, decision, acceptances.
pub const ROWS: &str = "rows.json";
/// The manifest of the model's files: its digest is the revision.
pub const MANIFEST: &str = "manifest.json";
/// The hub's public keys. A reader has a copy from elsewhere: these would vouch for themselves.
pub const KEYS: &str = "keys.json";
/// Below it stand the texts of terms.
pub const TERMS: &str = "TERMS/";

/// Why files are no proof that can be judged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadProof {
    /// A file is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A file is not what its name says.
    #[error("{file} cannot be read: {why}")]
    Malformed {
        /// Which.
        file: &'static str,
        /// Why.
        why: String,
    },
    /// The checkpoint is not to be believed.
    #[error("{CHECKPOINT}: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The statement is not to be believed.
    #[error("{PROVENANCE}: {0}")]
    Provenance(#[from] AttestationError),
    /// The grant is not to be believed.
    #[error("{ROWS}: {0}")]
    Grant(#[from] GrantError),
}

/// The proof that `files` hold, its signatures verified with `keys`. `origin` is the log that it must be of; none takes
/// any. Whether what was signed fits together is told by [`Proof::findings`].
pub fn read(
    files: &BTreeMap<String, Vec<u8>>,
    keys: &VerifyingKeys,
    origin: Option<&str>,
) -> Result<Proof, BadProof> {
    let believed = checkpoint::verify(keys, origin, &text(files, CHECKPOINT)?)?;
    let envelope: Envelope = parsed(files, PROVENANCE)?;
    let statement: Statement = attestation::verify(keys, &envelope)?;
    let rows: Vec<VouchedRow> = parsed(files, ROWS)?;
    let entries: Vec<ProvenEntry> = parsed(files, ENTRIES)?;
    let token = rows
        .iter()
        .find(|row| row.of == "grant")
        .and_then(|row| row.row["grant_token"].as_str());
    let grant_token = token
        .ok_or_else(|| malformed(ROWS, "there is no grant in it"))?
        .to_owned();
    let subject = statement.subject.first();
    let job = subject
        .ok_or_else(|| malformed(PROVENANCE, "it is about nothing"))?
        .name;
    let terms = files
        .iter()
        .filter(|(path, _)| path.starts_with(TERMS))
        .map(|(_, text)| Sha256::of(text));
    Ok(Proof {
        job,
        root: Root {
            size: believed.size,
            sha256: believed.root,
        },
        entries,
        grant: grant::look_back(keys, &grant_token)?,
        rows,
        grant_token,
        statement,
        manifest_sha256: Sha256::of(bytes(files, MANIFEST)?),
        terms: terms.collect(),
    })
}

fn bytes<'a>(files: &'a BTreeMap<String, Vec<u8>>, file: &'static str) -> Result<&'a [u8], BadProof> {
    let found = files.get(file).map(Vec::as_slice);
    found.ok_or(BadProof::Missing(file))
}

fn text(files: &BTreeMap<String, Vec<u8>>, file: &'static str) -> Result<String, BadProof> {
    String::from_utf8(bytes(files, file)?.to_vec()).map_err(|error| malformed(file, error))
}

fn parsed<T: DeserializeOwned>(files: &BTreeMap<String, Vec<u8>>, file: &'static str) -> Result<T, BadProof> {
    serde_json::from_slice(bytes(files, file)?).map_err(|error| malformed(file, error))
}

fn malformed(file: &'static str, why: impl ToString) -> BadProof {
    BadProof::Malformed {
        file,
        why: why.to_string(),
    }
}
