//! How many revisions a worker's folder of models keeps: those that were used last, up to so many bytes.
//!
//! ```text
//! DIR/<revision>.used        locked, shared, by every worker that has the revision loaded
//! DIR/room.lock              held while room is made, so that two workers do not do it at once
//! ```
//!
//! When a revision was used is the time at which its lock was written to last.

use crate::fault;
use domain::{digest::Sha256, order::Fault};
use std::{
    fs::{self, DirEntry, File, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

/// Where the files of revisions are laid out for the engine. Workers of one machine may share it.
#[derive(Debug, Clone)]
pub struct ModelsFolder {
    /// The folder.
    pub path: PathBuf,
    /// The most bytes that it keeps. Workers that fetch at the same moment may go over it by what they fetch.
    pub most_bytes: u64,
}

/// The files of a revision stay for as long as this is held.
pub(crate) struct InUse(#[expect(dead_code, reason = "it is there to be dropped, which unlocks it")] File);

/// What lies in the folder of one revision, whole or in part.
struct Kept {
    revision: String,
    bytes: u64,
    used: SystemTime,
}

impl ModelsFolder {
    /// Where the whole files of `revision` lie.
    pub(crate) fn whole(&self, revision: Sha256) -> PathBuf {
        self.path.join(revision.to_string())
    }

    /// Where files of `revision` gather until all are there.
    pub(crate) fn partial(&self, revision: Sha256) -> PathBuf {
        self.path.join(format!("{revision}.partial"))
    }

    /// The lock of `revision`, which whoever fills or checks its folder holds.
    pub(crate) fn lock_file(&self, revision: &str) -> io::Result<File> {
        self.open(&format!("{revision}.lock"))
    }

    /// Keeps the files of `revision` from being removed. Its lock must be held by the caller.
    pub(crate) fn use_of(&self, revision: Sha256) -> Result<InUse, Fault> {
        let used = self.open(&format!("{revision}.used")).map_err(of_disk)?;
        used.lock_shared().map_err(of_disk)?;
        Ok(InUse(used))
    }

    /// Removes revisions that nobody has loaded, the one that was used the longest time ago first, until `bytes` of
    /// `revision` fit.
    pub(crate) fn make_room(&self, revision: Sha256, bytes: u64) -> Result<(), Fault> {
        let most = self.most_bytes;
        if bytes > most {
            return Err(full(format!(
                "revision {revision} has {bytes} bytes, and the worker's folder of models keeps {most}"
            )));
        }
        let room = self.open("room.lock").map_err(of_disk)?;
        room.lock().map_err(of_disk)?;
        let mut others = self.others(revision).map_err(of_disk)?;
        others.sort_by_key(|kept| kept.used);
        let mut there: u64 = others.iter().map(|kept| kept.bytes).sum();
        for kept in others {
            if there.saturating_add(bytes) <= most {
                break;
            }
            if self.removed(&kept.revision).map_err(of_disk)? {
                tracing::info!(
                    revision = kept.revision,
                    bytes = kept.bytes,
                    "removed a model that was not used"
                );
                there -= kept.bytes;
            }
        }
        match there.saturating_add(bytes) <= most {
            true => Ok(()),
            false => Err(full(format!(
                "models that are in use have {there} bytes, revision {revision} has {bytes}, and the worker's \
                 folder of models keeps {most}"
            ))),
        }
    }

    /// Every other revision of which something is there.
    fn others(&self, revision: Sha256) -> io::Result<Vec<Kept>> {
        let own = revision.to_string();
        let mut all: Vec<Kept> = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let Some(name) = revision_of(&entry)?.filter(|name| *name != own) else {
                continue;
            };
            let bytes = bytes_below(&entry.path())?;
            match all.iter_mut().find(|kept| kept.revision == name) {
                Some(kept) => kept.bytes += bytes,
                None => all.push(Kept {
                    used: self.last_used(&name)?,
                    revision: name,
                    bytes,
                }),
            }
        }
        Ok(all)
    }

    /// When somebody held the lock last; long ago if nobody ever did.
    fn last_used(&self, revision: &str) -> io::Result<SystemTime> {
        match fs::metadata(self.path.join(format!("{revision}.lock"))) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(SystemTime::UNIX_EPOCH),
            found => found?.modified(),
        }
    }

    /// Removes a revision's files, unless somebody has it loaded or is filling it.
    fn removed(&self, revision: &str) -> io::Result<bool> {
        let (lock, used) = (self.lock_file(revision)?, self.open(&format!("{revision}.used"))?);
        if !is_free(&lock)? || !is_free(&used)? {
            return Ok(false);
        }
        for name in [revision.to_owned(), format!("{revision}.partial")] {
            match fs::remove_dir_all(self.path.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(true)
    }

    fn open(&self, name: &str) -> io::Result<File> {
        fs::create_dir_all(&self.path)?;
        let there = self.path.join(name);
        File::options().create(true).append(true).open(there)
    }
}

/// Writes down that the revision whose lock this is is used now.
pub(crate) fn mark_used(mut lock: &File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.write_all(b"used\n")
}

/// Takes the lock of a file for as long as it is open, if nobody has it.
fn is_free(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// The revision whose files are in a folder, if it is one of a revision.
fn revision_of(entry: &DirEntry) -> io::Result<Option<String>> {
    let name = entry.file_name();
    let name = name.to_str().unwrap_or_default();
    let name = name.strip_suffix(".partial").unwrap_or(name);
    let is_one = entry.file_type()?.is_dir() && name.parse::<Sha256>().is_ok();
    Ok(is_one.then(|| name.to_owned()))
}

fn bytes_below(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        bytes += match entry.file_type()?.is_dir() {
            true => bytes_below(&entry.path())?,
            false => entry.metadata()?.len(),
        };
    }
    Ok(bytes)
}

/// Another worker may have more room, or this one later.
fn full(message: String) -> Fault {
    fault::passing(
        "models_folder_full",
        format!("{message}: raise most_models_bytes of [worker]"),
    )
}

/// The folder cannot be read or written.
pub(crate) fn of_disk(error: io::Error) -> Fault {
    fault::passing(
        "models_folder_failed",
        format!("the worker's folder of models failed: {error}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place {
        _folder: tempfile::TempDir,
        models: ModelsFolder,
    }

    /// A folder that keeps 30 bytes.
    fn place() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("models");
        let models = ModelsFolder { path, most_bytes: 30 };
        Place {
            _folder: folder,
            models,
        }
    }

    impl Place {
        /// A revision of ten bytes that was used `at` seconds after the beginning of time.
        fn keep(&self, name: &str, at: u64) -> Sha256 {
            let revision = Sha256::of(name.as_bytes());
            let parts = self.models.whole(revision).join("parts");
            fs::create_dir_all(&parts).unwrap();
            fs::write(parts.join("weights"), "ten bytes.").unwrap();
            let lock = self.models.lock_file(&revision.to_string()).unwrap();
            let times = fs::FileTimes::new()
                .set_modified(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(at));
            lock.set_times(times).unwrap();
            revision
        }

        fn has(&self, revision: Sha256) -> bool {
            self.models.whole(revision).is_dir() || self.models.partial(revision).is_dir()
        }
    }

    #[test]
    fn what_was_used_the_longest_time_ago_goes_first_and_no_more_than_needed() {
        let place = place();
        let (newest, oldest, middle) = (place.keep("a", 30), place.keep("b", 10), place.keep("c", 20));
        let new = Sha256::of(b"new");
        place.models.make_room(new, 0).unwrap();
        assert!(place.has(oldest), "30 bytes are not too many");
        place.models.make_room(new, 1).unwrap();
        assert!(!place.has(oldest) && place.has(middle) && place.has(newest));
        place.models.make_room(new, 21).unwrap();
        assert!(!place.has(middle) && !place.has(newest));
    }

    #[test]
    fn using_a_revision_again_keeps_it_longer() {
        let place = place();
        let (old, new) = (place.keep("old", 10), place.keep("new", 20));
        mark_used(&place.models.lock_file(&old.to_string()).unwrap()).unwrap();
        place.models.make_room(Sha256::of(b"other"), 15).unwrap();
        assert!(place.has(old) && !place.has(new));
    }

    #[test]
    fn what_is_loaded_or_being_filled_stays() {
        let place = place();
        let (loaded, filled, idle) = (place.keep("a", 1), place.keep("b", 2), place.keep("c", 3));
        let in_use = place.models.use_of(loaded).unwrap();
        let lock = place.models.lock_file(&filled.to_string()).unwrap();
        lock.lock().unwrap();
        let fault = place.models.make_room(Sha256::of(b"new"), 11).unwrap_err();
        assert_eq!(
            (fault.code.as_str(), fault.may_pass),
            ("models_folder_full", true)
        );
        assert!(fault.message.contains("have 20 bytes"), "{}", fault.message);
        assert!(place.has(loaded) && place.has(filled) && !place.has(idle));
        drop((in_use, lock));
        place.models.make_room(Sha256::of(b"new"), 11).unwrap();
        assert!(!place.has(loaded) && place.has(filled));
    }

    #[test]
    fn a_revision_does_not_make_room_by_removing_itself_and_must_fit_alone() {
        let place = place();
        let own = place.keep("own", 1);
        place.models.make_room(own, 30).unwrap();
        assert!(place.has(own));
        let fault = place.models.make_room(own, 31).unwrap_err();
        assert!(
            fault.message.contains("31 bytes") && fault.message.contains("keeps 30"),
            "{}",
            fault.message
        );
    }

    #[test]
    fn what_is_no_revision_is_left_alone_and_parts_count() {
        let place = place();
        let revision = place.keep("a", 1);
        fs::rename(place.models.whole(revision), place.models.partial(revision)).unwrap();
        let stray = place.models.path.join("notes");
        fs::create_dir(&stray).unwrap();
        place.models.make_room(Sha256::of(b"new"), 21).unwrap();
        assert!(!place.has(revision) && stray.is_dir());
    }
}
