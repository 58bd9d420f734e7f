//! The program as the child process that splits documents.

use std::path::PathBuf;
use std::time::Duration;

use pages::child::Splitter;
use pages::{Fonts, Limits, PageError};
use tempfile::TempDir;

fn splitter(memory_limit: u64) -> Splitter {
    Splitter {
        program: PathBuf::from(env!("CARGO_BIN_EXE_glmhub")),
        time_limit: Duration::from_secs(60),
        memory_limit,
        limits: Limits::default(),
        fonts: Fonts::default(),
    }
}

/// A document of one page, and where its pages go.
fn black_page(width: u32, height: u32) -> (TempDir, PathBuf, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let (path, out) = (dir.path().join("page.png"), dir.path().join("pages"));
    image::RgbImage::new(width, height).save(&path).unwrap();
    (dir, path, out)
}

#[test]
fn the_program_splits_for_the_hub() {
    let (_dir, path, out) = black_page(40, 30);
    let split = splitter(512 << 20).split(&path, &out).unwrap();
    assert_eq!(
        split,
        pages::split(&path, &out, &Limits::default(), &Fonts::default()).unwrap()
    );
    assert_eq!((split.pages[0].width, split.pages[0].height), (40, 30));
}

#[test]
fn the_memory_limit_holds_whatever_the_programs_allocator_does() {
    // 27 million pixels: 81 MB when decoded, in a file of a few kilobytes.
    let (_dir, path, out) = black_page(6_000, 4_500);
    let refused = splitter(32 << 20).split(&path, &out).unwrap_err();
    assert!(matches!(refused, PageError::Crashed { .. }), "{refused:?}");
    assert!(splitter(512 << 20).split(&path, &out).is_ok());
}
