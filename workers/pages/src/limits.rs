//! How much of a document is taken.

use serde::{Deserialize, Serialize};

use crate::PageError;

/// What exceeds a limit is refused before it is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Bytes of one document.
    pub max_bytes: u64,
    /// Bytes of all members of one archive, unpacked.
    pub max_unpacked: u64,
    /// Pixels of one page.
    pub max_pixels: u64,
    /// Pixels of a page's longer side: a thin strip within `max_pixels` is no page.
    pub max_side: u32,
    /// Pages of one document.
    pub max_pages: u32,
    /// Pixels that the longer side of a PDF page is drawn with.
    pub pdf_side: u32,
}

impl Default for Limits {
    /// Enough for a page of A3 at 400 dpi and for a long report. A page of A4 from a PDF gets the 1,120 pixels on its
    /// shorter side that the model sees.
    fn default() -> Limits {
        Limits {
            max_bytes: 2 << 30,
            max_unpacked: 1 << 30,
            max_pixels: 50_000_000,
            max_side: 30_000,
            max_pages: 500,
            pdf_side: 1584,
        }
    }
}

impl Limits {
    /// Whether a document of this length is taken.
    pub fn check_bytes(&self, bytes: u64) -> Result<(), PageError> {
        match bytes {
            0 => Err(PageError::EmptyDocument),
            _ if bytes > self.max_bytes => Err(PageError::DocumentTooLarge {
                bytes,
                limit: self.max_bytes,
            }),
            _ => Ok(()),
        }
    }

    pub(crate) fn check_size(&self, width: u32, height: u32) -> Result<(), PageError> {
        let reason = if u64::from(width) * u64::from(height) > self.max_pixels {
            format!(
                "{width} x {height} pixels, and {} in all are allowed",
                self.max_pixels
            )
        } else if width.max(height) > self.max_side {
            format!(
                "{width} x {height} pixels, and {} a side are allowed",
                self.max_side
            )
        } else {
            return Ok(());
        };
        Err(PageError::ImageTooLarge { reason })
    }

    /// Bytes that a decoder may hold: eight per pixel (16-bit RGBA), and room for its tables.
    pub(crate) fn max_decoder_bytes(&self) -> u64 {
        self.max_pixels.saturating_mul(8).saturating_add(64 << 20)
    }
}
