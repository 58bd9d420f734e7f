//! Files that show that an acceptance's signer and registration are real.

use super::{Acceptance, Judge, Phase};
use crate::digest::Sha256;
use time::OffsetDateTime;

/// A file that was added to an acceptance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The digest of its bytes, under which the blobs have them.
    pub sha256: Sha256,
    /// The name that it was sent with.
    pub name: Option<String>,
    /// The media type that it was sent with. What it really is, nobody has judged.
    pub media_type: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// Who added it.
    pub by: Judge,
    /// When.
    pub at: OffsetDateTime,
}

/// Why a file is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceRefusal {
    /// The acceptance has been judged, or stands: what it was judged by does not change any more.
    #[error("the acceptance is {0}; evidence is added while it is requested or under_review")]
    Settled(Phase),
    /// There is enough.
    #[error("an acceptance has at most {most} files of evidence")]
    TooMany {
        /// The most that there may be.
        most: u32,
    },
}

impl Acceptance {
    /// Whether another file may be added to the `there` that it has, of `most`.
    pub fn takes_evidence(&self, at: OffsetDateTime, there: u32, most: u32) -> Result<(), EvidenceRefusal> {
        match self.phase(at) {
            Phase::Requested | Phase::UnderReview if there < most => Ok(()),
            Phase::Requested | Phase::UnderReview => Err(EvidenceRefusal::TooMany { most }),
            settled => Err(EvidenceRefusal::Settled(settled)),
        }
    }
}
