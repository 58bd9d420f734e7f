//! What is done with bytes of anybody's choice, and what must hold whatever they are.
//!
//! The targets of `workers/pages/fuzz` do this with bytes that a fuzzer finds, the tests with their corpus and mutations
//! of it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use pages::{Fonts, Limits, MOST_WARNINGS, Split};

/// Small, so that many documents are tried in little time.
pub const LIMITS: Limits = Limits {
    max_bytes: 1 << 20,
    max_unpacked: 1 << 20,
    max_pixels: 1 << 20,
    max_side: 8192,
    max_pages: 20,
    pdf_side: 64,
};
/// The most bytes that are told of what is wrong with a document.
const MOST_TOLD: usize = 2048;

/// The first page of an image.
pub fn image(bytes: &[u8]) {
    match pages::decode(bytes, &LIMITS) {
        Ok(page) => {
            check_size(page.width, page.height);
            let samples = 3 * u64::from(page.width) * u64::from(page.height);
            assert_eq!(page.pixels.len() as u64, samples);
        }
        Err(error) => check_told(&error.to_string()),
    }
}

/// All pages of a document: an image, a PDF, or an archive of these.
pub fn document(bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let (document, out) = (folder.path().join("document"), folder.path().join("pages"));
    std::fs::write(&document, bytes).unwrap();
    let split = pages::split(&document, &out, &LIMITS, &Fonts::default());
    let written = match split {
        Ok(Split { pages, warnings }) => {
            assert!(warnings.len() <= MOST_WARNINGS);
            warnings
                .iter()
                .for_each(|warning| check_told(&warning.to_string()));
            assert!(!pages.is_empty() && pages.len() <= LIMITS.max_pages as usize);
            for page in &pages {
                check_size(page.width, page.height);
                // Rows of a PNG have a byte more than their pixels, and it has a few more itself.
                assert!(page.bytes <= LIMITS.max_bytes.max(3 * LIMITS.max_pixels) + (1 << 16));
            }
            pages.iter().any(|page| page.at.is_some())
        }
        Err(error) => {
            check_told(&error.to_string());
            false
        }
    };
    let entries = std::fs::read_dir(folder.path()).unwrap();
    let listed: BTreeSet<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    let expected = [document].into_iter().chain(written.then_some(out));
    assert_eq!(
        listed,
        BTreeSet::from_iter(expected),
        "nothing is written elsewhere"
    );
}

fn check_size(width: u32, height: u32) {
    assert!(width > 0 && height > 0 && width.max(height) <= LIMITS.max_side);
    assert!(u64::from(width) * u64::from(height) <= LIMITS.max_pixels);
}

fn check_told(text: &str) {
    assert!(
        text.len() <= MOST_TOLD,
        "{} bytes are told: {text:.100}",
        text.len()
    );
}
