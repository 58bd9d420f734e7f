//! Weights that are put into the bucket in parts, by somebody who is not at the hub's machine.
//!
//! An upload names its files before the first byte is sent. What was put counts only when the hub has read all of it.

use crate::{digest::Sha256, model::Artifact};
use std::{fmt, str::FromStr};
use time::OffsetDateTime;

/// The least bytes of a part that is not the last of its file: what S3 takes.
pub const LEAST_PART: u64 = 5 << 20;
/// The most bytes of a part.
pub const LARGEST_PART: u64 = 5 << 30;
/// The most parts of a file.
pub const MOST_PARTS: u64 = 10_000;

/// One part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Its place in the file, from 1 on.
    pub number: u32,
    /// Its bytes.
    pub bytes: u64,
}

/// How large the parts of a file of `bytes` are, if `wanted` is wished for: larger where there were too many.
pub fn part_bytes(bytes: u64, wanted: u64) -> u64 {
    bytes.div_ceil(MOST_PARTS).max(wanted)
}

/// The parts of a file of `bytes`, each of `part_bytes` but the last.
pub fn parts(bytes: u64, part_bytes: u64) -> Vec<Part> {
    let part_bytes = part_bytes.max(1);
    (1..)
        .zip(0..bytes.div_ceil(part_bytes))
        .map(|(number, place)| Part {
            number,
            bytes: part_bytes.min(bytes - place * part_bytes),
        })
        .collect()
}

/// How much an upload may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadBounds {
    /// The most files.
    pub files: usize,
    /// The most bytes of all files together.
    pub bytes: u64,
    /// The most bytes of a file that holds no weights.
    pub text_bytes: u64,
}

/// Why files cannot be uploaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadFiles {
    /// There are none, or too many.
    #[error("an upload has 1 to {0} files")]
    Number(usize),
    /// All files together are too large.
    #[error("the files of an upload have at most {0} bytes together")]
    TooLarge(u64),
    /// A file has none.
    #[error("{0} has no bytes: leave it out")]
    Empty(String),
    /// A file that holds no weights is larger than such files are.
    #[error("{path} has more than {most} bytes, and files without weights have none so large")]
    LongText {
        /// Its name.
        path: String,
        /// The limit in bytes.
        most: u64,
    },
    /// It lies in a folder.
    #[error("{0} has a slash, and there are no folders in a model's folder")]
    Folder(String),
}

impl UploadBounds {
    /// Whether `files` may be uploaded. That their names are unlike and safe is the manifest's to say.
    pub fn check(&self, files: &[Artifact]) -> Result<(), BadFiles> {
        if !(1..=self.files).contains(&files.len()) {
            return Err(BadFiles::Number(self.files));
        }
        let sum = files
            .iter()
            .try_fold(0u64, |sum, file| sum.checked_add(file.bytes));
        if sum.is_none_or(|sum| sum > self.bytes) {
            return Err(BadFiles::TooLarge(self.bytes));
        }
        files.iter().try_for_each(|file| self.check_file(file))
    }

    fn check_file(&self, file: &Artifact) -> Result<(), BadFiles> {
        let path = || file.path.clone();
        if file.path.contains('/') {
            return Err(BadFiles::Folder(path()));
        }
        if file.bytes == 0 {
            return Err(BadFiles::Empty(path()));
        }
        let has_weights = file.path.ends_with(".safetensors") || file.path.ends_with(".gguf");
        match has_weights || file.bytes <= self.text_bytes {
            true => Ok(()),
            false => Err(BadFiles::LongText {
                path: path(),
                most: self.text_bytes,
            }),
        }
    }
}

/// What is true of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UploadState {
    /// Parts may be put.
    Open,
    /// All parts are there, and the hub reads them.
    Checking,
    /// It is a revision.
    Completed {
        /// Since when.
        at: OffsetDateTime,
        /// Which.
        revision: Sha256,
    },
    /// What was put is no revision.
    Refused {
        /// Since when.
        at: OffsetDateTime,
        /// Why not.
        reason: String,
    },
    /// It was given up by those who opened it.
    Aborted {
        /// Since when.
        at: OffsetDateTime,
    },
    /// Its time was over before all was there.
    Expired {
        /// Since when.
        at: OffsetDateTime,
    },
}

impl UploadState {
    /// The word of it.
    pub fn word(&self) -> UploadWord {
        match self {
            Self::Open => UploadWord::Open,
            Self::Checking => UploadWord::Checking,
            Self::Completed { .. } => UploadWord::Completed,
            Self::Refused { .. } => UploadWord::Refused,
            Self::Aborted { .. } => UploadWord::Aborted,
            Self::Expired { .. } => UploadWord::Expired,
        }
    }

    /// Since when it is over, if it is.
    pub fn ended_at(&self) -> Option<OffsetDateTime> {
        match self {
            Self::Open | Self::Checking => None,
            Self::Completed { at, .. }
            | Self::Refused { at, .. }
            | Self::Aborted { at }
            | Self::Expired { at } => Some(*at),
        }
    }

    /// The same at `now`, for an upload that expires at `expires_at`: whether or not a loop has written it down.
    pub fn at(self, now: OffsetDateTime, expires_at: OffsetDateTime) -> Self {
        match self {
            Self::Open if expires_at <= now => Self::Expired { at: expires_at },
            other => other,
        }
    }
}

/// A state by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadWord {
    /// Of [`UploadState::Open`].
    Open,
    /// Of [`UploadState::Checking`].
    Checking,
    /// Of [`UploadState::Completed`].
    Completed,
    /// Of [`UploadState::Refused`].
    Refused,
    /// Of [`UploadState::Aborted`].
    Aborted,
    /// Of [`UploadState::Expired`].
    Expired,
}

impl UploadWord {
    const ALL: [Self; 6] = [
        Self::Open,
        Self::Checking,
        Self::Completed,
        Self::Refused,
        Self::Aborted,
        Self::Expired,
    ];

    /// The word in tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Checking => "checking",
            Self::Completed => "completed",
            Self::Refused => "refused",
            Self::Aborted => "aborted",
            Self::Expired => "expired",
        }
    }
}

impl fmt::Display for UploadWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for UploadWord {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.into_iter();
        all.find(|word| word.as_str() == text)
            .ok_or("an odd state of an upload")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: UploadBounds = UploadBounds {
        files: 2,
        bytes: 100,
        text_bytes: 10,
    };

    fn file(path: &str, bytes: u64) -> Artifact {
        Artifact {
            path: path.into(),
            sha256: Sha256::of(path.as_bytes()),
            bytes,
        }
    }

    #[test]
    fn the_parts_of_a_file_are_all_of_it_and_no_more_than_there_may_be() {
        let sizes = |bytes, part| {
            let parts = parts(bytes, part);
            assert!(parts.iter().zip(1..).all(|(part, number)| part.number == number));
            parts.iter().map(|part| part.bytes).collect::<Vec<_>>()
        };
        assert_eq!(sizes(10, 4), [4, 4, 2]);
        assert_eq!(sizes(8, 4), [4, 4]);
        assert_eq!(sizes(1, 4), [1]);
        assert!(sizes(0, 4).is_empty());
        assert_eq!(part_bytes(MOST_PARTS * 64, 64), 64);
        assert_eq!(part_bytes(MOST_PARTS * 64 + 1, 64), 65);
        let most = parts(MOST_PARTS * 64 + 1, 65);
        assert!(most.len() as u64 <= MOST_PARTS);
        assert_eq!(
            most.iter().map(|part| part.bytes).sum::<u64>(),
            MOST_PARTS * 64 + 1
        );
    }

    #[test]
    fn bounds_hold_at_their_edges() {
        let check = |files: &[Artifact]| BOUNDS.check(files);
        assert_eq!(check(&[file("a.safetensors", 90), file("b", 10)]), Ok(()));
        assert_eq!(
            check(&[file("a.safetensors", 91), file("b", 10)]),
            Err(BadFiles::TooLarge(100))
        );
        assert_eq!(
            check(&[file("a.gguf", u64::MAX), file("b", 1)]),
            Err(BadFiles::TooLarge(100))
        );
        assert_eq!(check(&[]), Err(BadFiles::Number(2)));
        assert_eq!(
            check(&[file("a", 1), file("b", 1), file("c", 1)]),
            Err(BadFiles::Number(2))
        );
        let long = BadFiles::LongText {
            path: "a".into(),
            most: 10,
        };
        assert_eq!(check(&[file("a", 11)]), Err(long));
        assert_eq!(check(&[file("a", 0)]), Err(BadFiles::Empty("a".into())));
        assert_eq!(check(&[file("a/b", 1)]), Err(BadFiles::Folder("a/b".into())));
    }

    #[test]
    fn an_upload_is_over_at_its_end_unless_all_is_there() {
        let end = OffsetDateTime::UNIX_EPOCH;
        let before = end - time::Duration::SECOND;
        assert_eq!(UploadState::Open.at(before, end), UploadState::Open);
        assert_eq!(UploadState::Open.at(end, end), UploadState::Expired { at: end });
        assert_eq!(UploadState::Checking.at(end, end), UploadState::Checking);
    }
}
