//! Why a document gives no pages.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Every kind has a stable [`code`](PageError::code); the message says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "code")]
pub enum PageError {
    #[error("the document is empty: upload the file again")]
    #[serde(rename = "empty_document")]
    EmptyDocument,
    #[error("the document has {bytes} bytes, and {limit} are allowed: split or compress it")]
    #[serde(rename = "document_too_large")]
    DocumentTooLarge { bytes: u64, limit: u64 },
    #[error(
        "{found} is not supported: give PNG, JPEG, WebP, TIFF, BMP or GIF, in a batch also PDF or a ZIP of these"
    )]
    #[serde(rename = "unsupported_format")]
    UnsupportedFormat { found: String },
    #[error("the {format} image ends too early: upload the whole file")]
    #[serde(rename = "image_truncated")]
    ImageTruncated { format: String },
    #[error("the {format} image cannot be decoded ({reason}): save it again with an image program")]
    #[serde(rename = "image_malformed")]
    ImageMalformed { format: String, reason: String },
    #[error("the image is too large ({reason}): scale it down")]
    #[serde(rename = "image_too_large")]
    ImageTooLarge { reason: String },
    #[error("the PDF document needs a password: upload it without one")]
    #[serde(rename = "pdf_encrypted")]
    PdfEncrypted,
    #[error("the PDF document cannot be read ({reason}): print it into a new PDF")]
    #[serde(rename = "pdf_malformed")]
    PdfMalformed { reason: String },
    #[error("the ZIP archive cannot be read ({reason}): pack it again")]
    #[serde(rename = "archive_malformed")]
    ArchiveMalformed { reason: String },
    #[error("the ZIP archive needs a password: pack it again without one")]
    #[serde(rename = "archive_encrypted")]
    ArchiveEncrypted,
    #[error("unpacked the ZIP archive has more than {limit} bytes: split it")]
    #[serde(rename = "archive_too_large")]
    ArchiveTooLarge { limit: u64 },
    #[error("{name:?} in the ZIP archive is refused: {reason}")]
    #[serde(rename = "archive_member")]
    ArchiveMember { name: String, reason: String },
    #[error("the document has more than {limit} pages: split it")]
    #[serde(rename = "too_many_pages")]
    TooManyPages { limit: u32 },
    #[error("the document took longer than {seconds} s to split: scale it down or split it")]
    #[serde(rename = "splitting_timed_out")]
    TimedOut { seconds: u64 },
    #[error("splitting the document failed ({reason}): save it again with an image program, or split it")]
    #[serde(rename = "splitting_crashed")]
    Crashed { reason: String },
    #[error("pages cannot be read or written: {reason}")]
    #[serde(rename = "page_storage")]
    Storage { reason: String },
}

impl PageError {
    /// The stable code of this kind of error.
    pub fn code(&self) -> &'static str {
        match self {
            PageError::EmptyDocument => "empty_document",
            PageError::DocumentTooLarge { .. } => "document_too_large",
            PageError::UnsupportedFormat { .. } => "unsupported_format",
            PageError::ImageTruncated { .. } => "image_truncated",
            PageError::ImageMalformed { .. } => "image_malformed",
            PageError::ImageTooLarge { .. } => "image_too_large",
            PageError::PdfEncrypted => "pdf_encrypted",
            PageError::PdfMalformed { .. } => "pdf_malformed",
            PageError::ArchiveMalformed { .. } => "archive_malformed",
            PageError::ArchiveEncrypted => "archive_encrypted",
            PageError::ArchiveTooLarge { .. } => "archive_too_large",
            PageError::ArchiveMember { .. } => "archive_member",
            PageError::TooManyPages { .. } => "too_many_pages",
            PageError::TimedOut { .. } => "splitting_timed_out",
            PageError::Crashed { .. } => "splitting_crashed",
            PageError::Storage { .. } => "page_storage",
        }
    }

    /// Whether the document is at fault. Otherwise it is the machine, and trying again may help.
    pub fn is_documents_fault(&self) -> bool {
        !matches!(self, PageError::Storage { .. })
    }

    pub(crate) fn storage(path: &Path, error: &io::Error) -> PageError {
        // In a child with little memory this is where a large document meets the limit.
        if error.kind() == io::ErrorKind::OutOfMemory {
            return PageError::Crashed {
                reason: "it needs too much memory".to_owned(),
            };
        }
        PageError::Storage {
            reason: format!("{}: {error}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_the_one_on_the_wire() {
        let text = String::new;
        for error in [
            PageError::EmptyDocument,
            PageError::DocumentTooLarge { bytes: 2, limit: 1 },
            PageError::UnsupportedFormat { found: text() },
            PageError::ImageTruncated { format: text() },
            PageError::ImageMalformed {
                format: text(),
                reason: text(),
            },
            PageError::ImageTooLarge { reason: text() },
            PageError::PdfEncrypted,
            PageError::PdfMalformed { reason: text() },
            PageError::ArchiveMalformed { reason: text() },
            PageError::ArchiveEncrypted,
            PageError::ArchiveTooLarge { limit: 1 },
            PageError::ArchiveMember {
                name: text(),
                reason: text(),
            },
            PageError::TooManyPages { limit: 1 },
            PageError::TimedOut { seconds: 1 },
            PageError::Crashed { reason: text() },
            PageError::Storage { reason: text() },
        ] {
            let wire = serde_json::to_value(&error).unwrap();
            assert_eq!(wire["code"], error.code());
            assert_eq!(serde_json::from_value::<PageError>(wire).unwrap(), error);
        }
    }
}
