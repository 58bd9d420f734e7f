use std::path::{Path, PathBuf};

use image::ImageFormat;
use pages::{Fonts, Limits, PageError, SplitPage};
use tempfile::TempDir;

use crate::documents::{TiffPage, animated_gif, bytes_of, decode, encode, limits, picture, tiff, with_exif};

fn split(bytes: &[u8], limits: &Limits) -> (TempDir, Result<Vec<SplitPage>, PageError>) {
    let dir = tempfile::tempdir().unwrap();
    let (document, out) = places(&dir);
    std::fs::write(&document, bytes).unwrap();
    let pages = pages::split(&document, &out, limits, &Fonts::default()).map(|split| split.pages);
    (dir, pages)
}

/// Where the document and its pages are.
fn places(dir: &TempDir) -> (PathBuf, PathBuf) {
    (dir.path().join("document"), dir.path().join("pages"))
}

fn wrote_nothing(dir: &TempDir) -> bool {
    !places(dir).1.exists()
}

fn check(dir: &TempDir, page: &SplitPage) -> Vec<u8> {
    let (document, out) = places(dir);
    let bytes = bytes_of(page, &document, &out);
    let decoded = decode(&bytes);
    assert_eq!((page.width, page.height), (decoded.width, decoded.height));
    bytes
}

#[test]
fn an_upright_single_image_keeps_its_bytes() {
    let formats = [
        ImageFormat::Png,
        ImageFormat::Jpeg,
        ImageFormat::WebP,
        ImageFormat::Tiff,
        ImageFormat::Bmp,
    ];
    for format in formats {
        let bytes = encode(picture(30, 20), format);
        let (dir, pages) = split(&bytes, &limits());
        let pages = pages.unwrap();
        assert_eq!(pages.len(), 1, "{format:?}");
        assert_eq!((pages[0].number, pages[0].at), (1, None));
        assert_eq!(check(&dir, &pages[0]), bytes, "{format:?}");
        assert!(wrote_nothing(&dir));
    }
}

#[test]
fn a_turned_image_becomes_an_upright_png_with_the_same_pixels() {
    let document = with_exif(&encode(picture(24, 16), ImageFormat::Jpeg), 6);
    let (dir, pages) = split(&document, &limits());
    let bytes = check(&dir, &pages.unwrap()[0]);
    assert_eq!(image::guess_format(&bytes).unwrap(), ImageFormat::Png);
    assert_eq!(decode(&bytes), decode(&document));
}

#[test]
fn a_gif_becomes_a_png_of_its_first_frame() {
    let document = animated_gif(50);
    let (dir, pages) = split(&document, &limits());
    let pages = pages.unwrap();
    assert_eq!(pages.len(), 1);
    let bytes = check(&dir, &pages[0]);
    assert_eq!(image::guess_format(&bytes).unwrap(), ImageFormat::Png);
    assert_eq!(decode(&bytes), decode(&document));
}

#[test]
fn the_pages_of_a_tiff_lie_one_after_the_other() {
    let page = |width, height, orientation, grey| TiffPage {
        width,
        height,
        orientation,
        grey,
    };
    let document = tiff(&[page(5, 3, 1, 10), page(7, 2, 6, 20), page(1, 1, 1, 30)]);
    let (dir, pages) = split(&document, &limits());
    let pages = pages.unwrap();
    let sizes: Vec<_> = pages
        .iter()
        .map(|page| (page.number, page.width, page.height))
        .collect();
    assert_eq!(sizes, [(1, 5, 3), (2, 2, 7), (3, 1, 1)]);
    for (page, grey) in pages.iter().zip([10, 20, 30]) {
        let pixels = decode(&check(&dir, page)).pixels;
        assert!(pixels.iter().all(|&sample| sample == grey));
    }
    let ends = pages.iter().scan(0, |end, page| {
        *end += page.bytes;
        Some(*end)
    });
    let begins = pages.iter().map(|page| page.at);
    assert!(begins.eq([0].into_iter().chain(ends).take(3).map(Some)));
    assert_eq!(decode(&document).pixels, [10; 45]);
}

#[test]
fn a_tiff_with_too_many_pages_is_refused_before_any_is_written() {
    let pages: Vec<_> = (0..4)
        .map(|grey| TiffPage {
            width: 2,
            height: 2,
            orientation: 1,
            grey,
        })
        .collect();
    let (dir, refused) = split(
        &tiff(&pages),
        &Limits {
            max_pages: 3,
            ..limits()
        },
    );
    assert_eq!(refused, Err(PageError::TooManyPages { limit: 3 }));
    assert!(wrote_nothing(&dir));
}

#[test]
fn when_a_later_page_is_broken_no_file_is_left() {
    let page = |grey| TiffPage {
        width: 9,
        height: 9,
        orientation: 1,
        grey,
    };
    let document = tiff(&[page(1), page(2)]);
    let (dir, refused) = split(&document[..document.len() - 40], &limits());
    assert_eq!(refused.unwrap_err().code(), "image_truncated");
    assert!(wrote_nothing(&dir));
}

#[test]
fn a_document_longer_than_allowed_is_not_read() {
    let bytes = encode(picture(30, 20), ImageFormat::Bmp);
    let (_dir, refused) = split(
        &bytes,
        &Limits {
            max_bytes: 100,
            ..limits()
        },
    );
    assert_eq!(
        refused,
        Err(PageError::DocumentTooLarge {
            bytes: bytes.len() as u64,
            limit: 100
        })
    );
}

#[test]
fn a_missing_document_is_not_the_documents_fault() {
    let refused = pages::split(
        Path::new("/nowhere/at/all"),
        Path::new("/tmp"),
        &limits(),
        &Fonts::default(),
    )
    .unwrap_err();
    assert_eq!(refused.code(), "page_storage");
    assert!(!refused.is_documents_fault());
}
