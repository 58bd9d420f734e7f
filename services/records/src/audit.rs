//! The audit log: only ever appended to.

use crate::{At, RecordsError, Tx, on, run::Run as _};
use domain::audit::NewAudit;
use sqlx::types::Json;

const APPEND: &str = "INSERT INTO audit_entries (id, at, tenant, member, kind, subject, decision, detail) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

pub(crate) const STATEMENTS: &[&str] = &[APPEND];

/// Appends an entry within the transaction of what it tells of: neither is ever there without the other.
pub async fn append(tx: &mut Tx, entry: &NewAudit) -> Result<(), RecordsError> {
    on!(tx: tx, |c| sqlx::query(APPEND)
        .bind(entry.id.to_string())
        .bind(At(entry.at))
        .bind(entry.tenant.as_str())
        .bind(entry.member.as_ref().map(|member| member.as_str()))
        .bind(entry.kind)
        .bind(&entry.subject)
        .bind(entry.decision.map(|decision| decision.to_string()))
        .bind(Json(&entry.detail))
        .run(c))?;
    Ok(())
}
