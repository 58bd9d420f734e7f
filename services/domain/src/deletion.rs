//! Deletions: what a tenant no longer keeps of a batch, or a file of OpenAI's form, and the record that says it is gone.
//!
//! The record is an in-toto Statement about the batch's documents or the file, as provenance is one about an answer.
//! `exchange::attestation` signs it. It names digests and counts, and holds nothing of what was deleted.

use crate::{
    digest::Sha256,
    id::{BadId, BatchId, DeletionId, FileId},
    names::{MemberName, TenantName},
    provenance::{STATEMENT_TYPE, SubjectDigest},
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use time::{Duration, OffsetDateTime};

/// What the predicate of a record is called.
pub const PREDICATE_TYPE: &str = "urn:glmhub:deletion:v1";

/// The longest that something can be kept until it is deleted, in days: 100 years.
pub const MOST_DAYS: u32 = 36_500;

/// What something is deleted of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum DeletedOf {
    /// A batch.
    Batch(BatchId),
    /// A file of OpenAI's form, which goes whole: [`Deleted::Documents`] if its tenant sent it, [`Deleted::Answers`] if it
    /// was made for a batch of requests.
    File(FileId),
}

impl fmt::Display for DeletedOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeletedOf::Batch(batch) => batch.fmt(f),
            DeletedOf::File(file) => file.fmt(f),
        }
    }
}

impl FromStr for DeletedOf {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let batch = text.parse().map(DeletedOf::Batch);
        batch.or_else(|_| text.parse().map(DeletedOf::File))
    }
}

/// What is deleted of a batch, or which part of what a tenant keeps a file belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deleted {
    /// Its documents and their pages.
    Documents,
    /// Its answers, and the texts that were combined of them.
    Answers,
    /// Both, and the texts of its questions and its metadata.
    All,
}

impl Deleted {
    /// All of them.
    pub const ALL: [Deleted; 3] = [Deleted::Documents, Deleted::Answers, Deleted::All];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Deleted::Documents => "documents",
            Deleted::Answers => "answers",
            Deleted::All => "all",
        }
    }

    /// Whether documents are.
    pub fn documents(self) -> bool {
        self != Deleted::Answers
    }

    /// Whether answers are.
    pub fn answers(self) -> bool {
        self != Deleted::Documents
    }
}

impl fmt::Display for Deleted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The word says of nothing that it is deleted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("what is deleted are documents, answers or all")]
pub struct BadDeleted;

impl FromStr for Deleted {
    type Err = BadDeleted;

    fn from_str(text: &str) -> Result<Self, BadDeleted> {
        Self::ALL
            .into_iter()
            .find(|deleted| deleted.as_str() == text)
            .ok_or(BadDeleted)
    }
}

/// How long documents and answers are kept after their batch is over, and files of OpenAI's form after they were made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// Days that documents are kept; none, if they stay.
    pub documents_days: Option<u32>,
    /// The same of answers.
    pub answers_days: Option<u32>,
}

impl Retention {
    /// The field that is out of its bounds.
    pub fn check(&self) -> Result<(), &'static str> {
        let fits = |days: Option<u32>| days.is_none_or(|days| (1..=MOST_DAYS).contains(&days));
        match (fits(self.documents_days), fits(self.answers_days)) {
            (true, true) => Ok(()),
            (false, _) => Err("documents_days"),
            (true, false) => Err("answers_days"),
        }
    }

    /// The moment up to which batches ended whose documents, or answers, are deleted at `now`.
    pub fn before(&self, deleted: Deleted, now: OffsetDateTime) -> Option<OffsetDateTime> {
        let days = match deleted {
            Deleted::Documents => self.documents_days,
            Deleted::Answers => self.answers_days,
            Deleted::All => None,
        };
        days.map(|days| now - Duration::days(i64::from(days)))
    }
}

/// An in-toto Statement that something of a batch was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeletionStatement {
    /// [`STATEMENT_TYPE`].
    #[serde(rename = "_type")]
    pub kind: String,
    /// The batch, with the digest of the list of its documents ([`listed`]); or the file, with that of a list of it alone.
    pub subject: Vec<DeletionSubject>,
    /// [`PREDICATE_TYPE`].
    #[serde(rename = "predicateType")]
    pub predicate_type: String,
    /// What was deleted, when and why.
    pub predicate: DeletionRecord,
}

/// What a statement is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeletionSubject {
    /// The batch or file.
    pub name: DeletedOf,
    /// The digest of the list of the batch's documents, or of the file.
    pub digest: SubjectDigest,
}

/// What was deleted, when and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeletionRecord {
    /// The deletion.
    pub deletion: DeletionId,
    /// Whose it was.
    pub tenant: TenantName,
    /// What.
    pub deleted: Deleted,
    /// Who asked for it; nobody, if its time was over.
    pub member: Option<MemberName>,
    /// When it was asked for, or its time was over.
    #[serde(with = "time::serde::rfc3339")]
    pub asked_at: OffsetDateTime,
    /// When the last of it was gone.
    #[serde(with = "time::serde::rfc3339")]
    pub done_at: OffsetDateTime,
    /// How much.
    pub counts: DeletionCounts,
}

/// How much was deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeletionCounts {
    /// Documents.
    pub documents: u64,
    /// Their pages.
    pub pages: u64,
    /// Answers.
    pub answers: u64,
    /// Files that were removed from where the hub keeps them.
    pub files: u64,
    /// Files that stay, because something else has the same bytes.
    pub shared: u64,
}

impl DeletionStatement {
    /// The statement that `record` is true of what had these `contents`: a batch its documents, a file itself.
    pub fn of(name: DeletedOf, contents: &[(impl fmt::Display, Sha256)], record: DeletionRecord) -> Self {
        Self {
            kind: STATEMENT_TYPE.into(),
            subject: vec![DeletionSubject {
                name,
                digest: SubjectDigest {
                    sha256: Sha256::of(listed(contents).as_bytes()),
                },
            }],
            predicate_type: PREDICATE_TYPE.into(),
            predicate: record,
        }
    }

    /// Whether it is of the form that is known here.
    pub fn is_known(&self) -> bool {
        self.kind == STATEMENT_TYPE && self.predicate_type == PREDICATE_TYPE && self.subject.len() == 1
    }
}

/// Documents, or a file, as a list whose digest is signed: a line for each, with its id and the digest of its bytes, in
/// their order.
pub fn listed(contents: &[(impl fmt::Display, Sha256)]) -> String {
    let line = |(id, sha256): &(_, Sha256)| format!("{id} {sha256}\n");
    contents.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_one_to_a_hundred_years_or_none() {
        let of = |documents_days, answers_days| Retention {
            documents_days,
            answers_days,
        };
        for good in [of(None, None), of(Some(1), None), of(Some(1), Some(MOST_DAYS))] {
            assert_eq!(good.check(), Ok(()));
        }
        assert_eq!(of(Some(0), None).check(), Err("documents_days"));
        assert_eq!(of(Some(MOST_DAYS + 1), Some(0)).check(), Err("documents_days"));
        assert_eq!(of(None, Some(0)).check(), Err("answers_days"));
    }

    #[test]
    fn what_is_kept_has_no_moment_and_the_rest_the_days_before_now() {
        let now = OffsetDateTime::UNIX_EPOCH + Duration::days(100);
        let retention = Retention {
            documents_days: Some(30),
            answers_days: None,
        };
        assert_eq!(
            retention.before(Deleted::Documents, now),
            Some(OffsetDateTime::UNIX_EPOCH + Duration::days(70))
        );
        assert_eq!(retention.before(Deleted::Answers, now), None);
    }

    #[test]
    fn every_word_is_read_back() {
        for deleted in Deleted::ALL {
            assert_eq!(deleted.as_str().parse(), Ok(deleted));
        }
        assert_eq!("nothing".parse::<Deleted>(), Err(BadDeleted));
    }

    #[test]
    fn what_something_was_deleted_of_is_told_by_its_id() {
        let id = "00000000000000000000000007";
        for (of, kind) in [
            (format!("bat_{id}"), "batch"),
            (format!("{}_{id}", FileId::PREFIX), "file"),
        ] {
            let read: DeletedOf = of.parse().unwrap();
            assert_eq!(read.to_string(), of);
            assert_eq!(matches!(read, DeletedOf::Batch(_)), kind == "batch");
            assert_eq!(serde_json::to_value(read).unwrap(), serde_json::json!(of));
            assert_eq!(serde_json::from_value::<DeletedOf>(of.into()).unwrap(), read);
        }
        assert!(format!("job_{id}").parse::<DeletedOf>().is_err());
    }
}
