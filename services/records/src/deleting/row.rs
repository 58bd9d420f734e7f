//! A row of `deletions`, and what it means.

use crate::{At, RecordsError, read::Reading};
use domain::{
    deletion::{Deleted, DeletedOf, DeletionCounts},
    id::DeletionId,
    names::{MemberName, TenantName},
};
use serde_json::Value;
use sqlx::types::Json;
use time::OffsetDateTime;

/// A deletion as it is by now.
#[derive(Debug, Clone, PartialEq)]
pub struct Deletion {
    /// Its id.
    pub id: DeletionId,
    /// Whose it is.
    pub tenant: TenantName,
    /// Of what.
    pub of: DeletedOf,
    /// What.
    pub deleted: Deleted,
    /// Who asked for it; nobody, if its time was over.
    pub member: Option<MemberName>,
    /// When.
    pub asked_at: OffsetDateTime,
    /// How much is gone.
    pub counts: DeletionCounts,
    /// When all was.
    pub done_at: Option<OffsetDateTime>,
    /// The signed record, when all is gone.
    pub record: Option<Value>,
}

#[derive(sqlx::FromRow)]
pub(super) struct DeletionRow {
    id: String,
    tenant: String,
    batch: Option<String>,
    file: Option<String>,
    deleted: String,
    member: Option<String>,
    asked_at: At,
    documents: i64,
    pages: i64,
    answers: i64,
    files: i64,
    shared: i64,
    done_at: Option<At>,
    record: Option<Json<Value>>,
}

impl DeletionRow {
    pub(super) fn read(self) -> Result<Deletion, RecordsError> {
        let reading = Reading {
            table: "deletions",
            id: &self.id,
        };
        Ok(Deletion {
            id: reading.parsed(&self.id)?,
            tenant: reading.parsed(&self.tenant)?,
            of: reading.parsed(&reading.required(self.batch.or(self.file), "batch or file")?)?,
            deleted: reading.parsed(&self.deleted)?,
            member: reading.parsed_if(self.member.as_deref())?,
            asked_at: self.asked_at.0,
            counts: DeletionCounts {
                documents: reading.whole(self.documents)?,
                pages: reading.whole(self.pages)?,
                answers: reading.whole(self.answers)?,
                files: reading.whole(self.files)?,
                shared: reading.whole(self.shared)?,
            },
            done_at: self.done_at.map(|at| at.0),
            record: self.record.map(|Json(record)| record),
        })
    }
}
