//! From paths on a command line to policy files as a hub names them.

use crate::misuse::Misuse;
use domain::policy::{PolicyFault, PolicyFile, shipped};
use hub::policy_folder::text;
use std::path::{Path, PathBuf};

/// A file that was named on the command line.
pub struct Given {
    /// As it was named.
    pub path: PathBuf,
    /// What it is.
    pub content: Content,
}

/// What a file is, by its extension and its folder.
pub enum Content {
    /// Rules or the facts of a license.
    Policy(PolicyFile),
    /// Cases: a TOML file in a folder named `cases`.
    Cases(String),
}

/// Reads the files at `paths`.
pub fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<Given>> {
    paths.iter().map(|path| given(path)).collect()
}

fn given(path: &Path) -> anyhow::Result<Given> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let absolute = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = absolute.parent().and_then(Path::file_name).unwrap_or_default();
    let text = text(path)?;
    let content = match path.extension().and_then(|extension| extension.to_str()) {
        Some("cedar") => Content::Policy(PolicyFile::new(format!("rules/{name}"), text)),
        Some("toml") if folder == "cases" => Content::Cases(text),
        Some("toml") => Content::Policy(PolicyFile::new(format!("licenses/{name}"), text)),
        _ => {
            return Err(Misuse(format!(
                "{} is no policy file: rules end with .cedar, licences and cases (in a folder `cases`) with .toml",
                path.display()
            ))
            .into());
        }
    };
    Ok(Given {
        path: path.to_owned(),
        content,
    })
}

/// The policies among `given` that are not compiled in anyway.
pub fn own(given: &[Given]) -> Vec<PolicyFile> {
    let policy = |given: &Given| match &given.content {
        Content::Policy(file) if shipped().all(|shipped| shipped != *file) => Some(file.clone()),
        _ => None,
    };
    given.iter().filter_map(policy).collect()
}

/// The fault under the path that its file was given by.
pub fn at_path(given: &[Given], fault: &PolicyFault) -> PolicyFault {
    let named = |given: &&Given| matches!(&given.content, Content::Policy(file) if file.name == fault.file);
    let path = given
        .iter()
        .find(named)
        .map(|given| given.path.display().to_string());
    PolicyFault {
        file: path.unwrap_or_else(|| fault.file.clone()),
        ..fault.clone()
    }
}
