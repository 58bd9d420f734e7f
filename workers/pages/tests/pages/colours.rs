use image::{DynamicImage, ImageBuffer, ImageFormat};

use crate::documents::{FORMATS, animated_gif, decode, encode, picture, png, stored};

#[test]
fn every_format_gives_its_pixels() {
    let image = picture(40, 24);
    for format in FORMATS {
        let page = decode(&encode(image.clone(), format));
        assert_eq!((page.width, page.height), (40, 24), "{format:?}");
        let off: u32 = page
            .pixels
            .iter()
            .zip(image.as_raw())
            .map(|(a, b)| u32::from(a.abs_diff(*b)))
            .sum();
        let mean_off = off / page.pixels.len() as u32;
        // JPEG and GIF's palette lose something; the others nothing.
        let allowed = if matches!(format, ImageFormat::Jpeg | ImageFormat::Gif) {
            16
        } else {
            0
        };
        assert!(
            mean_off <= allowed && (allowed > 0 || off == 0),
            "{format:?}: {off}"
        );
    }
}

#[test]
fn alpha_is_dropped_and_not_composited() {
    let image = ImageBuffer::from_fn(2, 1, |x, _| {
        image::Rgba([10, 20, 30, if x == 0 { 0 } else { 128 }])
    });
    for format in [
        ImageFormat::Png,
        ImageFormat::WebP,
        ImageFormat::Tiff,
        ImageFormat::Bmp,
    ] {
        let bytes = encode(DynamicImage::ImageRgba8(image.clone()), format);
        assert_eq!(decode(&bytes).pixels, [10, 20, 30, 10, 20, 30], "{format:?}");
    }
    let grey = ImageBuffer::from_pixel(1, 1, image::LumaA([77_u8, 0]));
    assert_eq!(
        decode(&encode(DynamicImage::ImageLumaA8(grey), ImageFormat::Png)).pixels,
        [77; 3]
    );
}

#[test]
fn of_sixteen_bits_the_upper_eight_are_kept() {
    let colour = ImageBuffer::from_pixel(1, 1, image::Rgb([0x12ff_u16, 0x0080, 0xff00]));
    let alpha = ImageBuffer::from_pixel(1, 1, image::Rgba([0x12ff_u16, 0x0080, 0xff00, 0]));
    let grey = ImageBuffer::from_pixel(1, 1, image::Luma([0x45ff_u16]));
    let grey_alpha = ImageBuffer::from_pixel(1, 1, image::LumaA([0x45ff_u16, 0]));
    for format in [ImageFormat::Png, ImageFormat::Tiff] {
        let pixels = |image: DynamicImage| decode(&encode(image, format)).pixels;
        assert_eq!(pixels(colour.clone().into()), [0x12, 0, 0xff]);
        assert_eq!(pixels(alpha.clone().into()), [0x12, 0, 0xff]);
        assert_eq!(pixels(grey.clone().into()), [0x45; 3]);
    }
    assert_eq!(decode(&encode(grey_alpha, ImageFormat::Png)).pixels, [0x45; 3]);
}

#[test]
fn a_palette_is_looked_up_and_its_transparency_dropped() {
    let palette = vec![200, 100, 50, 1, 2, 3];
    let data = stored(&[0, 0b0100_0000]);
    let chunks = [(b"PLTE", palette), (b"tRNS", vec![0, 255]), (b"IDAT", data)];
    assert_eq!(decode(&png(2, 1, 1, 3, &chunks)).pixels, [200, 100, 50, 1, 2, 3]);
}

#[test]
fn few_grey_levels_fill_the_whole_range() {
    let bits = png(2, 1, 1, 0, &[(b"IDAT", stored(&[0, 0b0100_0000]))]);
    assert_eq!(decode(&bits).pixels, [0, 0, 0, 255, 255, 255]);
    let two_bits = png(2, 1, 2, 0, &[(b"IDAT", stored(&[0, 0b0110_0000]))]);
    assert_eq!(decode(&two_bits).pixels, [85, 85, 85, 170, 170, 170]);
}

#[test]
fn of_a_gif_with_many_frames_the_first_is_the_page() {
    let page = decode(&animated_gif(3_000));
    assert_eq!((page.width, page.height), (8, 6));
    assert!(page.pixels.iter().all(|&sample| sample == 255));
}
