//! Files go into the blobs, each hashed once, with a progress bar on a terminal.

use super::{
    journal::Journal,
    layout::{FoundFile, changed},
};
use anyhow::Context as _;
use domain::{digest::Sha256, model::Artifact};
use exchange::blobs::{BlobError, Blobs};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sha2::Digest as _;
use tokio::{fs::File, io::AsyncReadExt as _};
use tokio_util::io::{InspectReader, ReaderStream};

/// How many bytes are read at once.
const PIECE: usize = 1024 * 1024;

/// An import's way into the blobs.
pub struct Storing<'a> {
    blobs: &'a dyn Blobs,
    journal: Journal,
    /// Files of the model's other revisions.
    known: Vec<Artifact>,
    bar: ProgressBar,
    copied_bytes: u64,
}

impl<'a> Storing<'a> {
    /// Nothing is stored yet.
    pub fn new(blobs: &'a dyn Blobs, journal: Journal, known: Vec<Artifact>, total_bytes: u64) -> Self {
        let bar = bar(total_bytes);
        Self {
            blobs,
            journal,
            known,
            bar,
            copied_bytes: 0,
        }
    }

    /// Stores every file that is not stored yet.
    pub async fn store_all(&mut self, files: &[FoundFile]) -> anyhow::Result<Vec<Artifact>> {
        let mut artifacts = Vec::with_capacity(files.len());
        for file in files {
            self.bar.set_message(file.name.clone());
            let stored = self.store(file).await;
            let sha256 = stored.with_context(|| format!("{} could not be stored", file.path.display()))?;
            artifacts.push(Artifact {
                path: file.name.clone(),
                sha256,
                bytes: file.state.bytes,
            });
        }
        self.bar.finish_and_clear();
        Ok(artifacts)
    }

    async fn store(&mut self, file: &FoundFile) -> anyhow::Result<Sha256> {
        if let Some(sha256) = self.journal.stored(file)
            && self.is_there(sha256, file).await?
        {
            self.bar.inc(file.state.bytes);
            return Ok(sha256);
        }
        if let Some(sha256) = self.unchanged_since_another_revision(file).await? {
            return Ok(sha256);
        }
        let sha256 = self.copy(file).await?;
        self.journal.note(file, sha256)?;
        self.copied_bytes += file.state.bytes;
        Ok(sha256)
    }

    async fn is_there(&self, sha256: Sha256, file: &FoundFile) -> Result<bool, BlobError> {
        Ok(self.blobs.size(sha256).await? == Some(file.state.bytes))
    }

    /// Where another revision has a file of that name and size, it is likely the same: reading it tells, and
    /// spares the copy.
    async fn unchanged_since_another_revision(&self, file: &FoundFile) -> anyhow::Result<Option<Sha256>> {
        let alike = |known: &&Artifact| known.path == file.name && known.bytes == file.state.bytes;
        if !self.known.iter().any(|known| alike(&known)) {
            return Ok(None);
        }
        let before = self.bar.position();
        let sha256 = hash(file, &self.bar).await?;
        let same = self
            .known
            .iter()
            .filter(alike)
            .any(|known| known.sha256 == sha256);
        if same && self.is_there(sha256, file).await? {
            return Ok(Some(sha256));
        }
        self.bar.set_position(before);
        Ok(None)
    }

    async fn copy(&self, file: &FoundFile) -> anyhow::Result<Sha256> {
        let bar = self.bar.clone();
        let source = InspectReader::new(File::open(&file.path).await?, move |piece| {
            bar.inc(piece.len() as u64)
        });
        let stream = Box::pin(ReaderStream::with_capacity(source, PIECE));
        match self.blobs.put(stream, file.state.bytes).await {
            Ok(stored) if stored.bytes == file.state.bytes => Ok(stored.sha256),
            Ok(_) | Err(BlobError::TooLarge { .. }) => Err(changed(&file.path).into()),
            Err(error) => Err(error.into()),
        }
    }

    /// Ends a complete import; tells how many bytes had to be copied.
    pub fn finish(self) -> u64 {
        self.journal.remove();
        self.copied_bytes
    }
}

/// A bar on a terminal; it draws nothing if standard error is none.
pub fn bar(total_bytes: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total_bytes), ProgressDrawTarget::stderr());
    if let Ok(style) =
        ProgressStyle::with_template("{msg:.bold} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}")
    {
        bar.set_style(style);
    }
    bar
}

/// The digest of a file, which `bar` counts.
pub async fn hash(file: &FoundFile, bar: &ProgressBar) -> anyhow::Result<Sha256> {
    let mut source = File::open(&file.path).await?;
    let (mut hasher, mut piece) = (sha2::Sha256::new(), vec![0; PIECE]);
    loop {
        let read = source.read(&mut piece).await?;
        if read == 0 {
            return Ok(Sha256::from_bytes(hasher.finalize().into()));
        }
        hasher.update(&piece[..read]);
        bar.inc(read as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::layout::FileState;
    use exchange::blobs::local::LocalBlobs;
    use std::path::Path;

    fn file(folder: &Path, name: &str, content: &[u8]) -> FoundFile {
        std::fs::write(folder.join(name), content).unwrap();
        let state = FileState {
            bytes: content.len() as u64,
            modified_ns: 1,
            inode: 1,
        };
        FoundFile {
            name: name.into(),
            path: folder.join(name),
            state,
        }
    }

    fn storing<'a>(blobs: &'a LocalBlobs, folder: &Path, known: Vec<Artifact>) -> Storing<'a> {
        let journal = Journal::open(&folder.join("imports"), Path::new("/weights")).unwrap();
        Storing::new(blobs, journal, known, 0)
    }

    #[tokio::test]
    async fn an_import_that_stopped_half_way_copies_only_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = LocalBlobs::open(folder.path().join("blobs")).unwrap();
        let files = [
            file(folder.path(), "a", b"first"),
            file(folder.path(), "b", b"second"),
        ];
        storing(&blobs, folder.path(), vec![])
            .store_all(&files[..1])
            .await
            .unwrap();
        let mut again = storing(&blobs, folder.path(), vec![]);
        let artifacts = again.store_all(&files).await.unwrap();
        let digests: Vec<_> = artifacts.iter().map(|one| one.sha256).collect();
        assert_eq!(digests, [Sha256::of(b"first"), Sha256::of(b"second")]);
        assert_eq!(again.finish(), 6);
    }

    #[tokio::test]
    async fn a_journal_is_not_believed_when_the_blob_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = LocalBlobs::open(folder.path().join("blobs")).unwrap();
        let files = [file(folder.path(), "a", b"first")];
        let stored = storing(&blobs, folder.path(), vec![])
            .store_all(&files)
            .await
            .unwrap();
        blobs.delete(stored[0].sha256).await.unwrap();
        let mut again = storing(&blobs, folder.path(), vec![]);
        again.store_all(&files).await.unwrap();
        assert_eq!(blobs.size(stored[0].sha256).await.unwrap(), Some(5));
        assert_eq!(again.finish(), 5);
    }

    #[tokio::test]
    async fn a_file_of_the_size_of_another_revisions_is_read_and_copied_only_if_it_differs() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = LocalBlobs::open(folder.path().join("blobs")).unwrap();
        let old = [
            file(folder.path(), "a", b"first"),
            file(folder.path(), "b", b"same"),
        ];
        let mut first = storing(&blobs, folder.path(), vec![]);
        let known = first.store_all(&old).await.unwrap();
        first.finish();
        let new = [
            file(folder.path(), "a", b"other"),
            file(folder.path(), "b", b"same"),
        ];
        let mut second = storing(&blobs, folder.path(), known);
        let artifacts = second.store_all(&new).await.unwrap();
        let digests: Vec<_> = artifacts.iter().map(|one| one.sha256).collect();
        assert_eq!(digests, [Sha256::of(b"other"), Sha256::of(b"same")]);
        assert_eq!(second.finish(), 5);
    }

    #[tokio::test]
    async fn a_file_that_grew_or_shrank_meanwhile_stops_the_import() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = LocalBlobs::open(folder.path().join("blobs")).unwrap();
        for content in [b"longer than it was".as_slice(), b"less"] {
            let seen = file(folder.path(), "a", b"as it was");
            std::fs::write(&seen.path, content).unwrap();
            let error = storing(&blobs, folder.path(), vec![])
                .store_all(&[seen])
                .await
                .unwrap_err();
            assert!(format!("{error:#}").contains("changed"), "{error:#}");
        }
    }
}
