//! What a document is, by its bytes, and whether all of it is there.

use image::ImageFormat;

use crate::PageError;

const PNG_SIGNATURE: usize = 8;
/// Length, kind and checksum around a PNG chunk's data.
const PNG_CHUNK_FRAME: usize = 12;

/// Whether `bytes` are a PDF document. Some writers put a few bytes in front, and readers go along with that.
pub(crate) fn is_pdf(bytes: &[u8]) -> bool {
    const HEAD: usize = 1024;
    let head = &bytes[..bytes.len().min(HEAD)];
    image::guess_format(bytes).is_err() && head.windows(5).any(|window| window == b"%PDF-")
}

/// How many bytes [`is_zip`] looks at.
pub(crate) const ZIP_HEAD: u64 = 4;

/// Whether `bytes` begin a ZIP archive, perhaps an empty one.
pub(crate) fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06")
}

/// The format of `bytes`, if it is one that is supported and the bytes are whole.
pub(crate) fn recognise(bytes: &[u8]) -> Result<ImageFormat, PageError> {
    let format = match image::guess_format(bytes) {
        Ok(format) if name(format).is_some() => format,
        Ok(format) => return Err(unsupported(&format!("the format {format:?}"))),
        Err(_) if is_pdf(bytes) => return Err(unsupported("a PDF document where an image is wanted")),
        Err(_) => return Err(unsupported("what the document contains")),
    };
    let whole = match format {
        ImageFormat::Png => png_is_whole(bytes),
        ImageFormat::Jpeg => jpeg_is_whole(bytes),
        ImageFormat::WebP => webp_is_whole(bytes),
        ImageFormat::Gif => gif_has_a_frame(bytes).is_some(),
        _ => true,
    };
    if whole {
        Ok(format)
    } else {
        Err(PageError::ImageTruncated {
            format: label(format),
        })
    }
}

fn unsupported(found: &str) -> PageError {
    PageError::UnsupportedFormat {
        found: found.to_owned(),
    }
}

fn name(format: ImageFormat) -> Option<&'static str> {
    match format {
        ImageFormat::Png => Some("PNG"),
        ImageFormat::Jpeg => Some("JPEG"),
        ImageFormat::WebP => Some("WebP"),
        ImageFormat::Tiff => Some("TIFF"),
        ImageFormat::Bmp => Some("BMP"),
        ImageFormat::Gif => Some("GIF"),
        _ => None,
    }
}

/// The format's name for messages.
pub(crate) fn label(format: ImageFormat) -> String {
    name(format).unwrap_or("unknown").to_owned()
}

/// Whether a page file in this format may show more than one frame to another program.
pub(crate) fn may_be_animated(format: ImageFormat, bytes: &[u8]) -> bool {
    const ANIMATION: u8 = 0b10;
    match format {
        ImageFormat::Gif => true,
        ImageFormat::WebP => {
            bytes.get(12..16) == Some(b"VP8X") && bytes.get(20).is_some_and(|flags| flags & ANIMATION != 0)
        }
        _ => false,
    }
}

/// Every chunk is there, up to and with the one that ends the image.
fn png_is_whole(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(PNG_SIGNATURE..).unwrap_or_default();
    loop {
        let Some((length, kind)) = rest.first_chunk::<8>().map(|head| head.split_at(4)) else {
            return false;
        };
        let length = length.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
        match rest.get(length + PNG_CHUNK_FRAME..) {
            None => return false,
            Some(_) if kind == b"IEND" => return true,
            Some(behind) => rest = behind,
        }
    }
}

/// The end marker is there. Decoders are lenient and would fill the missing part with grey. Segments are
/// skipped by their length, because an embedded preview has an end marker of its own.
fn jpeg_is_whole(bytes: &[u8]) -> bool {
    let mut at = 0;
    while let Some((marker, behind)) = next_marker(bytes, at) {
        at = match marker {
            0xd9 => return true,
            // Standing alone: start of image, restarts, and stuffed bytes of the compressed data.
            0x00 | 0x01 | 0xd0..=0xd8 => behind,
            _ => match bytes.get(behind..behind + 2) {
                Some(length) => behind + usize::from(u16::from_be_bytes([length[0], length[1]])),
                None => return false,
            },
        };
    }
    false
}

/// The first marker at or behind `at`, and where it ends. A marker may be filled up with more 0xff.
fn next_marker(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    let start = at + bytes.get(at..)?.iter().position(|&byte| byte == 0xff)?;
    let kind = start + bytes[start..].iter().position(|&byte| byte != 0xff)?;
    Some((bytes[kind], kind + 1))
}

fn webp_is_whole(bytes: &[u8]) -> bool {
    match bytes.get(4..8) {
        Some(&[a, b, c, d]) => u32::from_le_bytes([a, b, c, d]) as usize <= bytes.len() - 8,
        _ => false,
    }
}

/// The first frame is there with its end. What follows it is not looked at.
fn gif_has_a_frame(bytes: &[u8]) -> Option<()> {
    const EXTENSION: u8 = 0x21;
    const FRAME: u8 = 0x2c;
    let mut at = 13 + gif_table(*bytes.get(10)?);
    loop {
        match *bytes.get(at)? {
            EXTENSION => at = gif_blocks_end(bytes, at + 2)?,
            // Nine bytes of place and size with the table's flags, the table, and the code size.
            FRAME => {
                let table = gif_table(*bytes.get(at + 9)?);
                return gif_blocks_end(bytes, at + 10 + table + 1).map(|_| ());
            }
            // The trailer, or nonsense: no frame, and the decoder says so.
            _ => return Some(()),
        }
    }
}

/// Bytes of the colour table that `flags` announce.
fn gif_table(flags: u8) -> usize {
    if flags & 0x80 == 0 {
        0
    } else {
        3 << ((flags & 7) + 1)
    }
}

/// Where the chain of data blocks that starts at `at` ends.
fn gif_blocks_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match usize::from(*bytes.get(at)?) {
            0 => return Some(at + 1),
            length => at += 1 + length,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_marker_inside_a_segment_does_not_end_a_jpeg() {
        let preview = [0xff, 0xd8, 0xff, 0xe1, 0, 6, 0xff, 0xd9, 0, 0];
        assert!(!jpeg_is_whole(&preview));
        let scan = [0xff, 0xda, 0, 2, 1, 0xff, 0, 0xff, 0xd3, 9];
        assert!(!jpeg_is_whole(&[&preview[..], &scan].concat()));
        assert!(jpeg_is_whole(
            &[&preview[..], &scan, &[0xff, 0xff, 0xd9]].concat()
        ));
    }

    #[test]
    fn a_length_beyond_the_end_is_no_whole_image() {
        assert!(!jpeg_is_whole(&[0xff, 0xd8, 0xff, 0xe1, 0xff, 0xff, 0xff, 0xd9]));
        assert!(!png_is_whole(b"\x89PNG\r\n\x1a\n\xff\xff\xff\xffIDATxxxx"));
        assert!(!webp_is_whole(b"RIFF\xff\xff\xff\xffWEBP"));
        assert!(!webp_is_whole(b"RIFF"));
    }
}
