//! Documents for the tests.

use std::io::Cursor;
use std::path::Path;

use image::codecs::gif::GifEncoder;
use image::{DynamicImage, Frame, ImageFormat, RgbImage};
use pages::{Limits, RgbPage, SplitPage};
use sha2::{Digest, Sha256};

pub const FORMATS: [ImageFormat; 6] = [
    ImageFormat::Png,
    ImageFormat::Jpeg,
    ImageFormat::WebP,
    ImageFormat::Tiff,
    ImageFormat::Bmp,
    ImageFormat::Gif,
];

pub fn limits() -> Limits {
    Limits::default()
}

pub fn decode(bytes: &[u8]) -> RgbPage {
    pages::decode(bytes, &limits()).unwrap()
}

/// A page of what `document` was split into, which is as it was told of.
pub fn bytes_of(page: &SplitPage, document: &Path, out: &Path) -> Vec<u8> {
    let bytes = match page.at {
        None => std::fs::read(document).unwrap(),
        Some(at) => std::fs::read(out).unwrap()[at as usize..][..page.bytes as usize].to_vec(),
    };
    assert_eq!(page.bytes, bytes.len() as u64);
    assert_eq!(page.sha256, hex::encode(Sha256::digest(&bytes)));
    bytes
}

/// The code with which `bytes` are refused.
pub fn refusal(bytes: &[u8]) -> &'static str {
    pages::decode(bytes, &limits()).unwrap_err().code()
}

/// A picture without any symmetry.
pub fn picture(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        image::Rgb([
            (x * 255 / width) as u8,
            (y * 255 / height) as u8,
            ((x * y) % 200) as u8,
        ])
    })
}

pub fn encode(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

pub fn animated_gif(frames: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new_with_speed(&mut bytes, 30);
    for index in 0..frames {
        let grey = if index == 0 { 255 } else { 0 };
        let image = image::RgbaImage::from_pixel(8, 6, image::Rgba([grey, grey, grey, 255]));
        encoder.encode_frame(Frame::new(image)).unwrap();
    }
    drop(encoder);
    bytes
}

/// Puts an EXIF segment with this orientation behind the start of a JPEG.
pub fn with_exif(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    let length = (exif.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe1], &length, &exif, &jpeg[2..]].concat()
}

/// One uncompressed grey page of a TIFF written by hand.
pub struct TiffPage {
    pub width: u16,
    pub height: u16,
    pub orientation: u16,
    pub grey: u8,
}

pub fn tiff(pages: &[TiffPage]) -> Vec<u8> {
    const ENTRIES: usize = 9;
    let mut bytes = b"II\x2a\0\x08\0\0\0".to_vec();
    for (index, page) in pages.iter().enumerate() {
        let strip = bytes.len() + 2 + ENTRIES * 12 + 4;
        let length = usize::from(page.width) * usize::from(page.height);
        let entries = [
            (256, u32::from(page.width)),
            (257, u32::from(page.height)),
            (258, 8),
            (259, 1),
            (262, 1),
            (273, strip as u32),
            (274, u32::from(page.orientation)),
            (278, u32::from(page.height)),
            (279, length as u32),
        ];
        bytes.extend((ENTRIES as u16).to_le_bytes());
        for (tag, value) in entries {
            bytes.extend([(tag as u16).to_le_bytes(), [4, 0]].concat());
            bytes.extend([1_u32.to_le_bytes(), value.to_le_bytes()].concat());
        }
        let next = if index + 1 < pages.len() {
            strip + length
        } else {
            0
        };
        bytes.extend((next as u32).to_le_bytes());
        bytes.extend(std::iter::repeat_n(page.grey, length));
    }
    bytes
}

/// A PNG written by hand from its header and further chunks.
pub fn png(width: u32, height: u32, depth: u8, colour: u8, chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    let header = [
        &width.to_be_bytes()[..],
        &height.to_be_bytes(),
        &[depth, colour, 0, 0, 0],
    ]
    .concat();
    let all = [(b"IHDR", header)]
        .into_iter()
        .chain(chunks.iter().cloned())
        .chain([(b"IEND", Vec::new())]);
    for (kind, data) in all {
        let body = [&kind[..], &data].concat();
        bytes.extend((data.len() as u32).to_be_bytes());
        bytes.extend(&body);
        bytes.extend(crc32(&body).to_be_bytes());
    }
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for &byte in bytes {
        sum ^= u32::from(byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 {
                sum >> 1 ^ 0xedb8_8320
            } else {
                sum >> 1
            };
        }
    }
    !sum
}

/// `data` as a zlib stream that stores it.
pub fn stored(data: &[u8]) -> Vec<u8> {
    let length = data.len() as u16;
    let (mut low, mut high) = (1_u32, 0_u32);
    for &byte in data {
        low = (low + u32::from(byte)) % 65_521;
        high = (high + low) % 65_521;
    }
    let adler = high << 16 | low;
    [
        &[0x78, 1, 1][..],
        &length.to_le_bytes(),
        &(!length).to_le_bytes(),
        data,
        &adler.to_be_bytes(),
    ]
    .concat()
}
