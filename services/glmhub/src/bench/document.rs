//! Documents of many small pages, no two alike: a TIFF, whose form is simple enough to be written by hand.

/// The side of a page in pixels.
const SIDE: u32 = 8;
/// Bytes of a page's pixels: one each.
const PIXELS: u32 = SIDE * SIDE;
/// Bytes of a directory: how many entries, the entries, where the next directory is.
const DIRECTORY: u32 = 2 + 12 * ENTRIES as u32 + 4;
const ENTRIES: usize = 9;
/// Kinds of numbers in entries.
const SHORT: u16 = 3;
const LONG: u16 = 4;

/// A document of `pages` pages; `first` is the number that the first of them shows, in its pixels.
pub fn of_pages(first: u64, pages: u32) -> Vec<u8> {
    let mut document = b"II*\0".to_vec();
    document.extend(8u32.to_le_bytes());
    for page in 0..pages {
        let at = 8 + page * (DIRECTORY + PIXELS);
        let (pixels, next) = (at + DIRECTORY, at + DIRECTORY + PIXELS);
        let is_last = page + 1 == pages;
        write_directory(&mut document, pixels, if is_last { 0 } else { next });
        document.extend((first + u64::from(page)).to_le_bytes());
        document.resize(next as usize, 0xff);
    }
    document
}

fn write_directory(document: &mut Vec<u8>, pixels: u32, next: u32) {
    // Width, height, bits of a pixel, no compression, black is zero, where the pixels are, one value for each, rows of
    // the one strip, its bytes.
    let entries: [(u16, u16, u32); ENTRIES] = [
        (256, LONG, SIDE),
        (257, LONG, SIDE),
        (258, SHORT, 8),
        (259, SHORT, 1),
        (262, SHORT, 1),
        (273, LONG, pixels),
        (277, SHORT, 1),
        (278, LONG, SIDE),
        (279, LONG, PIXELS),
    ];
    document.extend((ENTRIES as u16).to_le_bytes());
    for (tag, kind, value) in entries {
        document.extend(tag.to_le_bytes());
        document.extend(kind.to_le_bytes());
        document.extend(1u32.to_le_bytes());
        document.extend(value.to_le_bytes());
    }
    document.extend(next.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_page_can_be_read_and_no_two_are_alike() {
        let folder = tempfile::tempdir().unwrap();
        let (file, out) = (folder.path().join("document"), folder.path().join("pages"));
        std::fs::write(&file, of_pages(7, 300)).unwrap();
        let split = pages::split(&file, &out, &pages::Limits::default(), &pages::Fonts::default());
        let pages = split.unwrap().pages;
        let digests: HashSet<String> = pages.iter().map(|page| page.sha256.clone()).collect();
        assert_eq!((pages.len(), digests.len()), (300, 300));
    }
}
