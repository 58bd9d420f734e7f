//! That a file is still the one that was hashed.
//!
//! Weights are mapped, so that they may be read long after they were hashed. A [`Seal`] keeps the hashed file open and
//! remembers what the system said of it before the first byte was read. Whoever writes to it later, or puts another
//! file in its place, is found by that.

use crate::models_folder::InUse;
use domain::{digest::Sha256, model::Artifact};
use sha2::Digest as _;
use std::{
    fs::{self, File, Metadata},
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

const PIECE: usize = 256 * 1024;

/// See the module's text.
pub(crate) struct Seal {
    file: File,
    before: Metadata,
}

impl Seal {
    /// Hashes the file at `there`: its digest and size under the name `path`, and the seal. Nothing if there is none.
    pub(crate) fn put_on(there: &Path, path: &str) -> io::Result<Option<(Artifact, Seal)>> {
        let mut file = match File::open(there) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let before = file.metadata()?;
        let (mut hasher, mut bytes) = (sha2::Sha256::new(), 0u64);
        let mut piece = vec![0; PIECE];
        loop {
            match file.read(&mut piece)? {
                0 => break,
                read => {
                    hasher.update(&piece[..read]);
                    bytes += read as u64;
                }
            }
        }
        let artifact = Artifact {
            path: path.to_owned(),
            sha256: Sha256::from_bytes(hasher.finalize().into()),
            bytes,
        };
        Ok(Some((artifact, Seal { file, before })))
    }

    /// Whether nobody has written to the file since, wherever it is now.
    pub(crate) fn holds(&self) -> bool {
        let written = |of: &Metadata| (of.len(), of.mtime(), of.mtime_nsec());
        self.file
            .metadata()
            .is_ok_and(|now| written(&now) == written(&self.before))
    }

    /// Whether the file is the one at `there`, and nothing at all was done to it since: not even a rename.
    pub(crate) fn held_at(&self, there: &Path) -> bool {
        let state = |of: &Metadata| (of.dev(), of.ino(), of.ctime(), of.ctime_nsec());
        let same = |now: Metadata| state(&now) == state(&self.before);
        self.holds() && fs::metadata(there).is_ok_and(same)
    }
}

/// A folder whose files were all hashed.
pub(crate) struct Sealed {
    /// The folder.
    pub folder: PathBuf,
    /// What is in it.
    pub artifacts: Vec<Artifact>,
    /// Their digest.
    pub artifacts_sha256: Sha256,
    /// One for each artifact.
    pub seals: Vec<Seal>,
    /// While this is held nobody removes the files to make room.
    #[expect(dead_code, reason = "it is there to be dropped")]
    pub in_use: InUse,
}

impl Sealed {
    /// The first file that is not as it was when it was hashed, or not in its place.
    pub(crate) fn broken(&self) -> Option<PathBuf> {
        let places = self
            .artifacts
            .iter()
            .map(|artifact| self.folder.join(&artifact.path));
        let mut pairs = places.zip(&self.seals);
        pairs.find_map(|(place, seal)| (!seal.held_at(&place)).then_some(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(content: &str) -> (tempfile::TempDir, PathBuf, Seal) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("weights");
        fs::write(&file, content).unwrap();
        // As old as a file can be: a change within the clock's smallest step would go unseen otherwise.
        let long_ago = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH);
        File::options()
            .write(true)
            .open(&file)
            .unwrap()
            .set_times(long_ago)
            .unwrap();
        let (artifact, seal) = Seal::put_on(&file, "weights").unwrap().unwrap();
        assert_eq!(artifact.sha256, Sha256::of(content.as_bytes()));
        (folder, file, seal)
    }

    #[test]
    fn an_untouched_file_is_the_one_that_was_hashed() {
        let (_folder, file, seal) = sealed("as granted");
        assert!(seal.holds() && seal.held_at(&file));
    }

    #[test]
    fn a_file_that_was_written_to_is_not() {
        let (_folder, file, seal) = sealed("as granted");
        fs::write(&file, "as planted").unwrap();
        assert!(!seal.holds() && !seal.held_at(&file));
    }

    #[test]
    fn a_file_in_its_place_is_not_and_the_hashed_one_stays_what_it_is() {
        let (folder, file, seal) = sealed("as granted");
        let other = folder.path().join("other");
        fs::write(&other, "as planted").unwrap();
        fs::rename(&other, &file).unwrap();
        assert!(seal.holds() && !seal.held_at(&file));
    }

    #[test]
    fn where_nothing_is_there_is_nothing_to_seal() {
        let folder = tempfile::tempdir().unwrap();
        assert!(
            Seal::put_on(&folder.path().join("absent"), "absent")
                .unwrap()
                .is_none()
        );
    }
}
