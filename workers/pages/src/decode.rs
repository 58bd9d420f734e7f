//! From the bytes of one image to an upright RGB page.

use std::error::Error;
use std::io::{self, Cursor};
use std::panic::{AssertUnwindSafe, catch_unwind};

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, RgbImage};

use crate::{Limits, PageError, RgbPage, format, tiff};

/// The first page of the document `bytes`: a GIF's or WebP's first frame, a TIFF's first page.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<RgbPage, PageError> {
    limits.check_bytes(bytes.len() as u64)?;
    let format = format::recognise(bytes)?;
    if format == ImageFormat::Tiff {
        let directories = tiff::page_directories(bytes, limits.max_pages)?;
        return TiffPages::new(bytes, limits)
            .page(directories[0])
            .map(|decoded| decoded.page);
    }
    decode_image(bytes, format, limits).map(|decoded| decoded.page)
}

/// A page, and whether it had to be turned.
pub(crate) struct Decoded {
    pub page: RgbPage,
    pub was_turned: bool,
}

/// Decodes the pages of one TIFF document, each when it is asked for.
pub(crate) struct TiffPages<'l> {
    /// A copy of the document, whose header points to the page at hand.
    bytes: Vec<u8>,
    limits: &'l Limits,
}

impl<'l> TiffPages<'l> {
    pub fn new(bytes: &[u8], limits: &'l Limits) -> TiffPages<'l> {
        TiffPages {
            bytes: bytes.to_vec(),
            limits,
        }
    }

    pub fn page(&mut self, directory: u64) -> Result<Decoded, PageError> {
        tiff::point_at(&mut self.bytes, directory)?;
        decode_image(&self.bytes, ImageFormat::Tiff, self.limits)
    }
}

/// Decodes one image. A decoder that panics on hostile bytes costs the document, not the process.
pub(crate) fn decode_image(bytes: &[u8], format: ImageFormat, limits: &Limits) -> Result<Decoded, PageError> {
    catch_unwind(AssertUnwindSafe(|| decode_within(bytes, format, limits)))
        .unwrap_or_else(|_| Err(malformed(format, "the decoder gave up")))
}

fn decode_within(bytes: &[u8], format: ImageFormat, limits: &Limits) -> Result<Decoded, PageError> {
    let explain = |error| explain(error, format);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut decoder_limits = image::Limits::no_limits();
    decoder_limits.max_alloc = Some(limits.max_decoder_bytes());
    reader.limits(decoder_limits);
    let mut decoder = reader.into_decoder().map_err(explain)?;
    let (width, height) = decoder.dimensions();
    limits.check_size(width, height)?;
    if width == 0 || height == 0 {
        return Err(malformed(format, "it has no pixels"));
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let decoded = DynamicImage::from_decoder(decoder).map_err(explain)?;
    let mut upright = DynamicImage::ImageRgb8(to_rgb(decoded, format)?);
    upright.apply_orientation(orientation);
    let upright = upright.into_rgb8();
    let page = RgbPage {
        width: upright.width(),
        height: upright.height(),
        pixels: upright.into_raw(),
    };
    Ok(Decoded {
        page,
        was_turned: orientation != Orientation::NoTransforms,
    })
}

/// Eight bits of red, green and blue; what becomes of other colours is said at the top of the crate.
fn to_rgb(decoded: DynamicImage, format: ImageFormat) -> Result<RgbImage, PageError> {
    let (width, height) = (decoded.width(), decoded.height());
    let pixels = match decoded {
        DynamicImage::ImageRgb8(image) => return Ok(image),
        DynamicImage::ImageLuma8(image) => grey::<1, u8>(image.as_raw()),
        DynamicImage::ImageLumaA8(image) => grey::<2, u8>(image.as_raw()),
        DynamicImage::ImageRgba8(image) => colour::<4, u8>(image.as_raw()),
        DynamicImage::ImageLuma16(image) => grey::<1, u16>(image.as_raw()),
        DynamicImage::ImageLumaA16(image) => grey::<2, u16>(image.as_raw()),
        DynamicImage::ImageRgb16(image) => colour::<3, u16>(image.as_raw()),
        DynamicImage::ImageRgba16(image) => colour::<4, u16>(image.as_raw()),
        other => {
            let found = format!("{} with {:?} colours", format::label(format), other.color());
            return Err(PageError::UnsupportedFormat { found });
        }
    };
    RgbImage::from_raw(width, height, pixels).ok_or_else(|| malformed(format, "pixels are missing"))
}

/// A sample's upper eight bits.
trait Sample: Copy {
    fn upper(self) -> u8;
}

impl Sample for u8 {
    fn upper(self) -> u8 {
        self
    }
}

impl Sample for u16 {
    fn upper(self) -> u8 {
        (self >> 8) as u8
    }
}

/// Repeats the first of `N` samples per pixel.
fn grey<const N: usize, S: Sample>(samples: &[S]) -> Vec<u8> {
    samples
        .chunks_exact(N)
        .flat_map(|pixel| [pixel[0].upper(); 3])
        .collect()
}

/// Keeps the first three of `N` samples per pixel.
fn colour<const N: usize, S: Sample>(samples: &[S]) -> Vec<u8> {
    samples
        .chunks_exact(N)
        .flat_map(|pixel| [pixel[0].upper(), pixel[1].upper(), pixel[2].upper()])
        .collect()
}

fn malformed(format: ImageFormat, reason: &str) -> PageError {
    PageError::ImageMalformed {
        format: format::label(format),
        reason: reason.to_owned(),
    }
}

/// What a decoder's error means for the sender of the document.
fn explain(error: ImageError, format: ImageFormat) -> PageError {
    match error {
        ImageError::Limits(_) => PageError::ImageTooLarge {
            reason: "decoding needs too much memory".to_owned(),
        },
        ImageError::Unsupported(error) => PageError::UnsupportedFormat {
            found: format!("a kind of {} ({error})", format::label(format)),
        },
        error if ended_early(&error) => PageError::ImageTruncated {
            format: format::label(format),
        },
        error => malformed(format, &error.to_string()),
    }
}

/// Whether the error, or what it stems from, is that the bytes ended.
fn ended_early(error: &ImageError) -> bool {
    let is_end = |error: &io::Error| error.kind() == io::ErrorKind::UnexpectedEof;
    // An I/O error that is wrapped once is not among its wrapper's sources.
    if let ImageError::IoError(error) = error {
        return is_end(error);
    }
    let sources = std::iter::successors(error.source(), |&error| error.source());
    sources
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(is_end)
}
