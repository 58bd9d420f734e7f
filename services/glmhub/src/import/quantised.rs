//! A GGUF file that is imported: what of its folder goes along, and the texts that it holds.

use super::layout::{FoundFile, LICENSE, found};
use crate::misuse::Misuse;
use domain::digest::Sha256;
use engine::{gguf::header_of, quantise::is_synthetic, texts};
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// What goes along with a GGUF file from its folder.
const BESIDE: [&str; 2] = [LICENSE, "README.md"];

/// The one GGUF file of a folder without safetensors; none, if there is none.
pub fn only_one(folder: &Path, names: &[String]) -> Result<Option<PathBuf>, Misuse> {
    let is_gguf = |name: &&String| name.ends_with(".gguf");
    match &names.iter().filter(is_gguf).collect::<Vec<_>>()[..] {
        [] => Ok(None),
        [name] => Ok(Some(folder.join(name))),
        [first, second, ..] => Err(Misuse(format!(
            "{} holds {first} and {second}, and a revision has one of them: give --from the file",
            folder.display()
        ))),
    }
}

/// The files of the revision: the GGUF file itself, what goes along, and its texts, which lie in a folder that has to
/// outlive the import. Programs that know no GGUF read the configuration there, and a hub counts tokens by it.
pub fn files(file: &Path, folder: &Path) -> Result<(Vec<FoundFile>, TempDir), Misuse> {
    if is_synthetic(file) {
        return Err(Misuse(format!(
            "the weights of {} are noise, made for measuring: no hub gives answers with them",
            file.display()
        )));
    }
    let name = file.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Misuse(format!("{}: the file's name is no text", file.display())))?;
    let mut files = vec![found(name, file)?];
    for name in BESIDE {
        let path = folder.join(name);
        if path.symlink_metadata().is_ok() {
            files.push(found(name, &path)?);
        }
    }
    let texts = written(file).map_err(|error| Misuse(format!("{}: {error}", file.display())))?;
    for entry in texts::NAMES {
        let path = texts.path().join(entry);
        if path.exists() {
            files.push(found(entry, &path)?);
        }
    }
    Ok((files, texts))
}

fn written(file: &Path) -> io::Result<TempDir> {
    let ((header, _), folder) = (header_of(file)?, tempfile::tempdir()?);
    for name in texts::NAMES {
        if let Some(text) = texts::held(&header, name) {
            fs::write(folder.path().join(name), text)?;
        }
    }
    Ok(folder)
}

/// Refuses to part weights from the terms that they came under: a file that tells their digest has their text beside it.
pub fn check_terms(file: &Path, terms: Option<&str>) -> Result<(), Misuse> {
    let header = header_of(file).map_err(|error| Misuse(format!("{}: {error}", file.display())))?;
    let Some(told) = header.0.text("glmhub.terms.sha256") else {
        return Ok(());
    };
    let beside = terms.map(|text| Sha256::of(text.as_bytes()).to_string());
    if beside.as_deref() == Some(told) {
        return Ok(());
    }
    Err(Misuse(format!(
        "{} was made from weights whose {LICENSE} has the digest {told}, and {}: put that very text beside the file",
        file.display(),
        match beside {
            Some(other) => format!("the one beside it has {other}"),
            None => "there is none beside it".to_owned(),
        }
    )))
}
