//! The pages of a TIFF document.
//!
//! A TIFF is a chain of directories, one per image. The decoder reads the first directory only, so each
//! page is decoded from bytes whose header points to that page's directory.

use std::collections::HashSet;

use crate::PageError;

/// Tag whose lowest bit says that the image is a smaller copy of another one: a preview, not a page.
const NEW_SUBFILE_TYPE: u64 = 254;
const REDUCED_COPY: u64 = 1;

/// How numbers are laid out: byte order, and 32-bit offsets (classic) or 64-bit ones (BigTIFF).
struct Layout<'b> {
    bytes: &'b [u8],
    big_endian: bool,
    wide: bool,
}

/// Where a TIFF header says that the first directory is.
const CLASSIC_FIRST: std::ops::Range<usize> = 4..8;
const WIDE_FIRST: std::ops::Range<usize> = 8..16;

/// One directory: where it is, where the next one is (0 at the end), and whether it is a preview.
struct Directory {
    next: u64,
    is_preview: bool,
}

/// The directories of the pages, in order; at least one.
pub(crate) fn page_directories(bytes: &[u8], max_pages: u32) -> Result<Vec<u64>, PageError> {
    let layout = Layout::of(bytes)?;
    let mut seen = HashSet::new();
    let mut pages = Vec::new();
    let mut at = layout.first()?;
    let first = at;
    while at != 0 {
        if !seen.insert(at) {
            return Err(malformed("its pages point at each other in a circle"));
        }
        let directory = layout.directory(at)?;
        if !directory.is_preview {
            pages.push(at);
        }
        if pages.len() > max_pages as usize || seen.len() > 4 * max_pages as usize + 4 {
            return Err(PageError::TooManyPages { limit: max_pages });
        }
        at = directory.next;
    }
    if pages.is_empty() && first != 0 {
        pages.push(first);
    }
    if pages.is_empty() {
        Err(malformed("it has no page"))
    } else {
        Ok(pages)
    }
}

/// Makes the header of `bytes`, a copy of the document, point to the page at `directory`.
pub(crate) fn point_at(bytes: &mut [u8], directory: u64) -> Result<(), PageError> {
    let Layout { big_endian, wide, .. } = Layout::of(bytes)?;
    let field = if wide { WIDE_FIRST } else { CLASSIC_FIRST };
    let target = bytes.get_mut(field).ok_or_else(truncated)?;
    if big_endian {
        target.copy_from_slice(&directory.to_be_bytes()[8 - target.len()..]);
    } else {
        target.copy_from_slice(&directory.to_le_bytes()[..target.len()]);
    }
    Ok(())
}

impl<'b> Layout<'b> {
    fn of(bytes: &'b [u8]) -> Result<Layout<'b>, PageError> {
        let (big_endian, wide) = match bytes.get(..4).ok_or_else(truncated)? {
            b"II\x2a\0" => (false, false),
            b"II\x2b\0" => (false, true),
            b"MM\0\x2a" => (true, false),
            b"MM\0\x2b" => (true, true),
            _ => return Err(malformed("its header is unknown")),
        };
        Ok(Layout {
            bytes,
            big_endian,
            wide,
        })
    }

    fn first(&self) -> Result<u64, PageError> {
        let field = if self.wide { WIDE_FIRST } else { CLASSIC_FIRST };
        self.number(field.start as u64, field.len() as u64)
    }

    fn directory(&self, at: u64) -> Result<Directory, PageError> {
        let (count_size, entry_size, offset_size) = if self.wide { (8, 20, 8) } else { (2, 12, 4) };
        let count = self.number(at, count_size)?;
        let entries = at + count_size;
        let length = count.checked_mul(entry_size).ok_or_else(truncated)?;
        let next = self.number(entries.checked_add(length).ok_or_else(truncated)?, offset_size)?;
        let mut is_preview = false;
        // The number above lies behind the entries, so they are all within the bytes.
        for entry in (0..count).map(|index| entries + index * entry_size) {
            if self.number(entry, 2)? == NEW_SUBFILE_TYPE {
                is_preview = self.number(entry + entry_size - offset_size, 4)? & REDUCED_COPY != 0;
            }
        }
        Ok(Directory { next, is_preview })
    }

    /// The number of `size` bytes (8 at most) at `at`.
    fn number(&self, at: u64, size: u64) -> Result<u64, PageError> {
        let start = usize::try_from(at).map_err(|_| truncated())?;
        let end = start.checked_add(size as usize).ok_or_else(truncated)?;
        let field = self.bytes.get(start..end).ok_or_else(truncated)?;
        let join = |sum: u64, &byte: &u8| sum << 8 | u64::from(byte);
        Ok(if self.big_endian {
            field.iter().fold(0, join)
        } else {
            field.iter().rev().fold(0, join)
        })
    }
}

fn truncated() -> PageError {
    PageError::ImageTruncated {
        format: "TIFF".to_owned(),
    }
}

fn malformed(reason: &str) -> PageError {
    PageError::ImageMalformed {
        format: "TIFF".to_owned(),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Directories of one entry each, 18 bytes apart from byte 8 on; `next` are indices.
    fn chain(kinds: &[u32], next: &[Option<usize>]) -> Vec<u8> {
        let place = |index: usize| 8 + 18 * index as u32;
        let mut bytes = [&b"II\x2a\0"[..], &place(0).to_le_bytes()].concat();
        for (kind, next) in kinds.iter().zip(next) {
            bytes.extend([1, 0, 254, 0, 4, 0, 1, 0, 0, 0]);
            bytes.extend(kind.to_le_bytes());
            bytes.extend(next.map_or(0, place).to_le_bytes());
        }
        bytes
    }

    #[test]
    fn previews_are_not_pages_unless_there_is_nothing_else() {
        let document = chain(&[0, 1, 2], &[Some(1), Some(2), None]);
        assert_eq!(page_directories(&document, 9), Ok(vec![8, 44]));
        assert_eq!(page_directories(&chain(&[1], &[None]), 9), Ok(vec![8]));
    }

    #[test]
    fn a_chain_that_runs_in_a_circle_is_malformed() {
        let document = chain(&[0, 0], &[Some(1), Some(0)]);
        assert_eq!(
            page_directories(&document, 9).unwrap_err().code(),
            "image_malformed"
        );
    }

    #[test]
    fn more_pages_or_previews_than_allowed_are_refused() {
        let many = |kind| {
            let next: Vec<_> = (1..30).map(Some).chain([None]).collect();
            chain(&[kind; 30], &next)
        };
        assert_eq!(page_directories(&many(0), 30).map(|pages| pages.len()), Ok(30));
        assert_eq!(
            page_directories(&many(0), 29),
            Err(PageError::TooManyPages { limit: 29 })
        );
        assert_eq!(
            page_directories(&many(1), 2),
            Err(PageError::TooManyPages { limit: 2 })
        );
    }

    #[test]
    fn a_chain_that_leaves_the_bytes_is_truncated() {
        let document = chain(&[0, 0], &[Some(1), None]);
        for length in [0, 3, 6, 9, 20, 25, 30, 43] {
            let found = page_directories(&document[..length], 9);
            assert_eq!(found.unwrap_err().code(), "image_truncated", "{length} bytes");
        }
    }

    #[test]
    fn the_header_of_either_byte_order_and_width_can_point_elsewhere() {
        let mut classic = chain(&[0, 0], &[Some(1), None]);
        point_at(&mut classic, 26).unwrap();
        assert_eq!(page_directories(&classic, 9), Ok(vec![26]));
        let mut wide = [&b"MM\0\x2b\0\x08\0\0"[..], &[0; 8]].concat();
        point_at(&mut wide, 0x0102).unwrap();
        assert_eq!(wide[8..], [0, 0, 0, 0, 0, 0, 1, 2]);
    }
}
