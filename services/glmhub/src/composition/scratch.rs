//! A place for documents while they are split, of one process alone.
//!
//! Hubs may share a data folder. Each takes the first numbered place that nobody holds, and holds it by a lock that ends
//! with the process: what a killed one left there is found and removed by the next that takes it.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

/// See the module's text.
pub struct Scratch {
    path: PathBuf,
    _lock: File,
}

impl Scratch {
    /// Takes a place below `folder`.
    pub fn take(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let mut number = 0;
        loop {
            let lock = File::options()
                .create(true)
                .append(true)
                .open(folder.join(format!("{number}.lock")))?;
            match lock.try_lock() {
                Ok(()) => {
                    return Ok(Self {
                        path: folder.join(number.to_string()),
                        _lock: lock,
                    });
                }
                Err(TryLockError::WouldBlock) => number += 1,
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }

    /// The place. It may not be there yet, or hold what an earlier process left.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_held_by_one_and_taken_again_when_it_is_free() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (
            Scratch::take(folder.path()).unwrap(),
            Scratch::take(folder.path()).unwrap(),
        );
        assert_ne!(one.path(), other.path());
        let place = one.path().to_owned();
        drop(one);
        assert_eq!(Scratch::take(folder.path()).unwrap().path(), place);
    }
}
