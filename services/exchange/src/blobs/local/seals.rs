//! Which files have been found whole, and have not changed since.
//!
//! A blob of many gigabytes takes longer to hash than to send. Once all of it was hashed and found right, the system says
//! whether it was touched since: whoever writes to a file changes its `ctime`, also who puts its `mtime` back. What a
//! process knows of this goes with it, and is bounded. `docs/adr/0065-what-was-found-whole-is-sealed.md` says why so.

use super::{File, io};
use domain::digest::Sha256;
use std::{
    collections::{HashMap, VecDeque},
    os::unix::fs::MetadataExt as _,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Smaller files are hashed each time, which takes no longer than to ask about them.
pub(super) const LEAST_BYTES: u64 = 1 << 20;

/// How much older than the clock of its filesystem the last change of a file must be, so that the next one has another
/// time: the coarsest that filesystems tell is two seconds.
const COARSEST_SECONDS: i64 = 2;

/// How many files are remembered.
const MOST: usize = 4096;

/// What a file is, and when it was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seal {
    device: u64,
    inode: u64,
    bytes: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Seal {
    /// Of `file` as it is now.
    pub(super) fn of(file: &File) -> io::Result<Self> {
        let told = file.metadata()?;
        Ok(Self {
            device: told.dev(),
            inode: told.ino(),
            bytes: told.size(),
            modified: (told.mtime(), told.mtime_nsec()),
            changed: (told.ctime(), told.ctime_nsec()),
        })
    }

    /// How many bytes it has.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether any change from now on shows, if `fresh` is of a file that was made now.
    pub(super) fn tells_changes_after(&self, fresh: &Self) -> bool {
        let age = fresh.changed.0.saturating_sub(self.changed.0);
        // The seconds alone are compared, so that one of them may have hardly begun.
        age > COARSEST_SECONDS
    }
}

/// The seals of a store.
#[derive(Default)]
pub(super) struct Seals(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    seals: HashMap<Sha256, Seal>,
    /// In which order they came.
    order: VecDeque<Sha256>,
}

impl Seals {
    /// Whether the blob was found whole in a file that is still what `seal` says.
    pub(super) fn holds(&self, sha256: Sha256, seal: &Seal) -> bool {
        self.kept().seals.get(&sha256) == Some(seal)
    }

    /// Remembers that the blob was found whole.
    pub(super) fn keep(&self, sha256: Sha256, seal: Seal) {
        let mut kept = self.kept();
        if kept.seals.insert(sha256, seal).is_some() {
            return;
        }
        kept.order.push_back(sha256);
        if kept.order.len() > MOST
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.seals.remove(&oldest);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // What is kept is whole at every moment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(seconds: i64) -> Seal {
        Seal {
            device: 1,
            inode: 2,
            bytes: 3,
            modified: (0, 0),
            changed: (seconds, 999_999_999),
        }
    }

    #[test]
    fn a_file_that_was_just_changed_may_change_again_unseen() {
        assert!(!seal(10).tells_changes_after(&seal(10)));
        assert!(!seal(10).tells_changes_after(&seal(12)));
        assert!(seal(10).tells_changes_after(&seal(13)));
        assert!(!seal(10).tells_changes_after(&seal(5)), "a clock was put back");
    }

    #[test]
    fn a_seal_holds_for_its_blob_and_file_alone() {
        let (seals, one, other) = (Seals::default(), Sha256::of(b"1"), Sha256::of(b"2"));
        seals.keep(one, seal(10));
        assert!(seals.holds(one, &seal(10)));
        assert!(!seals.holds(one, &seal(11)) && !seals.holds(other, &seal(10)));
        seals.keep(one, seal(11));
        assert!(seals.holds(one, &seal(11)) && !seals.holds(one, &seal(10)));
    }

    #[test]
    fn only_so_many_seals_are_kept_and_the_oldest_go() {
        let (seals, name) = (Seals::default(), |number: usize| {
            Sha256::of(number.to_string().as_bytes())
        });
        for number in 0..=MOST {
            seals.keep(name(number), seal(10));
        }
        assert!(!seals.holds(name(0), &seal(10)));
        assert!(seals.holds(name(1), &seal(10)) && seals.holds(name(MOST), &seal(10)));
        assert_eq!(seals.kept().seals.len(), MOST);
    }
}
