//! Looks at files as an import does, for a hub that was sent them.

use crate::import::layout::Layout;
use anyhow::Context as _;
use async_trait::async_trait;
use hub::checkpoints::{Checkpoint, Checkpoints};
use std::{fs, path::Path};
use tokio::task::spawn_blocking;

/// See the module's text.
pub struct EngineCheckpoints;

#[async_trait]
impl Checkpoints for EngineCheckpoints {
    async fn look(&self, folder: &Path) -> anyhow::Result<Result<Checkpoint, String>> {
        let folder = folder.canonicalize().context("the scratch folder")?;
        let looked = spawn_blocking(move || match Layout::inspect(&folder) {
            Ok(layout) => checkpoint(&layout).map(Ok),
            // Where files lie in the hub is nothing that helps who sent them.
            Err(misuse) => Ok(Err(misuse.0.replace(&format!("{}/", folder.display()), ""))),
        });
        match looked.await {
            Ok(looked) => looked,
            Err(error) if error.is_panic() => Ok(Err("the files cannot be read as a checkpoint".into())),
            Err(error) => Err(error.into()),
        }
    }
}

fn checkpoint(layout: &Layout) -> anyhow::Result<Checkpoint> {
    let (mut files, mut texts) = (Vec::new(), Vec::new());
    for file in &layout.files {
        match file.path.starts_with(&layout.folder) {
            true => files.push(file.name.clone()),
            false => texts.push((file.name.clone(), fs::read(&file.path)?)),
        }
    }
    Ok(Checkpoint {
        files,
        texts,
        need: layout.need,
        terms: layout.terms.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    /// The golden checkpoint, of whose weights nothing is there but as many bytes as their headers have.
    fn fronts() -> tempfile::TempDir {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../workers/engine/tests/golden/tiny-a");
        let folder = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(golden).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let (mut bytes, to) = (fs::read(entry.path()).unwrap(), folder.path().join(&name));
            let whole = bytes.len() as u64;
            if name.ends_with(".safetensors") {
                let header = u64::from_le_bytes(bytes[..8].try_into().unwrap());
                bytes.truncate(8 + usize::try_from(header).unwrap());
            }
            fs::write(&to, bytes).unwrap();
            File::options()
                .write(true)
                .open(to)
                .unwrap()
                .set_len(whole)
                .unwrap();
        }
        folder
    }

    #[tokio::test]
    async fn headers_of_weights_are_enough_to_know_a_checkpoint() {
        let folder = fronts();
        let found = EngineCheckpoints.look(folder.path()).await.unwrap().unwrap();
        assert!(found.files.contains(&"config.json".to_owned()) && found.texts.is_empty());
        assert!(found.need.values > 0);
    }

    #[tokio::test]
    async fn what_is_wrong_is_said_without_the_hubs_folders() {
        let folder = fronts();
        fs::remove_file(folder.path().join("config.json")).unwrap();
        let why = EngineCheckpoints.look(folder.path()).await.unwrap().unwrap_err();
        assert!(why.contains("config.json"), "{why}");
        assert!(!why.contains(folder.path().to_str().unwrap()), "{why}");
    }
}
