//! What an import that is under way has stored so far.
//!
//! One JSON line for each file. A line that was cut off by a crash is passed over: its file is stored again.

use super::layout::{FileState, FoundFile};
use anyhow::Context as _;
use domain::digest::Sha256;
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
};

#[derive(Serialize, Deserialize)]
struct Line {
    name: String,
    state: FileState,
    sha256: Sha256,
}

/// See the module's text.
pub struct Journal {
    path: PathBuf,
    file: File,
    known: HashMap<String, (FileState, Sha256)>,
}

impl Journal {
    /// The journal, below `journals`, of imports from `folder`.
    pub fn open(journals: &Path, folder: &Path) -> anyhow::Result<Self> {
        let name = Sha256::of(folder.as_os_str().as_encoded_bytes());
        let path = journals.join(format!("{name}.jsonl"));
        let about = || format!("the journal {}", path.display());
        fs::create_dir_all(journals).with_context(about)?;
        let text = if path.exists() {
            fs::read_to_string(&path).with_context(about)?
        } else {
            String::new()
        };
        let lines = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Line>(line).ok());
        let known = lines.map(|line| (line.name, (line.state, line.sha256))).collect();
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(about)?;
        if !text.is_empty() && !text.ends_with('\n') {
            // Ends the line that was cut off, so that the next one stands by itself.
            writeln!(file).with_context(about)?;
        }
        Ok(Self { path, file, known })
    }

    /// The digest under which `file` was stored, if it is in the same state still.
    pub fn stored(&self, file: &FoundFile) -> Option<Sha256> {
        let (state, sha256) = self.known.get(&file.name)?;
        (*state == file.state).then_some(*sha256)
    }

    /// Notes that `file` is stored.
    pub fn note(&mut self, file: &FoundFile, sha256: Sha256) -> anyhow::Result<()> {
        let line = serde_json::to_string(&Line {
            name: file.name.clone(),
            state: file.state,
            sha256,
        })?;
        writeln!(self.file, "{line}").with_context(|| format!("the journal {}", self.path.display()))
    }

    /// Forgets everything: the import is complete. A journal that stays behind only saves work.
    pub fn remove(self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, bytes: u64) -> FoundFile {
        let state = FileState {
            bytes,
            modified_ns: 7,
            inode: 9,
        };
        FoundFile {
            name: name.into(),
            path: name.into(),
            state,
        }
    }

    #[test]
    fn what_was_noted_is_known_after_a_crash_unless_the_file_changed() {
        let folder = tempfile::tempdir().unwrap();
        let (from, sha256) = (Path::new("/weights"), Sha256::of(b"a"));
        Journal::open(folder.path(), from)
            .unwrap()
            .note(&file("a", 1), sha256)
            .unwrap();
        let journal = Journal::open(folder.path(), from).unwrap();
        assert_eq!(journal.stored(&file("a", 1)), Some(sha256));
        assert_eq!(journal.stored(&file("a", 2)), None);
        assert_eq!(journal.stored(&file("b", 1)), None);
        assert_eq!(
            Journal::open(folder.path(), Path::new("/others"))
                .unwrap()
                .stored(&file("a", 1)),
            None
        );
        journal.remove();
        assert_eq!(
            Journal::open(folder.path(), from).unwrap().stored(&file("a", 1)),
            None
        );
    }

    #[test]
    fn a_line_that_was_cut_off_is_passed_over_and_spoils_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let from = Path::new("/weights");
        let mut journal = Journal::open(folder.path(), from).unwrap();
        journal.note(&file("a", 1), Sha256::of(b"a")).unwrap();
        write!(journal.file, "{{\"name\":\"b\",").unwrap();
        let mut journal = Journal::open(folder.path(), from).unwrap();
        journal.note(&file("c", 1), Sha256::of(b"c")).unwrap();
        let journal = Journal::open(folder.path(), from).unwrap();
        let known = ["a", "b", "c"].map(|name| journal.stored(&file(name, 1)).is_some());
        assert_eq!(known, [true, false, true]);
    }
}
