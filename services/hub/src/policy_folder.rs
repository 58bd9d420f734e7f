//! An organisation's own policy files: a folder with `licenses/ID.toml` and `rules/NAME.cedar`.

use anyhow::{Context as _, bail};
use domain::policy::{Policies, PolicyFile};
use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

/// The folders below it whose files are policies.
const FOLDERS: [&str; 2] = ["licenses", "rules"];
/// The most bytes of a policy file.
const LONGEST_FILE: u64 = 1024 * 1024;

/// Where an organisation keeps its own policies. It need not exist.
#[derive(Debug, Clone)]
pub struct PolicyFolder(PathBuf);

impl PolicyFolder {
    /// The folder at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The files in it, by name. Hidden files and backups (`…~`) are passed over; whatever else lies there is taken,
    /// so that a rule under a wrong name is refused and not ignored.
    pub fn files(&self) -> anyhow::Result<Vec<PolicyFile>> {
        let mut files = Vec::new();
        for folder in FOLDERS {
            for path in listed(&self.0.join(folder))? {
                files.push(read(folder, &path)?);
            }
        }
        files.sort();
        Ok(files)
    }

    /// The policies that are compiled in together with those in the folder.
    pub fn policies(&self) -> anyhow::Result<Policies> {
        let about = || format!("the policies in {} cannot be put in force", self.0.display());
        Policies::with_own(self.files()?).with_context(about)
    }
}

/// The files of a folder; none if there is no folder.
pub fn listed(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let about = || format!("the folder {}", folder.display());
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(about)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.with_context(about)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_file() && !name.starts_with('.') && !name.ends_with('~') {
            found.push(path.clone());
        }
    }
    found.sort();
    Ok(found)
}

/// The text of a policy file.
pub fn text(path: &Path) -> anyhow::Result<String> {
    let about = || format!("the policy file {}", path.display());
    let bytes = fs::metadata(path).with_context(about)?.len();
    if bytes > LONGEST_FILE {
        bail!(
            "{} has {bytes} bytes; a policy file has at most {LONGEST_FILE}",
            path.display()
        );
    }
    fs::read_to_string(path).with_context(about)
}

fn read(folder: &str, path: &Path) -> anyhow::Result<PolicyFile> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(PolicyFile::new(format!("{folder}/{name}"), text(path)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_adds_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let folder = PolicyFolder::new(parent.path().join("policies"));
        assert_eq!(folder.files().unwrap(), []);
        assert_eq!(
            folder.policies().unwrap().sha256(),
            Policies::shipped().unwrap().sha256()
        );
    }

    #[test]
    fn a_rule_under_a_wrong_name_is_refused_and_backups_are_passed_over() {
        let parent = tempfile::tempdir().unwrap();
        let rules = parent.path().join("rules");
        fs::create_dir(&rules).unwrap();
        fs::write(rules.join("own.cedar~"), "old").unwrap();
        fs::write(rules.join(".hidden"), "x").unwrap();
        let folder = PolicyFolder::new(parent.path());
        assert_eq!(folder.files().unwrap(), []);
        fs::write(rules.join("own.ceder"), "permit;").unwrap();
        let error = format!("{:#}", folder.policies().unwrap_err());
        assert!(
            error.contains("rules/own.ceder:1:1: no policy file is named so"),
            "{error}"
        );
    }
}
