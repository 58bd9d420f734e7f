//! Blobs in a folder of this machine.
//!
//! ```text
//! DIR/sha256/ab/abcd…      one file per blob, named by its digest, read-only
//! DIR/drafts/open-…/       what an open store has not finished; removed with it
//! DIR/drafts/open-….lock   locked for as long as that store is open
//! ```
//!
//! A blob appears under its name by a rename, after its bytes were synced, so a name that can be seen has all its
//! bytes. What a killed process left in `drafts` is found by its lock, which the system let go when the process
//! ended: the next one to open the folder removes it. No age has to be guessed, and several processes may
//! have the same folder open (a hub, and an import beside it).

use super::{AT_ONCE, BlobError, Blobs, ByteStream, Settling, Stored, cut_short};
use async_trait::async_trait;
use domain::digest::Sha256;
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use sha2::Digest as _;
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Read as _, Seek as _, Write as _},
    ops::Range,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    slice,
    sync::Arc,
};
use tempfile::{NamedTempFile, TempPath};

mod drafts;
mod reading;
mod seals;
mod whole;
mod writing;

use drafts::Drafts;
use reading::Reading;
use seals::{Seal, Seals};
use whole::Whole;

/// How many bytes are hashed at once.
const PIECE: usize = 256 * 1024;

/// An unfinished file, and what is in it.
type Draft = (TempPath, Stored);

/// See the module's text. Cheap to clone.
#[derive(Clone)]
pub struct LocalBlobs(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    drafts: Drafts,
    seals: Seals,
}

impl LocalBlobs {
    /// Opens the store in `folder`, making it if need be, and removes what killed processes left unfinished.
    pub fn open(folder: impl Into<PathBuf>) -> io::Result<Self> {
        let folder = folder.into();
        fs::create_dir_all(folder.join("sha256"))?;
        let drafts = Drafts::open(folder.join("drafts"))?;
        sync_folder(&folder)?;
        Ok(Self(Arc::new(Inner {
            folder,
            drafts,
            seals: Seals::default(),
        })))
    }

    /// Does something with the filesystem on a thread that may wait for it.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, BlobError> + Send + 'static,
    ) -> Result<T, BlobError> {
        let inner = self.0.clone();
        match tokio::task::spawn_blocking(move || work(&inner)).await {
            Ok(done) => done,
            Err(stopped) => Err(BlobError::Io(io::Error::other(stopped))),
        }
    }

    /// As [`LocalBlobs::blocking`] for each of `things`, several at once. Gives the results in their order.
    async fn each<A: Send + 'static, T: Send + 'static>(
        &self,
        things: impl IntoIterator<Item = A, IntoIter: Send> + Send,
        work: fn(&Inner, A) -> Result<T, BlobError>,
    ) -> Result<Vec<T>, BlobError> {
        let begun = things
            .into_iter()
            .map(|thing| self.blocking(move |inner| work(inner, thing)));
        stream::iter(begun).buffered(AT_ONCE).try_collect().await
    }
}

impl Inner {
    fn path_of(&self, sha256: Sha256) -> PathBuf {
        let name = sha256.to_string();
        self.folder.join("sha256").join(&name[..2]).join(&name)
    }

    /// What a file is that is made now, by the clock of the filesystem.
    fn fresh(&self) -> io::Result<Seal> {
        Seal::of(self.drafts.file()?.as_file())
    }

    /// Makes a finished draft a blob.
    fn settle(&self, draft: NamedTempFile, stored: Stored) -> Result<(), BlobError> {
        draft.as_file().sync_all()?;
        // Also for a known blob: whoever renamed it may not have come to the folder yet.
        Ok(sync_folder(&self.name(draft.into_temp_path(), stored)?)?)
    }

    /// Gives a finished and synced draft its name. A blob that is there already stays, and the draft goes. Gives the
    /// folder of the name, which is not durable before that was synced.
    fn name(&self, draft: TempPath, stored: Stored) -> Result<PathBuf, BlobError> {
        let place = self.path_of(stored.sha256);
        let shard = place.parent().unwrap_or(&self.folder);
        let known = fs::metadata(&place).is_ok_and(|there| there.len() == stored.bytes);
        if !known {
            match draft.persist(&place) {
                // The first blob of its folder.
                Err(missing) if missing.error.kind() == io::ErrorKind::NotFound => {
                    fs::create_dir_all(shard)?;
                    sync_folder(&self.folder.join("sha256"))?;
                    missing.path.persist(&place).map_err(|error| error.error)?;
                }
                named => named.map_err(|error| error.error)?,
            }
        }
        Ok(shard.to_owned())
    }

    /// Copies of parts of a file. What is written is hashed, whatever somebody does to the original meanwhile.
    fn copy_in(&self, (file, parts): (PathBuf, Vec<Range<u64>>)) -> Result<Vec<Draft>, BlobError> {
        let original = File::open(&file)?;
        let copy = |part: Range<u64>| {
            let length = part.end.saturating_sub(part.start);
            (&original).seek(io::SeekFrom::Start(part.start))?;
            let mut draft = self.drafts.file()?;
            let stored = hash_each((&original).take(length), length, |piece| draft.write_all(piece))?;
            match stored.bytes == length {
                true => Ok((draft.into_temp_path(), stored)),
                false => Err(cut_short(&file)),
            }
        };
        parts.into_iter().map(copy).collect()
    }

    fn sync_drafts(&self, drafts: Vec<Draft>) -> Result<Vec<Draft>, BlobError> {
        for (draft, _) in &drafts {
            File::open(draft)?.sync_all()?;
        }
        Ok(drafts)
    }

    fn place_at(&self, sha256: Sha256, to: &Path) -> Result<(), BlobError> {
        let folder = to
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let blob = self.path_of(sha256);
        let draft = link_or_copy(&blob, folder).map_err(|error| absent_or_io(sha256, error))?;
        // The very file that takes its place is hashed, whatever happens to the blob meanwhile.
        if hash(File::open(&draft)?)?.sha256 != sha256 {
            return Err(BlobError::Damaged(sha256));
        }
        let leftover = draft.to_path_buf();
        draft.persist(to).map_err(|error| error.error)?;
        // A rename onto another link of the same file does nothing and leaves both names.
        Ok(gone(fs::remove_file(leftover))?)
    }

    fn remove(&self, sha256: Sha256) -> Result<(), BlobError> {
        let place = self.path_of(sha256);
        match fs::remove_file(&place) {
            Ok(()) => Ok(sync_folder(place.parent().unwrap_or(&self.folder))?),
            Err(error) => Ok(gone(Err(error))?),
        }
    }

    fn probe(&self) -> Result<(), BlobError> {
        let mut probe = self.drafts.file()?;
        probe.write_all(b"probe")?;
        probe.as_file().sync_all()?;
        Ok(probe.close()?)
    }
}

#[async_trait]
impl Blobs for LocalBlobs {
    async fn put(&self, stream: ByteStream, limit: u64) -> Result<Stored, BlobError> {
        let received = writing::receive(self, stream, limit).await?;
        let put = |inner: &Inner| {
            let (draft, stored) = received.draft(inner)?;
            inner.settle(draft, stored)?;
            Ok(stored)
        };
        self.blocking(put).await
    }

    async fn put_placed(
        &self,
        stream: ByteStream,
        limit: u64,
        copy: &Path,
    ) -> Result<(Stored, Settling), BlobError> {
        let (received, copy) = (writing::receive(self, stream, limit).await?, copy.to_owned());
        let placed = move |inner: &Inner| {
            let (draft, stored) = received.draft(inner)?;
            // It is the very file that was hashed, and changes no more.
            let link = link_or_copy(draft.path(), copy.parent().unwrap_or(Path::new(".")))?;
            link.persist(&copy).map_err(|error| error.error)?;
            Ok((draft, stored))
        };
        let (draft, stored) = self.blocking(placed).await?;
        let inner = self.0.clone();
        let settling = tokio::task::spawn_blocking(move || inner.settle(draft, stored));
        let settled = async { settling.await.map_err(io::Error::other)? };
        Ok((stored, settled.boxed()))
    }

    async fn put_file(&self, file: &Path) -> Result<Stored, BlobError> {
        let bytes = tokio::fs::metadata(file).await?.len();
        let stored = self.put_parts(file, slice::from_ref(&(0..bytes))).await?;
        let first = stored.first().copied();
        first.ok_or_else(|| io::Error::other("nothing was stored").into())
    }

    /// All parts together, step by step: what waits for the disk at the same moment waits for the same flush, and each
    /// folder is synced once. Several threads share them, since waking one takes as long as writing a small part.
    async fn put_parts(&self, file: &Path, parts: &[Range<u64>]) -> Result<Vec<Stored>, BlobError> {
        let share = parts.len().div_ceil(AT_ONCE).max(1);
        let shares: Vec<_> = parts
            .chunks(share)
            .map(|parts| (file.to_owned(), parts.to_vec()))
            .collect();
        let drafts = self.each(shares, Inner::copy_in).await?;
        let drafts: Vec<Draft> = self
            .each(drafts, Inner::sync_drafts)
            .await?
            .into_iter()
            .flatten()
            .collect();
        let stored = drafts.iter().map(|(_, stored)| *stored).collect();
        let name_all = |inner: &Inner| {
            let folders = drafts
                .into_iter()
                .map(|(draft, stored)| inner.name(draft, stored));
            folders.collect::<Result<BTreeSet<PathBuf>, BlobError>>()
        };
        let folders = self.blocking(name_all).await?;
        self.each(folders, |_, folder| Ok(sync_folder(&folder)?)).await?;
        Ok(stored)
    }

    async fn get_part(&self, sha256: Sha256, part: Range<u64>) -> Result<ByteStream, BlobError> {
        let open = move |inner: &Inner| {
            File::open(inner.path_of(sha256)).map_err(|error| absent_or_io(sha256, error))
        };
        let file = match reading::open_at_once(&self.0.path_of(sha256)) {
            Some(file) => file,
            None => self.blocking(open).await?,
        };
        Ok(Reading::of(file.into(), part).stream())
    }

    async fn get_whole(&self, sha256: Sha256) -> Result<ByteStream, BlobError> {
        let store = self.0.clone();
        let whole = self.blocking(move |_| Whole::open(store, sha256));
        Ok(whole.await?.stream())
    }

    async fn size(&self, sha256: Sha256) -> Result<Option<u64>, BlobError> {
        match tokio::fs::metadata(self.0.path_of(sha256)).await {
            Ok(there) => Ok(Some(there.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn fetch(&self, sha256: Sha256, to: &Path) -> Result<(), BlobError> {
        let to = to.to_owned();
        self.blocking(move |inner| inner.place_at(sha256, &to)).await
    }

    async fn delete(&self, sha256: Sha256) -> Result<(), BlobError> {
        self.blocking(move |inner| inner.remove(sha256)).await
    }

    /// What a process has begun goes with its folder of drafts, when the next one takes it.
    async fn give_up_unfinished(&self, _before: time::OffsetDateTime) -> Result<usize, BlobError> {
        Ok(0)
    }

    async fn ping(&self) -> Result<(), BlobError> {
        self.blocking(Inner::probe).await
    }
}

fn absent_or_io(sha256: Sha256, error: io::Error) -> BlobError {
    if error.kind() == io::ErrorKind::NotFound {
        BlobError::Absent(sha256)
    } else {
        error.into()
    }
}

/// A removal that found nothing to remove has done its work.
fn gone(removal: io::Result<()>) -> io::Result<()> {
    match removal {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

pub(super) fn hash(file: File) -> io::Result<Stored> {
    let length = file.metadata()?.len();
    hash_each(file, length, |_| Ok(()))
}

/// Hashes what `source` gives, about `length` bytes, and has each piece done with.
fn hash_each(
    mut source: impl io::Read,
    length: u64,
    mut each: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<Stored> {
    let (mut hasher, mut bytes) = (sha2::Sha256::new(), 0u64);
    // A byte more than a small file has, so that its end is seen by the second read.
    let room = usize::try_from(length).map_or(PIECE, |length| length.saturating_add(1).min(PIECE));
    let mut piece = vec![0; room];
    loop {
        let read = match source.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let piece = &piece[..read];
        hasher.update(piece);
        bytes += read as u64;
        each(piece)?;
    }
    Ok(Stored {
        sha256: Sha256::from_bytes(hasher.finalize().into()),
        bytes,
    })
}

/// A second name for `blob` in `folder`, or a synced copy where the filesystem gives none (another disk).
fn link_or_copy(blob: &Path, folder: &Path) -> io::Result<TempPath> {
    let mut naming = tempfile::Builder::new();
    naming.prefix(".fetch-");
    match naming.make_in(folder, |path| fs::hard_link(blob, path)) {
        Ok(link) => Ok(link.into_temp_path()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(error),
        Err(_) => {
            let copy = naming
                .make_in(folder, |path| fs::copy(blob, path).map(drop))?
                .into_temp_path();
            File::open(&copy)?.sync_all()?;
            Ok(copy)
        }
    }
}

/// Of files that nobody writes to but their maker: a blob never changes, and its links in models' folders are the same file.
pub(super) fn read_only() -> fs::Permissions {
    fs::Permissions::from_mode(0o400)
}

/// Makes names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod whole_tests;

#[cfg(test)]
mod tests;
