//! Folders of weights to import.

use crate::tree;
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// Terms as a licensor might write them; lines, spaces and marks must come back as they are.
pub const TERMS: &str = "Rehearsal terms.\r\n\r\n  Research is free.  \n商业用途须登记。\n";

/// A tiny checkpoint in a folder of its own, with a `LICENSE`.
pub struct WeightsFolder(TempDir);

impl WeightsFolder {
    /// Nothing yet.
    pub fn empty() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// The checkpoint with [`TERMS`].
    pub fn new() -> Self {
        let folder = Self::empty();
        for entry in fs::read_dir(tree::golden("tiny-a")).unwrap() {
            let entry = entry.unwrap();
            folder.write(
                entry.file_name().to_str().unwrap(),
                &fs::read(entry.path()).unwrap(),
            );
        }
        folder.write("LICENSE", TERMS.as_bytes());
        folder
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.file(name), bytes).unwrap();
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.file(name)).unwrap();
    }
}
