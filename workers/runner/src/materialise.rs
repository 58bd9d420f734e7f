//! From a revision's digest to a folder that the engine can load.
//!
//! ```text
//! DIR/<revision>/            complete: exactly the manifest's files
//! DIR/<revision>.partial/    being filled; one that a killed process left is gone on with
//! DIR/<revision>.lock        held while filling or checking, so that workers of one machine share the folder
//! ```
//!
//! Before files are fetched, room is made for them: see [`ModelsFolder`].

use crate::{
    fault,
    models_folder::{ModelsFolder, mark_used, of_disk},
    seal::{Seal, Sealed},
};
use domain::{
    digest::Sha256,
    model::{Artifact, artifacts_digest},
    order::Fault,
};
use exchange::{
    blobs::{self, Blobs},
    manifest::{self, Manifest, ManifestFile},
};
use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

/// How long to leave a folder alone that another worker is filling.
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// The folder of `revision` below `models`, with every file hashed where it lies and found to be the manifest's.
///
/// Files that are there and whole are kept, others are fetched, and files that the manifest does not list are
/// removed: the engine finds nothing that the revision does not name.
pub(crate) async fn materialise(
    models: &ModelsFolder,
    blobs: &dyn Blobs,
    revision: Sha256,
) -> Result<Sealed, Fault> {
    let manifest = read_manifest(blobs, revision).await?;
    let (complete, partial) = (models.whole(revision), models.partial(revision));
    let lock = lock(models, revision).await?;
    mark_used(&lock).map_err(of_disk)?;
    let in_use = models.use_of(revision)?;
    let is_complete = complete.is_dir();
    if !is_complete {
        let bytes = manifest.files().iter().map(|file| file.bytes).sum();
        let models = models.clone();
        let making_room = tokio::task::spawn_blocking(move || models.make_room(revision, bytes));
        making_room.await.map_err(|_| fault::of_panic())??;
    }
    let folder = if is_complete { &complete } else { &partial };
    let (mut artifacts, mut seals) = (Vec::new(), Vec::new());
    for file in manifest.files() {
        let (artifact, seal) = place(folder, blobs, file, revision).await?;
        artifacts.push(artifact);
        seals.push(seal);
    }
    let listed = manifest
        .files()
        .iter()
        .map(|file| folder.join(&file.path))
        .collect::<Vec<_>>();
    remove_strays(folder, &listed).map_err(of_disk)?;
    if !is_complete {
        fs::rename(&partial, &complete)
            .and_then(|()| File::open(&models.path)?.sync_all())
            .map_err(of_disk)?;
    }
    Ok(Sealed {
        folder: complete,
        artifacts_sha256: artifacts_digest(&artifacts),
        artifacts,
        seals,
        in_use,
    })
}

async fn read_manifest(blobs: &dyn Blobs, revision: Sha256) -> Result<Manifest, Fault> {
    let what = format!("the manifest of revision {revision}");
    let bytes = blobs::read(blobs, revision, manifest::MOST_BYTES).await;
    let bytes = bytes.map_err(|error| fault::of_artifact(&what, &error))?;
    Manifest::from_bytes(&bytes).map_err(|error| fault::lasting("model_unusable", format!("{what}: {error}")))
}

/// A lock that ends with the process at the latest. Asked for again and again rather than waited for on a thread,
/// so that a worker that shall leave is not kept by another one's long fetch.
async fn lock(models: &ModelsFolder, revision: Sha256) -> Result<File, Fault> {
    let lock = models.lock_file(&revision.to_string()).map_err(of_disk)?;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_PAUSE).await,
            Err(TryLockError::Error(error)) => return Err(of_disk(error)),
        }
    }
}

/// Hashes what lies in the file's place. If that is not the file, it is fetched, and hashed again where it came to lie:
/// what the engine reads later is what was hashed here.
async fn place(
    folder: &Path,
    blobs: &dyn Blobs,
    file: &ManifestFile,
    revision: Sha256,
) -> Result<(Artifact, Seal), Fault> {
    let to = folder.join(&file.path);
    if let Some(found) = sealed(&to, file).await? {
        return Ok(found);
    }
    let what = format!("artifact {} of revision {revision}", file.path);
    blobs
        .fetch(file.sha256, &to)
        .await
        .map_err(|error| fault::of_artifact(&what, &error))?;
    let found = sealed(&to, file).await?;
    found.ok_or_else(|| fault::of_changing_model(&to))
}

/// The file at `there` with its seal, if it is the expected one.
async fn sealed(there: &Path, expected: &ManifestFile) -> Result<Option<(Artifact, Seal)>, Fault> {
    let (there, path) = (there.to_owned(), expected.path.clone());
    let bytes = expected.bytes;
    let found = off_thread(move || match fs::metadata(&there) {
        // It need not be read to be known for another.
        Ok(now) if now.len() != bytes => Ok(None),
        _ => Seal::put_on(&there, &path),
    });
    let found = found.await?;
    let is_expected = |(artifact, _): &(Artifact, Seal)| {
        (artifact.sha256, artifact.bytes) == (expected.sha256, expected.bytes)
    };
    Ok(found.filter(is_expected))
}

/// Removes every file below `folder` that is not `listed`.
fn remove_strays(folder: &Path, listed: &[PathBuf]) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            remove_strays(&path, listed)?;
        } else if !listed.contains(&path) {
            tracing::warn!(path = %path.display(), "removing a file that the revision does not list");
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Does something slow with the filesystem on a thread that may wait for it.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Fault> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|stopped| Err(io::Error::other(stopped)))
        .map_err(of_disk)
}

#[cfg(test)]
mod tests {
    use super::*;
    use exchange::blobs::{local::LocalBlobs, one_piece};
    use tempfile::TempDir;

    struct Shelf {
        folder: TempDir,
        blobs: LocalBlobs,
        revision: Sha256,
    }

    impl Shelf {
        /// A store with a revision of two small files.
        async fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let blobs = LocalBlobs::open(folder.path().join("blobs")).unwrap();
            let mut files = Vec::new();
            for path in ["config.json", "parts/weights"] {
                let stored = blobs.put(one_piece(path), 99).await.unwrap();
                files.push(ManifestFile {
                    path: path.into(),
                    sha256: stored.sha256,
                    bytes: stored.bytes,
                });
            }
            let manifest = Manifest::new(files).unwrap();
            let revision = blobs
                .put(one_piece(manifest.to_bytes()), 9999)
                .await
                .unwrap()
                .sha256;
            assert_eq!(revision, manifest.sha256());
            Self {
                folder,
                blobs,
                revision,
            }
        }

        fn models(&self) -> PathBuf {
            self.folder.path().join("models")
        }

        /// The folder, with room for so many bytes.
        fn with_room(&self, most_bytes: u64) -> ModelsFolder {
            let path = self.models();
            ModelsFolder { path, most_bytes }
        }

        async fn materialise(&self) -> Result<PathBuf, Fault> {
            let sealed = materialise(&self.with_room(1000), &self.blobs, self.revision).await?;
            assert_eq!(sealed.broken(), None);
            Ok(sealed.folder)
        }

        /// Replaces a file of the complete folder, as no honest process does.
        fn tamper(&self, path: &str, bytes: &str) {
            let file = self.models().join(self.revision.to_string()).join(path);
            let _ = fs::remove_file(&file);
            fs::write(file, bytes).unwrap();
        }
    }

    #[tokio::test]
    async fn a_revision_becomes_a_folder_of_exactly_its_files() {
        let shelf = Shelf::new().await;
        let folder = shelf.materialise().await.unwrap();
        assert_eq!(folder, shelf.models().join(shelf.revision.to_string()));
        assert_eq!(fs::read(folder.join("config.json")).unwrap(), b"config.json");
        assert_eq!(fs::read(folder.join("parts/weights")).unwrap(), b"parts/weights");
        assert!(
            !shelf
                .models()
                .join(format!("{}.partial", shelf.revision))
                .exists()
        );
    }

    #[tokio::test]
    async fn a_revision_that_does_not_fit_is_not_fetched() {
        let shelf = Shelf::new().await;
        let bytes = ("config.json".len() + "parts/weights".len()) as u64;
        let fault = materialise(&shelf.with_room(bytes - 1), &shelf.blobs, shelf.revision).await;
        assert_eq!(fault.err().unwrap().code, "models_folder_full");
        assert!(
            !shelf
                .models()
                .join(format!("{}.partial", shelf.revision))
                .exists()
        );
        materialise(&shelf.with_room(bytes), &shelf.blobs, shelf.revision)
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn a_folder_that_was_tampered_with_is_mended() {
        let shelf = Shelf::new().await;
        let folder = shelf.materialise().await.unwrap();
        shelf.tamper("config.json", "configxjson");
        shelf.tamper("parts/weights", "short");
        shelf.tamper("generation_config.json", "planted");
        assert_eq!(shelf.materialise().await.unwrap(), folder);
        assert_eq!(fs::read(folder.join("config.json")).unwrap(), b"config.json");
        assert_eq!(fs::read(folder.join("parts/weights")).unwrap(), b"parts/weights");
        assert!(!folder.join("generation_config.json").exists());
    }

    #[tokio::test]
    async fn a_damaged_artifact_is_named_and_the_folder_never_complete() {
        let shelf = Shelf::new().await;
        let name = Sha256::of(b"parts/weights").to_string();
        let blob = shelf
            .folder
            .path()
            .join("blobs/sha256")
            .join(&name[..2])
            .join(&name);
        fs::remove_file(&blob).unwrap();
        fs::write(&blob, "parts/weightz").unwrap();
        let fault = shelf.materialise().await.unwrap_err();
        assert_eq!((fault.code.as_str(), fault.may_pass), ("model_unusable", false));
        assert!(
            fault.message.contains("artifact parts/weights of revision"),
            "{}",
            fault.message
        );
        assert!(!shelf.models().join(shelf.revision.to_string()).exists());
        fs::remove_file(&blob).unwrap();
        shelf.blobs.put(one_piece("parts/weights"), 99).await.unwrap();
        shelf.materialise().await.unwrap();
    }

    #[tokio::test]
    async fn the_artifacts_are_told_from_the_bytes_that_lie_there() {
        let shelf = Shelf::new().await;
        let sealed = materialise(&shelf.with_room(1000), &shelf.blobs, shelf.revision)
            .await
            .unwrap();
        let expected = ["config.json", "parts/weights"].map(|path| Artifact {
            path: path.into(),
            sha256: Sha256::of(path.as_bytes()),
            bytes: path.len() as u64,
        });
        assert_eq!(sealed.artifacts, expected);
        shelf.tamper("parts/weights", "parts/weightz");
        assert_eq!(sealed.broken(), Some(sealed.folder.join("parts/weights")));
    }

    #[tokio::test]
    async fn two_at_once_share_one_folder() {
        let shelf = Shelf::new().await;
        let (one, other) = tokio::join!(shelf.materialise(), shelf.materialise());
        assert_eq!(one.unwrap(), other.unwrap());
    }

    #[tokio::test]
    async fn a_blob_that_is_no_manifest_is_no_revision() {
        let shelf = Shelf::new().await;
        let other = shelf.blobs.put(one_piece("{}"), 99).await.unwrap().sha256;
        let fault = materialise(&shelf.with_room(1000), &shelf.blobs, other)
            .await
            .err()
            .unwrap();
        assert_eq!(fault.code, "model_unusable");
        let absent = materialise(&shelf.with_room(1000), &shelf.blobs, Sha256::of(b"absent"))
            .await
            .err()
            .unwrap();
        assert_eq!((absent.code.as_str(), absent.may_pass), ("model_unusable", false));
    }
}
