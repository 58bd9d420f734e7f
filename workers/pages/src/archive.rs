//! ZIP archives of documents: their members, in the order of their names.
//!
//! Names only order members and appear in messages; nothing is ever written under one. What a member says of its
//! own size is not believed: it is unpacked up to the limit and no further.

use std::cmp::Ordering;
use std::fs::File;
use std::io::{BufReader, Read};

use zip::ZipArchive;
use zip::result::ZipError;

use crate::{Limits, PageError};

/// What systems put beside the files that somebody packed.
const LITTER: [&str; 3] = [".DS_Store", "Thumbs.db", "desktop.ini"];

/// The most characters of a member's name that are told.
const MOST_NAME_TOLD: usize = 120;

/// The members of a ZIP archive, each unpacked when it is asked for.
pub(crate) struct Members {
    archive: ZipArchive<BufReader<File>>,
    /// Names and places, in the order in which the members are read.
    order: Vec<(String, usize)>,
    /// Bytes that may still be unpacked.
    left: u64,
    limits: Limits,
}

impl Members {
    /// Reads the directory of the archive in `file`. Refuses names that lead out of it or stand there twice, links, and
    /// more members than a document may have pages.
    pub fn of(file: File, limits: &Limits) -> Result<Self, PageError> {
        let archive = ZipArchive::new(BufReader::new(file)).map_err(|error| malformed(&error))?;
        // The library keeps the last of them, other programs the first: nobody could say which page was answered.
        if archive.has_duplicate_names() {
            return Err(PageError::ArchiveMalformed {
                reason: "two of its members have the same name".to_owned(),
            });
        }
        let mut members = Self {
            archive,
            order: Vec::new(),
            left: limits.max_unpacked,
            limits: *limits,
        };
        for place in 0..members.archive.len() {
            if let Some(name) = members.document_at(place)? {
                members.order.push((name, place));
            }
        }
        match members.order.len() {
            0 => return Err(PageError::EmptyDocument),
            count if count > limits.max_pages as usize => {
                return Err(PageError::TooManyPages {
                    limit: limits.max_pages,
                });
            }
            _ => {}
        }
        members.order.sort_by(|one, other| natural(&one.0, &other.0));
        // Taken from the end.
        members.order.reverse();
        Ok(members)
    }

    /// The name of the member at `place`, unless it is a folder or litter.
    fn document_at(&mut self, place: usize) -> Result<Option<String>, PageError> {
        let member = self.archive.by_index(place).map_err(|error| explain(&error))?;
        let name = member.name().map_err(|error| explain(&error))?.into_owned();
        if member.is_symlink() {
            return Err(refused(&name, "it is a link"));
        }
        if leads_out(&name) {
            return Err(refused(&name, "its name leads out of the archive"));
        }
        let file = name.rsplit('/').next().unwrap_or_default();
        let litter = LITTER.contains(&file) || name.starts_with("__MACOSX/");
        Ok((!member.is_dir() && !litter).then_some(name))
    }

    /// The next member: its name and its bytes.
    pub fn next(&mut self) -> Result<Option<(String, Vec<u8>)>, PageError> {
        let Some((name, place)) = self.order.pop() else {
            return Ok(None);
        };
        let most = self.limits.max_bytes.min(self.left);
        let mut bytes = Vec::new();
        let member = self.archive.by_index(place).map_err(|error| explain(&error))?;
        member
            .take(most.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|error| refused(&name, &format!("it cannot be unpacked ({error})")))?;
        if bytes.len() as u64 > most {
            return Err(PageError::ArchiveTooLarge {
                limit: if most == self.left {
                    self.limits.max_unpacked
                } else {
                    most
                },
            });
        }
        self.left -= bytes.len() as u64;
        Ok(Some((name, bytes)))
    }
}

/// Whether a program that unpacks the archive could write outside of its folder.
fn leads_out(name: &str) -> bool {
    let mut parts = name.split(['/', '\\']);
    name.starts_with(['/', '\\']) || name.contains([':', '\0']) || parts.any(|part| part == "..")
}

/// A member that cannot be taken, and why. A name may have 65,535 bytes; what people need to find it are the first ones.
pub(crate) fn refused(name: &str, reason: &str) -> PageError {
    PageError::ArchiveMember {
        name: name.chars().take(MOST_NAME_TOLD).collect(),
        reason: reason.to_owned(),
    }
}

fn malformed(error: &ZipError) -> PageError {
    PageError::ArchiveMalformed {
        reason: error.to_string(),
    }
}

fn explain(error: &ZipError) -> PageError {
    match error {
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) => PageError::ArchiveEncrypted,
        other => malformed(other),
    }
}

/// As people order files: numbers by their value, so that `page-2` comes before `page-10`.
fn natural(one: &str, other: &str) -> Ordering {
    let (mut left, mut right) = (one, other);
    loop {
        let (number_left, number_right) = (digits(left), digits(right));
        let step = match (number_left, number_right) {
            (0, _) | (_, 0) => {
                let (a, b) = (left.chars().next(), right.chars().next());
                if a.is_none() || a != b {
                    return a.cmp(&b).then_with(|| one.cmp(other));
                }
                let length = a.map_or(0, char::len_utf8);
                (length, length)
            }
            (a, b) => {
                let (x, y) = (
                    left[..a].trim_start_matches('0'),
                    right[..b].trim_start_matches('0'),
                );
                match x.len().cmp(&y.len()).then_with(|| x.cmp(y)) {
                    Ordering::Equal => (a, b),
                    different => return different,
                }
            }
        };
        (left, right) = (&left[step.0..], &right[step.1..]);
    }
}

/// How many bytes of digits `text` begins with.
fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_out_are_known_on_every_system() {
        for name in ["../a", "a/../b", "/a", "\\a", "a\\..\\b", "C:a", "a\0"] {
            assert!(leads_out(name), "{name:?}");
        }
        for name in ["a", "a/b", "a..b", "..a/b", "页 1.png"] {
            assert!(!leads_out(name), "{name:?}");
        }
    }

    #[test]
    fn numbers_are_ordered_by_their_value() {
        let mut names = ["b", "a10", "a2", "a02", "a", "a2b", "页10", "页9", "a1/c", "a1"];
        names.sort_by(|one, other| natural(one, other));
        assert_eq!(
            names,
            ["a", "a1", "a1/c", "a02", "a2", "a2b", "a10", "b", "页9", "页10"]
        );
    }
}
