//! PDF documents: every page is drawn on white paper.
//!
//! A page has a size in points, not in pixels, so its longer side is drawn with as many pixels as
//! [`Limits::pdf_side`] says. What the document does not bring along is looked for here: for Chinese, Japanese and
//! Korean text without its font, a font of this machine ([`fonts`]). Where there is none, that is a warning.

mod fonts;

use std::panic::{AssertUnwindSafe, catch_unwind};

use hayro::hayro_interpret::InterpreterSettings;
use hayro::hayro_syntax::page::Page;
use hayro::hayro_syntax::{DecryptionError, LoadPdfError, Pdf};
use hayro::vello_cpu::color::palette::css::WHITE;
use hayro::{PixmapSettings, RenderCache, RenderSettings, render};

use crate::warning::Warnings;
use crate::{Fonts, Limits, PageError, RgbPage};

/// Draws every page of the document `bytes`, in its order, and hands each to `take`. Missing fonts are looked for among `fonts`.
pub(crate) fn draw_pages(
    bytes: Vec<u8>,
    limits: &Limits,
    (fonts, warnings): (&Fonts, &Warnings),
    mut take: impl FnMut(RgbPage) -> Result<(), PageError>,
) -> Result<(), PageError> {
    let pdf = unpanicked(|| Pdf::new(bytes).map_err(explain))?;
    let pages = pdf.pages();
    match pages.len() {
        0 => return Err(malformed("it has no pages")),
        count if count > limits.max_pages as usize => {
            return Err(PageError::TooManyPages {
                limit: limits.max_pages,
            });
        }
        _ => {}
    }
    let settings = InterpreterSettings {
        font_resolver: fonts::resolver(fonts, warnings),
        ..InterpreterSettings::default()
    };
    let cache = RenderCache::new();
    for page in pages.iter() {
        let scale = scale(page, limits)?;
        take(unpanicked(|| Ok(draw(page, &cache, &settings, scale)))?)?;
    }
    Ok(())
}

/// Pixels for each point of the page.
fn scale(page: &Page<'_>, limits: &Limits) -> Result<f32, PageError> {
    let (width, height) = page.render_dimensions();
    let sound = |side: f32| side.is_finite() && side > 0.0;
    if !sound(width) || !sound(height) {
        return Err(malformed("a page has no size"));
    }
    let scale = limits.pdf_side as f32 / width.max(height);
    let (width, height) = ((width * scale) as u32, (height * scale) as u32);
    if width == 0 || height == 0 {
        return Err(malformed("a page is thinner than a pixel"));
    }
    limits.check_size(width, height)?;
    Ok(scale)
}

fn draw<'a>(
    page: &'a Page<'a>,
    cache: &RenderCache<'a>,
    settings: &InterpreterSettings,
    scale: f32,
) -> RgbPage {
    let paper = PixmapSettings {
        x_scale: scale,
        y_scale: scale,
        bg_color: WHITE,
    };
    let drawn = render(page, cache, settings, &RenderSettings::default(), &paper);
    let pixels = drawn.data_as_u8_slice().chunks_exact(4);
    RgbPage {
        width: u32::from(drawn.width()),
        height: u32::from(drawn.height()),
        // The paper is opaque, so nothing is left to blend.
        pixels: pixels.flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect(),
    }
}

/// A renderer that panics on hostile bytes costs the document, not the process.
fn unpanicked<T>(work: impl FnOnce() -> Result<T, PageError>) -> Result<T, PageError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(malformed("the renderer gave up")))
}

fn malformed(reason: &str) -> PageError {
    PageError::PdfMalformed {
        reason: reason.to_owned(),
    }
}

fn explain(error: LoadPdfError) -> PageError {
    match error {
        LoadPdfError::Decryption(DecryptionError::PasswordProtected) => PageError::PdfEncrypted,
        LoadPdfError::Decryption(DecryptionError::UnsupportedAlgorithm) => PageError::UnsupportedFormat {
            found: "the encryption of the PDF document".to_owned(),
        },
        LoadPdfError::Decryption(_) => malformed("its encryption is damaged"),
        LoadPdfError::Invalid => malformed("its parts cannot be found"),
    }
}
