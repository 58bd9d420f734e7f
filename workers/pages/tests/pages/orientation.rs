use image::ImageFormat;
use pages::RgbPage;

use crate::documents::{TiffPage, decode, encode, picture, png, stored, tiff, with_exif};

/// Where the stored pixel (x, y) of a page of `width` x `height` is seen, by the meaning of the tag: which
/// side the first stored row and the first stored column are on.
fn seen_at(orientation: u8, (x, y): (u32, u32), (width, height): (u32, u32)) -> (u32, u32) {
    let (from_right, from_bottom) = (width - 1 - x, height - 1 - y);
    match orientation {
        1 => (x, y),
        2 => (from_right, y),
        3 => (from_right, from_bottom),
        4 => (x, from_bottom),
        5 => (y, x),
        6 => (from_bottom, x),
        7 => (from_bottom, from_right),
        _ => (y, from_right),
    }
}

fn pixel(page: &RgbPage, (x, y): (u32, u32)) -> &[u8] {
    let start = 3 * (y * page.width + x) as usize;
    &page.pixels[start..start + 3]
}

#[test]
fn a_jpeg_is_turned_as_each_exif_orientation_says() {
    let jpeg = encode(picture(24, 16), ImageFormat::Jpeg);
    let stored = decode(&jpeg);
    for orientation in 1..=8 {
        let upright = decode(&with_exif(&jpeg, orientation));
        let size = if orientation < 5 { (24, 16) } else { (16, 24) };
        assert_eq!((upright.width, upright.height), size, "orientation {orientation}");
        for at in (0..24).flat_map(|x| (0..16).map(move |y| (x, y))) {
            let seen = seen_at(orientation, at, (24, 16));
            assert_eq!(
                pixel(&upright, seen),
                pixel(&stored, at),
                "orientation {orientation}, {at:?}"
            );
        }
    }
}

#[test]
fn an_orientation_outside_its_range_turns_nothing() {
    let jpeg = encode(picture(24, 16), ImageFormat::Jpeg);
    for orientation in [0, 9, 255] {
        assert_eq!(decode(&with_exif(&jpeg, orientation)), decode(&jpeg));
    }
}

#[test]
fn a_tiff_and_a_png_are_turned_too() {
    let page = |orientation| TiffPage {
        width: 4,
        height: 2,
        orientation,
        grey: 9,
    };
    let turned = decode(&tiff(&[page(6)]));
    assert_eq!((turned.width, turned.height), (2, 4));
    let exif = b"II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x08\0\0\0\0\0\0\0".to_vec();
    let turned = decode(&png(
        2,
        1,
        8,
        0,
        &[(b"eXIf", exif), (b"IDAT", stored(&[0, 1, 2]))],
    ));
    assert_eq!((turned.width, turned.height), (1, 2));
    assert_eq!(turned.pixels, [2, 2, 2, 1, 1, 1]);
}
