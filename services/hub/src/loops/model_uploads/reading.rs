//! The files of an upload: read, laid out with their beginnings, and kept.

use crate::checkpoints::Checkpoint;
use anyhow::Context as _;
use domain::{digest::Sha256, model::Artifact};
use exchange::blobs::{BlobError, Blobs, Stored, in_parts::TakesParts, one_piece};
use futures_util::StreamExt as _;
use records::model_uploads::UploadFile;
use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};
use tokio::{fs::File, io::AsyncWriteExt as _};

/// How much of a file is laid out: more than the header of any checkpoint has.
const FRONT: u64 = 128 << 20;

/// The states in which files were read, by their digests.
pub(super) type States = HashMap<Sha256, String>;

/// Files that the revision has beside those that were put, with their names: its weights hold them within.
pub(super) type Within = Vec<(String, Vec<u8>)>;

/// What is read from where, and where it is laid out.
pub(super) struct Reading<'a> {
    pub(super) blobs: &'a dyn Blobs,
    pub(super) taking: &'a dyn TakesParts,
    pub(super) place: String,
    pub(super) folder: &'a Path,
}

impl Reading<'_> {
    /// Reads all that was put, and lays it out with the files that are not asked for. The inner error: something is not what
    /// was declared.
    pub(super) async fn read_all(&self, files: &[UploadFile]) -> anyhow::Result<Result<States, String>> {
        let mut states = States::new();
        for file in files {
            let to = self.folder.join(&file.artifact.path);
            if file.part_bytes.is_none() {
                let about = || format!("the blob of {}", file.artifact.path);
                self.lay_out(&file.artifact, &to).await.with_context(about)?;
                continue;
            }
            match self.taking.read(&self.place, stored(file), &to, FRONT).await {
                Ok(state) => states.insert(file.artifact.sha256, state),
                Err(BlobError::Damaged(_)) => {
                    return Ok(Err(format!(
                        "{}: what was put has another size or digest than was declared",
                        file.artifact.path
                    )));
                }
                Err(BlobError::Absent(_)) => {
                    return Ok(Err(format!(
                        "{}: what was put is gone from the bucket",
                        file.artifact.path
                    )));
                }
                Err(error) => return Err(error).with_context(|| file.artifact.path.clone()),
            };
        }
        Ok(Ok(states))
    }

    /// The beginning of a blob, as long as the whole.
    async fn lay_out(&self, file: &Artifact, to: &Path) -> anyhow::Result<()> {
        let (mut pieces, mut left) = (self.blobs.get(file.sha256).await?, FRONT);
        let mut written = File::create(to).await?;
        while let Some(piece) = pieces.next().await {
            let piece = piece?;
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
            written.write_all(&piece[..wanted]).await?;
            left -= wanted as u64;
            if left == 0 {
                break;
            }
        }
        written.flush().await?;
        written.set_len(file.bytes).await?;
        Ok(())
    }

    /// Makes blobs of all that was read, and of what lies within it.
    pub(super) async fn keep_all(
        &self,
        files: &[UploadFile],
        states: &States,
        within: Within,
    ) -> anyhow::Result<()> {
        for file in files {
            if let Some(state) = states.get(&file.artifact.sha256) {
                let kept = self.taking.keep(&self.place, stored(file), state).await;
                kept.with_context(|| format!("{} could not be kept", file.artifact.path))?;
            }
        }
        for (name, text) in within {
            let limit = text.len() as u64;
            let kept = self.blobs.put(one_piece(text), limit).await;
            kept.with_context(|| format!("{name} could not be kept"))?;
        }
        Ok(())
    }
}

fn stored(file: &UploadFile) -> Stored {
    Stored {
        sha256: file.artifact.sha256,
        bytes: file.artifact.bytes,
    }
}

/// The artifacts of the revision, and those of them that lie within its weights. The error: something was put that is no
/// part of a checkpoint.
pub(super) fn agreed(
    files: &[UploadFile],
    checkpoint: &Checkpoint,
) -> Result<(Vec<Artifact>, Within), String> {
    let mut put: BTreeMap<&str, &Artifact> = files
        .iter()
        .map(|file| (file.artifact.path.as_str(), &file.artifact))
        .collect();
    let mut artifacts = Vec::new();
    for name in &checkpoint.files {
        artifacts.extend(put.remove(name.as_str()).cloned());
    }
    for (name, text) in &checkpoint.texts {
        let (sha256, bytes) = (Sha256::of(text), text.len() as u64);
        if put.remove(name.as_str()).is_some_and(|put| put.sha256 != sha256) {
            return Err(format!(
                "{name} is not the one that the weights hold within: leave it out"
            ));
        }
        artifacts.push(Artifact {
            path: name.clone(),
            sha256,
            bytes,
        });
    }
    if !put.is_empty() {
        let names: Vec<&str> = put.into_keys().collect();
        return Err(format!(
            "no part of a model: {}; leave them out",
            names.join(", ")
        ));
    }
    artifacts.sort_by(|one, other| one.path.cmp(&other.path));
    Ok((artifacts, checkpoint.texts.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::hardware::Need;

    fn file(path: &str, content: &[u8]) -> UploadFile {
        UploadFile {
            artifact: Artifact {
                path: path.into(),
                sha256: Sha256::of(content),
                bytes: content.len() as u64,
            },
            part_bytes: Some(5 << 20),
            parts_id: None,
            joined_at: None,
        }
    }

    fn checkpoint(files: &[&str]) -> Checkpoint {
        Checkpoint {
            files: files.iter().map(|name| (*name).to_owned()).collect(),
            texts: vec![("config.json".into(), b"{}".to_vec())],
            need: Need {
                values: 1,
                working_bytes: 1,
            },
            terms: None,
        }
    }

    #[test]
    fn texts_within_weights_are_files_of_the_revision_whether_or_not_they_were_put() {
        let weights = file("a.gguf", b"weights");
        let found = checkpoint(&["a.gguf"]);
        for put in [
            vec![weights.clone()],
            vec![file("config.json", b"{}"), weights.clone()],
        ] {
            let (artifacts, within) = agreed(&put, &found).unwrap();
            let paths: Vec<&str> = artifacts.iter().map(|one| one.path.as_str()).collect();
            assert_eq!(paths, ["a.gguf", "config.json"]);
            assert_eq!(within, found.texts);
        }
        let other = agreed(&[file("config.json", b"{ }"), weights], &found).unwrap_err();
        assert!(other.contains("config.json"), "{other}");
    }

    #[test]
    fn what_is_no_part_of_a_checkpoint_is_refused() {
        let put = [file("a.gguf", b"weights"), file("run.sh", b"#!")];
        let why = agreed(&put, &checkpoint(&["a.gguf"])).unwrap_err();
        assert!(why.contains("run.sh") && !why.contains("a.gguf"), "{why}");
    }
}
