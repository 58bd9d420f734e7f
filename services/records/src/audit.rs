//! The audit log: only ever appended to.
//!
//! An entry is written within the transaction of what it tells of, at its end, and waits in `audit_pending` until
//! [`sealing`] makes it a leaf of the tree. An entry about a row that must stay as it is carries the row's digest ([`rows`]), so
//! that [`checking`] finds a row that was changed behind the log's back.

pub mod checking;
pub mod reading;
pub mod rows;
pub mod sealing;

#[cfg(test)]
mod tests;

use crate::{At, Db, RecordsError, Tx, later::Write, many};
use domain::audit::{AuditEntry, NewAudit};
use serde_json::Value;
use sqlx::types::Json;

const APPEND: &str = "INSERT INTO audit_entries (id, at, tenant, member, kind, subject, decision, detail) \
    SELECT r.value ->> 'id', $2, r.value ->> 'tenant', r.value ->> 'member', r.value ->> 'kind', r.value ->> 'subject', \
    r.value ->> 'decision', r.value -> 'detail' FROM json_each($1) AS r";
const AWAIT_SEAL: &str = "INSERT INTO audit_pending (entry) SELECT r.value ->> 'id' FROM json_each($1) AS r";

pub(crate) const STATEMENTS: &[&str] = &[APPEND, AWAIT_SEAL];
pub(crate) const MORE_STATEMENTS: [&[&str]; 4] = [
    rows::STATEMENTS,
    sealing::STATEMENTS,
    reading::STATEMENTS,
    checking::STATEMENTS,
];

/// Has entries written that a transaction appends: all of one moment together.
pub(crate) fn write(tx: &mut Tx, entries: &[NewAudit]) {
    for same_moment in entries.chunk_by(|one, next| one.at == next.at) {
        let rows = many::rows(same_moment);
        tx.later(Write::of(APPEND).bind(rows).bind(At(same_moment[0].at)));
        let ids = many::ids(same_moment.iter().map(|entry| &entry.id));
        tx.later(Write::of(AWAIT_SEAL).bind(ids));
    }
}

/// Appends an entry about something that is no row, such as a change of keys.
pub async fn note(db: &Db, entry: &NewAudit) -> Result<(), RecordsError> {
    let mut tx = db.begin().await?;
    tx.append(entry.clone());
    tx.commit().await?;
    Ok(())
}

/// An entry as it stands in the database.
#[derive(sqlx::FromRow)]
pub(crate) struct EntryRow {
    id: String,
    at: At,
    tenant: String,
    member: Option<String>,
    kind: String,
    subject: String,
    decision: Option<String>,
    detail: Json<Value>,
}

impl EntryRow {
    pub(crate) fn read(self) -> AuditEntry {
        AuditEntry {
            id: self.id,
            at: self.at.0,
            tenant: self.tenant,
            member: self.member,
            kind: self.kind,
            subject: self.subject,
            decision: self.decision,
            detail: self.detail.0,
        }
    }
}
