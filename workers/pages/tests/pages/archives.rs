//! ZIP archives of documents, friendly and hostile.

use std::io::{Cursor, Write as _};

use image::ImageFormat;
use pages::{Fonts, Limits, PageError, SplitPage};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::documents::{encode, limits, picture};

pub fn zip_of(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, bytes) in members {
        archive.start_file(*name, options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

pub fn image(width: u32) -> Vec<u8> {
    encode(picture(width, 20), ImageFormat::Png)
}

pub fn split(bytes: &[u8], limits: &Limits) -> Result<Vec<SplitPage>, PageError> {
    let dir = tempfile::tempdir().unwrap();
    let document = dir.path().join("document");
    std::fs::write(&document, bytes).unwrap();
    let out = dir.path().join("pages");
    let pages = pages::split(&document, &out, limits, &Fonts::default()).map(|split| split.pages);
    if pages.is_err() {
        assert!(!out.exists(), "nothing is left behind");
    }
    pages
}

pub fn code(bytes: &[u8], limits: &Limits) -> &'static str {
    split(bytes, limits).unwrap_err().code()
}

#[test]
fn members_become_pages_in_the_order_of_their_names() {
    let archive = zip_of(&[
        ("scans/page-10.png", &image(110)),
        ("scans/page-9.jpg", &encode(picture(109, 20), ImageFormat::Jpeg)),
        ("__MACOSX/scans/._page-9.jpg", b"litter"),
        ("scans/.DS_Store", b"litter"),
        ("cover.png", &image(100)),
    ]);
    let pages = split(&archive, &limits()).unwrap();
    let seen: Vec<_> = pages.iter().map(|page| (page.number, page.width)).collect();
    assert_eq!(seen, [(1, 100), (2, 109), (3, 110)]);
}

#[test]
fn all_pages_together_are_no_more_than_allowed() {
    let (one, two) = (image(30), image(40));
    let archive = zip_of(&[("1.png", &one), ("2.png", &two)]);
    let within = |max_pages| Limits {
        max_pages,
        ..limits()
    };
    assert_eq!(split(&archive, &within(2)).unwrap().len(), 2);
    assert_eq!(code(&archive, &within(1)), "too_many_pages");
}

#[test]
fn a_bomb_is_unpacked_no_further_than_allowed() {
    let zeros = vec![0; 10 << 20];
    let archive = zip_of(&[("1.bmp", &zeros), ("2.bmp", &zeros)]);
    assert!(archive.len() < 100_000);
    let small = Limits {
        max_bytes: 1 << 20,
        ..limits()
    };
    assert_eq!(code(&archive, &small), "archive_too_large");
    let whole = zip_of(&[("1.png", &image(30)), ("2.png", &image(30))]);
    let exact = Limits {
        max_unpacked: 2 * image(30).len() as u64,
        ..limits()
    };
    assert_eq!(split(&whole, &exact).unwrap().len(), 2);
    let tight = Limits {
        max_unpacked: exact.max_unpacked - 1,
        ..exact
    };
    assert_eq!(code(&whole, &tight), "archive_too_large");
}

#[test]
fn names_that_lead_out_and_links_are_refused() {
    let page = image(30);
    for name in ["../page.png", "a/../../page.png", "a\\..\\page.png"] {
        assert_eq!(
            code(&zip_of(&[(name, &page)]), &limits()),
            "archive_member",
            "{name}"
        );
    }
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    archive
        .add_symlink("page.png", "/etc/passwd", SimpleFileOptions::default())
        .unwrap();
    let linked = archive.finish().unwrap().into_inner();
    assert_eq!(code(&linked, &limits()), "archive_member");
}

#[test]
fn a_member_that_is_no_document_is_named() {
    let archive = zip_of(&[("a.png", &image(30)), ("notes.txt", b"Dear reader")]);
    let error = split(&archive, &limits()).unwrap_err();
    assert_eq!(error.code(), "archive_member");
    assert!(error.to_string().contains("notes.txt"), "{error}");
    let nested = zip_of(&[("inner.zip", &zip_of(&[("a.png", &image(30))]))]);
    assert_eq!(code(&nested, &limits()), "archive_member");
}

#[test]
fn an_archive_that_is_empty_or_cut_off_says_so() {
    assert_eq!(code(&zip_of(&[]), &limits()), "empty_document");
    assert_eq!(code(&zip_of(&[("__MACOSX/x", b"")]), &limits()), "empty_document");
    let whole = zip_of(&[("a.png", &image(30))]);
    assert_eq!(code(&whole[..whole.len() - 10], &limits()), "archive_malformed");
    let mut damaged = whole.clone();
    damaged[80] ^= 0xff;
    assert_eq!(code(&damaged, &limits()), "archive_member");
}
