//! A revision's manifest: which artifacts it consists of, by path and digest.
//!
//! The manifest is itself a blob, and its digest **is** the revision. So a worker that holds a grant over a
//! revision needs no database: it fetches the manifest by its digest and every artifact by its own.
//! A list of files has one form only (sorted, compact JSON), so equal files make an equal revision.
//!
//! A manifest tells a worker where to write files, so its paths are distrusted: see [`Manifest::new`].

use domain::digest::Sha256;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The largest manifest in bytes. Readers need not take more.
pub const MOST_BYTES: u64 = 4 * 1024 * 1024;
/// The most files of a revision.
pub const MOST_FILES: usize = 4096;
/// The longest path in bytes.
pub const LONGEST_PATH: usize = 512;
/// The longest part between two slashes, in bytes: what filesystems take.
const LONGEST_PART: usize = 200;
/// The most bytes of all files together: one pebibyte, so that sums cannot overflow.
const MOST_TOTAL: u64 = 1 << 50;
const FORMAT: &str = "glmhub.manifest.v1";

/// One artifact of a revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestFile {
    /// Where it stands below the model's folder, with `/` between the parts.
    pub path: String,
    /// Its bytes.
    pub sha256: Sha256,
    /// How many there are.
    pub bytes: u64,
}

/// The artifacts of a revision, sorted by path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    files: Vec<ManifestFile>,
}

/// The manifest as it is written. The order of the fields is part of the format.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    format: String,
    files: Vec<ManifestFile>,
}

/// Why a list of files is no manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// It lists nothing.
    #[error("a manifest lists one file at least")]
    Empty,
    /// Too many files, or too many bytes in them, or too long a text.
    #[error("the manifest is oversize: {0}")]
    Oversize(String),
    /// A path that could lead out of the model's folder, or that some filesystem would take for another.
    #[error("path {path:?} of the manifest: {reason}")]
    BadPath {
        /// The path as given.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Two files would stand in the same place.
    #[error("path {0:?} of the manifest clashes with another")]
    Clash(String),
    /// The bytes are not a manifest of this format.
    #[error("these bytes are not a manifest: {0}")]
    Malformed(String),
    /// The bytes list files that another writing has too: that one is the revision.
    #[error("the manifest is not in its canonical form")]
    NotCanonical,
}

impl Manifest {
    /// The manifest of `files`, in any order. Refuses paths that are absolute, that step up (`..`), that clash
    /// (also on filesystems that ignore case), or that are not plain printable ASCII.
    pub fn new(mut files: Vec<ManifestFile>) -> Result<Self, ManifestError> {
        files.sort_by(|a, b| a.path.cmp(&b.path));
        check_amounts(&files)?;
        for file in &files {
            check_path(&file.path).map_err(|reason| ManifestError::BadPath {
                path: file.path.clone(),
                reason,
            })?;
        }
        check_clashes(&files)?;
        Ok(Self { files })
    }

    /// Reads a manifest, refusing every form but the canonical one.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ManifestError> {
        if bytes.len() as u64 > MOST_BYTES {
            return Err(ManifestError::Oversize(format!(
                "{} bytes, of {MOST_BYTES}",
                bytes.len()
            )));
        }
        let written: Written =
            serde_json::from_slice(bytes).map_err(|error| ManifestError::Malformed(error.to_string()))?;
        if written.format != FORMAT {
            return Err(ManifestError::Malformed(format!("its format is not {FORMAT}")));
        }
        let manifest = Self::new(written.files)?;
        if manifest.to_bytes() == bytes {
            Ok(manifest)
        } else {
            Err(ManifestError::NotCanonical)
        }
    }

    /// The canonical bytes: what is stored as a blob.
    pub fn to_bytes(&self) -> Vec<u8> {
        let written = Written {
            format: FORMAT.to_owned(),
            files: self.files.clone(),
        };
        // Plain strings and numbers always serialise; nothing at all would be refused by every reader.
        serde_json::to_vec(&written).unwrap_or_default()
    }

    /// The revision: the digest of the canonical bytes.
    pub fn sha256(&self) -> Sha256 {
        Sha256::of(&self.to_bytes())
    }

    /// The files, sorted by path.
    pub fn files(&self) -> &[ManifestFile] {
        &self.files
    }

    /// How many bytes all files have together.
    pub fn total_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

fn check_amounts(files: &[ManifestFile]) -> Result<(), ManifestError> {
    if files.is_empty() {
        return Err(ManifestError::Empty);
    }
    if files.len() > MOST_FILES {
        return Err(ManifestError::Oversize(format!(
            "{} files, of {MOST_FILES}",
            files.len()
        )));
    }
    let total = files
        .iter()
        .try_fold(0u64, |sum, file| sum.checked_add(file.bytes));
    match total {
        Some(total) if total <= MOST_TOTAL => Ok(()),
        _ => Err(ManifestError::Oversize(format!(
            "its files have more than {MOST_TOTAL} bytes together"
        ))),
    }
}

fn check_path(path: &str) -> Result<(), &'static str> {
    if path.is_empty() || path.len() > LONGEST_PATH {
        return Err("it has 1 to 512 characters");
    }
    if path
        .bytes()
        .any(|b| !(b' '..=b'~').contains(&b) || br#"\:*?"<>|"#.contains(&b))
    {
        return Err(r#"it has only printable ASCII, without \ : * ? " < > |"#);
    }
    for part in path.split('/') {
        if part.is_empty() {
            return Err("it is relative, and no part of it is empty");
        }
        if part.len() > LONGEST_PART {
            return Err("each part has at most 200 characters");
        }
        if part.trim_end_matches(['.', ' ']) != part || part.starts_with(' ') {
            return Err("no part ends with a dot or stands among spaces");
        }
    }
    Ok(())
}

/// No path may equal another, nor be a folder of another, when case is ignored.
fn check_clashes(files: &[ManifestFile]) -> Result<(), ManifestError> {
    let mut seen = BTreeSet::new();
    for file in files {
        if !seen.insert(file.path.to_ascii_lowercase()) {
            return Err(ManifestError::Clash(file.path.clone()));
        }
    }
    let is_file = |folder: &str| seen.contains(folder);
    for path in &seen {
        if path.match_indices('/').any(|(end, _)| is_file(&path[..end])) {
            return Err(ManifestError::Clash(path.clone()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(path: &str) -> ManifestFile {
        ManifestFile {
            path: path.to_owned(),
            sha256: Sha256::of(path.as_bytes()),
            bytes: path.len() as u64,
        }
    }

    fn refused(paths: &[&str]) -> ManifestError {
        Manifest::new(paths.iter().map(|path| file(path)).collect()).unwrap_err()
    }

    #[test]
    fn the_written_form_is_fixed() {
        let manifest = Manifest::new(vec![file("b"), file("a/c")]).unwrap();
        let (a, b) = (Sha256::of(b"a/c"), Sha256::of(b"b"));
        let expected = format!(
            r#"{{"format":"glmhub.manifest.v1","files":[{{"path":"a/c","sha256":"{a}","bytes":3}},{{"path":"b","sha256":"{b}","bytes":1}}]}}"#
        );
        assert_eq!(String::from_utf8(manifest.to_bytes()).unwrap(), expected);
        assert_eq!(manifest.sha256(), Sha256::of(expected.as_bytes()));
        assert_eq!(manifest.total_bytes(), 4);
    }

    #[test]
    fn paths_that_lead_elsewhere_are_refused() {
        for bad in [
            "",
            "/etc/passwd",
            "..",
            "../a",
            "a/../b",
            "a/..",
            ".",
            "./a",
            "a//b",
            "a/",
            "a\\..\\b",
            "C:/a",
            "a\0b",
            "a\nb",
            "é",
            "a /b",
            " a",
            "a.",
            "a/b ",
            "con:x",
        ] {
            assert!(
                matches!(refused(&[bad]), ManifestError::BadPath { .. }),
                "{bad:?}"
            );
        }
        assert!(matches!(
            refused(&[&"a".repeat(513)]),
            ManifestError::BadPath { .. }
        ));
        assert!(matches!(
            refused(&[&"a".repeat(201)]),
            ManifestError::BadPath { .. }
        ));
    }

    #[test]
    fn two_files_in_one_place_are_refused() {
        assert_eq!(refused(&["a", "a"]), ManifestError::Clash("a".into()));
        assert_eq!(refused(&["a", "A"]), ManifestError::Clash("a".into()));
        assert_eq!(refused(&["a/b/c", "a/B"]), ManifestError::Clash("a/b/c".into()));
    }

    #[test]
    fn oversize_lists_are_refused() {
        let many = (0..=MOST_FILES).map(|number| file(&number.to_string())).collect();
        assert!(matches!(Manifest::new(many), Err(ManifestError::Oversize(_))));
        let huge = vec![
            ManifestFile {
                bytes: u64::MAX,
                ..file("a")
            },
            file("b"),
        ];
        assert!(matches!(Manifest::new(huge), Err(ManifestError::Oversize(_))));
        let long = vec![b' '; MOST_BYTES as usize + 1];
        assert!(matches!(
            Manifest::from_bytes(&long),
            Err(ManifestError::Oversize(_))
        ));
        assert_eq!(Manifest::new(vec![]), Err(ManifestError::Empty));
    }

    #[test]
    fn another_writing_of_the_same_files_is_refused() {
        let bytes = Manifest::new(vec![file("a"), file("b")]).unwrap().to_bytes();
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let spaced = serde_json::to_vec_pretty(&value).unwrap();
        assert_eq!(Manifest::from_bytes(&spaced), Err(ManifestError::NotCanonical));
        let extra = String::from_utf8(bytes.clone())
            .unwrap()
            .replace("\"bytes\":1", "\"bytes\":1,\"x\":1");
        assert!(matches!(
            Manifest::from_bytes(extra.as_bytes()),
            Err(ManifestError::Malformed(_))
        ));
        let other = String::from_utf8(bytes)
            .unwrap()
            .replace("manifest.v1", "manifest.v2");
        assert!(matches!(
            Manifest::from_bytes(other.as_bytes()),
            Err(ManifestError::Malformed(_))
        ));
    }

    proptest! {
        #[test]
        fn the_order_of_the_files_does_not_change_the_revision(
            paths in proptest::collection::btree_set("[a-z]{1,8}", 1..20),
            seed: u64,
        ) {
            let sorted: Vec<_> = paths.iter().map(|path| file(path)).collect();
            let mut shuffled = sorted.clone();
            shuffled.rotate_left(seed as usize % sorted.len());
            let (one, other) = (Manifest::new(sorted).unwrap(), Manifest::new(shuffled).unwrap());
            prop_assert_eq!(one.sha256(), other.sha256());
            prop_assert_eq!(Manifest::from_bytes(&one.to_bytes()), Ok(one));
        }

        #[test]
        fn an_accepted_path_stays_below_its_folder(path in "[./a-c\\\\: ]{0,12}") {
            if Manifest::new(vec![file(&path)]).is_ok() {
                let parts: Vec<_> = std::path::Path::new(&path).components().collect();
                let plain = |part: &std::path::Component| matches!(part, std::path::Component::Normal(_));
                prop_assert!(parts.iter().all(plain));
                prop_assert_eq!(parts.len(), path.split('/').count());
            }
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
            let _ = Manifest::from_bytes(&bytes);
        }
    }
}
