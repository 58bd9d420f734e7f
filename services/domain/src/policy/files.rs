//! Policy files as names and texts. Who reads them from a folder is no concern of the rules.

use crate::digest::Sha256;
use serde::{Deserialize, Serialize};

include!(concat!(env!("OUT_DIR"), "/policy_files.rs"));

/// One policy file: `licenses/ID.toml` or `rules/NAME.cedar`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyFile {
    /// The folder and the name.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// What a policy file is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// The facts of a license.
    License,
    /// Rules in Cedar.
    Rules,
}

impl PolicyFile {
    /// A file of that name and text.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            text: text.into(),
        }
    }

    /// What its name says that it is about; nothing if no policy file is named so.
    pub fn kind(&self) -> Option<FileKind> {
        let plain = |name: &str| !name.is_empty() && !name.contains(['/', '\\']) && !name.starts_with('.');
        let (folder, name) = self.name.rsplit_once('/')?;
        match (folder, name.rsplit_once('.')) {
            ("licenses", Some((stem, "toml"))) if plain(stem) => Some(FileKind::License),
            ("rules", Some((stem, "cedar"))) if plain(stem) => Some(FileKind::Rules),
            _ => None,
        }
    }

    /// The digest of its text.
    pub fn sha256(&self) -> Sha256 {
        Sha256::of(self.text.as_bytes())
    }
}

/// The files that are compiled in, by name.
pub fn shipped() -> impl Iterator<Item = PolicyFile> {
    SHIPPED.iter().map(|&(name, text)| PolicyFile::new(name, text))
}

/// The cases that are compiled in, by name.
pub(super) fn shipped_cases() -> impl Iterator<Item = (&'static str, &'static str)> {
    CASES.iter().copied()
}

/// The schema that rules are validated against. It is the hub's own: an organisation adds rules, not words.
pub fn schema() -> &'static str {
    SCHEMA
}

/// Names a set of files: the digest over their names and texts, in the order of their names.
pub(super) fn digest(files: &[PolicyFile]) -> Sha256 {
    let lines = files
        .iter()
        .map(|file| format!("{} {}\n", file.sha256(), file.name));
    let schema = format!("{} schema.cedarschema\n", Sha256::of(SCHEMA.as_bytes()));
    Sha256::of(lines.chain([schema]).collect::<String>().as_bytes())
}
