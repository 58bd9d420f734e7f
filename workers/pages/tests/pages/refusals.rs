use image::ImageFormat;
use pages::{Limits, PageError};

use crate::documents::{
    FORMATS, TiffPage, animated_gif, encode, limits, picture, png, refusal, stored, tiff,
};

#[test]
fn an_empty_document_is_refused() {
    assert_eq!(refusal(b""), "empty_document");
}

#[test]
fn what_is_no_image_is_refused() {
    assert_eq!(refusal(b"Dear reader, this is no image."), "unsupported_format");
    assert_eq!(refusal(b"%PDF-1.7 ..."), "unsupported_format");
    assert_eq!(refusal(b"qoif\0\0\0\x01\0\0\0\x01\x03\0"), "unsupported_format");
    assert_eq!(refusal(&[0; 64]), "unsupported_format");
    let message = pages::decode(b"text", &limits()).unwrap_err().to_string();
    assert!(
        message.contains("give PNG, JPEG, WebP, TIFF, BMP or GIF"),
        "{message}"
    );
}

#[test]
fn an_image_that_ends_anywhere_too_early_is_refused() {
    for format in FORMATS {
        let bytes = encode(picture(20, 20), format);
        // Of a GIF the trailer behind the frame may be missing: nothing is lost then.
        let needed = if format == ImageFormat::Gif {
            bytes.len() - 1
        } else {
            bytes.len()
        };
        for length in 0..needed {
            let refused = pages::decode(&bytes[..length], &limits());
            assert!(refused.is_err(), "{format:?}, {length} of {} bytes", bytes.len());
        }
    }
}

#[test]
fn an_image_cut_in_half_is_called_truncated() {
    for format in FORMATS {
        let bytes = encode(picture(60, 60), format);
        assert_eq!(
            refusal(&bytes[..bytes.len() / 2]),
            "image_truncated",
            "{format:?}"
        );
    }
}

#[test]
fn bytes_that_were_overwritten_never_break_the_process() {
    for format in FORMATS {
        let whole = encode(picture(24, 24), format);
        for at in 0..whole.len().min(400) {
            for value in [0x00, 0xff, 0x7f] {
                let mut bytes = whole.clone();
                bytes[at] = value;
                if let Ok(page) = pages::decode(&bytes, &limits()) {
                    assert_eq!(
                        page.pixels.len() as u64,
                        3 * u64::from(page.width) * u64::from(page.height)
                    );
                }
            }
        }
    }
}

#[test]
fn a_png_bomb_is_refused_by_its_header() {
    let bomb = png(60_000, 60_000, 8, 2, &[(b"IDAT", stored(&[0; 100]))]);
    assert_eq!(refusal(&bomb), "image_too_large");
    let widest = png(i32::MAX as u32, 1, 16, 6, &[(b"IDAT", stored(&[0; 100]))]);
    assert_eq!(refusal(&widest), "image_too_large");
    let message = pages::decode(&bomb, &limits()).unwrap_err().to_string();
    assert!(message.contains("60000 x 60000"), "{message}");
}

#[test]
fn bombs_of_other_formats_are_refused_by_their_headers() {
    let mut gif = animated_gif(1);
    gif[6..10].fill(0xff);
    assert_eq!(refusal(&gif), "image_too_large");
    let mut bmp = encode(picture(4, 4), ImageFormat::Bmp);
    bmp[18..22].copy_from_slice(&60_000_u32.to_le_bytes());
    bmp[22..26].copy_from_slice(&60_000_u32.to_le_bytes());
    assert_eq!(refusal(&bmp), "image_too_large");
    let mut jpeg = encode(picture(8, 8), ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].fill(0xfe);
    assert_eq!(refusal(&jpeg), "image_too_large");
    let mut sheet = tiff(&[TiffPage {
        width: 4,
        height: 4,
        orientation: 1,
        grey: 0,
    }]);
    for field in [18, 30, 102] {
        sheet[field..field + 2].fill(0xff);
    }
    assert_eq!(refusal(&sheet), "image_too_large");
}

#[test]
fn every_limit_is_kept_to_the_pixel_and_byte() {
    let bytes = encode(picture(30, 20), ImageFormat::Png);
    let exact = Limits {
        max_bytes: bytes.len() as u64,
        max_pixels: 600,
        max_side: 30,
        max_pages: 1,
        ..Limits::default()
    };
    assert!(pages::decode(&bytes, &exact).is_ok());
    let code = |limits: Limits| pages::decode(&bytes, &limits).unwrap_err().code();
    assert_eq!(
        code(Limits {
            max_bytes: exact.max_bytes - 1,
            ..exact
        }),
        "document_too_large"
    );
    assert_eq!(
        code(Limits {
            max_pixels: 599,
            ..exact
        }),
        "image_too_large"
    );
    assert_eq!(
        code(Limits {
            max_side: 29,
            ..exact
        }),
        "image_too_large"
    );
}

#[test]
fn colours_that_no_page_has_are_refused_by_name() {
    let float = image::ImageBuffer::from_pixel(2, 2, image::Rgb([0.5_f32, 0.1, 0.2]));
    let found = pages::decode(&encode(float, ImageFormat::Tiff), &limits()).unwrap_err();
    assert!(
        matches!(&found, PageError::UnsupportedFormat { found } if found.contains("TIFF")),
        "{found:?}"
    );
}
