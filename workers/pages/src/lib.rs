//! Documents are hostile: from bytes of a document to upright pages, within limits.
//!
//! [`decode`] gives the pixels of an image's first page; [`split`] writes the pages of an image, a PDF document, or a ZIP
//! of these into one file. Both look at the bytes, never at a name; check sizes from the header before anything is
//! decoded; and turn the page upright as its EXIF or TIFF orientation says. Who must not share a process with a decoder
//! of hostile bytes uses [`child::Splitter`].
//!
//! Colours become 8-bit RGB as the model's original code makes them: alpha is dropped, not composited;
//! grey is repeated; palettes are looked up; of 16 bits the upper eight are kept. (For 16-bit grey alone
//! Pillow clips instead, which turns every scan white; here it is treated like 16-bit colour.)

mod archive;
pub mod child;
mod decode;
mod error;
mod fonts;
mod format;
mod limits;
mod pdf;
mod split;
mod tiff;
mod warning;

pub use decode::decode;
pub use error::PageError;
pub use fonts::Fonts;
pub use limits::Limits;
pub use split::{Split, SplitPage, split};
pub use warning::{MOST_NAME_CHARACTERS, MOST_WARNINGS, Warning};

/// An upright page: 8-bit RGB, row-major, `3 * width * height` bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RgbPage {
    pub width: u32,
    pub height: u32,
    pub pixels: Vec<u8>,
}
