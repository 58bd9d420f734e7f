//! The unfinished files of one open store, in a folder that only it writes to.

use super::{File, NamedTempFile, Path, PathBuf, fs, gone, io, read_only};
use std::{fs::TryLockError, sync::Mutex};
use tempfile::TempDir;

const PREFIX: &str = "open-";
const LOCK: &str = ".lock";

/// Removes its folder when dropped; if it never comes to that, the next [`Drafts::open`] does.
pub(super) struct Drafts {
    folder: TempDir,
    lock: Mutex<Option<File>>,
    lock_path: PathBuf,
}

impl Drafts {
    /// Makes a folder for this process in `all`, and removes those of processes that ended without doing so.
    pub(super) fn open(all: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&all)?;
        // One at a time: otherwise a folder could be swept between its making and its locking.
        let gate = File::options().create(true).append(true).open(all.join("gate"))?;
        gate.lock()?;
        sweep(&all)?;
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(&all)?;
        let lock_path = lock_of(folder.path());
        let lock = File::create(&lock_path)?;
        lock.lock()?;
        Ok(Self {
            folder,
            lock: Mutex::new(Some(lock)),
            lock_path,
        })
    }

    /// A new unfinished file. It goes when it is dropped, unless it was given a name elsewhere.
    pub(super) fn file(&self) -> io::Result<NamedTempFile> {
        tempfile::Builder::new()
            .permissions(read_only())
            .tempfile_in(self.folder())
    }

    /// Where the unfinished files stand.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Drafts {
    fn drop(&mut self) {
        // The folder itself goes right after. If either stays, the next one to open the store removes it.
        let _ = fs::remove_file(&self.lock_path);
        drop(self.lock.get_mut().ok().and_then(Option::take));
    }
}

fn lock_of(folder: &Path) -> PathBuf {
    let mut name = folder.as_os_str().to_owned();
    name.push(LOCK);
    name.into()
}

/// Removes the folders that no living process holds a lock for.
fn sweep(all: &Path) -> io::Result<()> {
    for entry in fs::read_dir(all)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if !name.starts_with(PREFIX) || name.ends_with(LOCK) || is_held(&lock_of(&path))? {
            continue;
        }
        gone(fs::remove_dir_all(&path))?;
        gone(fs::remove_file(lock_of(&path)))?;
    }
    Ok(())
}

fn is_held(lock: &Path) -> io::Result<bool> {
    let file = match File::open(lock) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match file.try_lock() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}
