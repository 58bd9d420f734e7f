//! A document of a batch: bytes that were uploaded, on their way to pages.

use crate::{
    digest::Sha256,
    id::{BatchId, DocumentId},
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use time::OffsetDateTime;

/// Where a document is on its way to pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentPhase {
    /// Its bytes are stored; the batch is still open.
    Received,
    /// The batch was submitted; intake has not taken it yet.
    Waiting,
    /// Intake has it.
    Splitting,
    /// It has become pages.
    Split,
    /// It gives no pages.
    Failed,
    /// The batch was cancelled before it was split.
    Cancelled,
}

impl DocumentPhase {
    /// All of them, in the order of a document's life.
    pub const ALL: [DocumentPhase; 6] = [
        DocumentPhase::Received,
        DocumentPhase::Waiting,
        DocumentPhase::Splitting,
        DocumentPhase::Split,
        DocumentPhase::Failed,
        DocumentPhase::Cancelled,
    ];

    /// The word in tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            DocumentPhase::Received => "received",
            DocumentPhase::Waiting => "waiting",
            DocumentPhase::Splitting => "splitting",
            DocumentPhase::Split => "split",
            DocumentPhase::Failed => "failed",
            DocumentPhase::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for DocumentPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The word names no state of a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a document is received, waiting, splitting, split, failed or cancelled")]
pub struct BadDocumentPhase;

impl FromStr for DocumentPhase {
    type Err = BadDocumentPhase;

    fn from_str(text: &str) -> Result<Self, BadDocumentPhase> {
        Self::ALL
            .into_iter()
            .find(|phase| phase.as_str() == text)
            .ok_or(BadDocumentPhase)
    }
}

/// The media type that files of this name usually have, by its ending. What a document really is, is judged by its bytes.
pub fn usual_media_type(name: &str) -> &'static str {
    let ending = name
        .rsplit_once('.')
        .map(|(_, ending)| ending.to_ascii_lowercase());
    match ending.as_deref() {
        Some("pdf") => "application/pdf",
        Some("zip") => "application/zip",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("webp") => "image/webp",
        Some("tif" | "tiff") => "image/tiff",
        Some("bmp") => "image/bmp",
        Some("gif") => "image/gif",
        _ => "application/octet-stream",
    }
}

/// What is amiss with a document that gave its pages all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// A stable word, such as `font_missing`.
    pub code: String,
    /// What to do about it.
    pub message: String,
}

/// A document as the records tell of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// When its bytes and its name were deleted.
    pub deleted_at: Option<OffsetDateTime>,
    /// The places of those questions of its batch that it is asked, if not all.
    pub questions: Option<Vec<u32>>,
    /// What is amiss with its pages.
    pub warnings: Vec<Warning>,
    /// Its id.
    pub id: DocumentId,
    /// The batch that it belongs to.
    pub batch: BatchId,
    /// Its place in the batch, from 0, in order of arrival.
    pub place: u32,
    /// The file's name as the client gave it. Never used as a path.
    pub name: Option<String>,
    /// The media type that the client declared.
    pub media_type: String,
    /// Its bytes in the blobs.
    pub sha256: Sha256,
    /// How many they are.
    pub bytes: u64,
    /// When it was stored.
    pub received_at: OffsetDateTime,
    /// Where it is on its way.
    pub state: DocumentState,
}

/// What is true of a document now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DocumentState {
    /// See [`DocumentPhase::Received`].
    Received,
    /// See [`DocumentPhase::Waiting`].
    Waiting,
    /// See [`DocumentPhase::Splitting`].
    Splitting {
        /// When intake's hold on it ends, if it does not finish.
        until: OffsetDateTime,
    },
    /// See [`DocumentPhase::Split`].
    Split {
        /// How many pages it gave.
        pages: u32,
        /// When.
        at: OffsetDateTime,
    },
    /// See [`DocumentPhase::Failed`].
    Failed {
        /// A stable word, such as `image_truncated`.
        code: String,
        /// What to do about it.
        message: String,
        /// When.
        at: OffsetDateTime,
    },
    /// See [`DocumentPhase::Cancelled`].
    Cancelled {
        /// When.
        at: OffsetDateTime,
    },
}

impl DocumentState {
    /// The word for it.
    pub fn phase(&self) -> DocumentPhase {
        match self {
            DocumentState::Received => DocumentPhase::Received,
            DocumentState::Waiting => DocumentPhase::Waiting,
            DocumentState::Splitting { .. } => DocumentPhase::Splitting,
            DocumentState::Split { .. } => DocumentPhase::Split,
            DocumentState::Failed { .. } => DocumentPhase::Failed,
            DocumentState::Cancelled { .. } => DocumentPhase::Cancelled,
        }
    }
}

/// How many documents are in each state. Those that intake has taken still count as waiting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct DocumentCounts {
    /// Stored in a batch that is still open.
    pub received: u64,
    /// Waiting for intake, or with it.
    pub waiting: u64,
    /// Become pages.
    pub split: u64,
    /// Without pages, for a reason.
    pub failed: u64,
    /// Not wanted any more.
    pub cancelled: u64,
}

impl DocumentCounts {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.received + self.waiting + self.split + self.failed + self.cancelled
    }

    /// Those without a verdict.
    pub fn unsettled(&self) -> u64 {
        self.received + self.waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phase_reads_back_from_its_word() {
        for phase in DocumentPhase::ALL {
            assert_eq!(phase.as_str().parse(), Ok(phase));
        }
        assert_eq!("done".parse::<DocumentPhase>(), Err(BadDocumentPhase));
    }

    #[test]
    fn a_name_without_a_known_ending_says_nothing_about_the_type() {
        for (name, media_type) in [
            ("合同.PDF", "application/pdf"),
            ("a.b.jpeg", "image/jpeg"),
            ("pdf", "application/octet-stream"),
            ("a.exe", "application/octet-stream"),
        ] {
            assert_eq!(usual_media_type(name), media_type, "{name}");
        }
    }
}
