//! Acceptances of terms, their reviews and revocations.

pub(crate) mod row;

use crate::{At, Db, RecordsError, Stamp, Tx, epochs, on, run::Run as _, terms};
use domain::{
    acceptance::{Acceptance, Judge, NotPossible, State},
    id::AcceptanceId,
    names::{LicenseName, ModelName, TenantName},
};
use row::AcceptanceRow;
use serde_json::{Value, json};
use sqlx::types::Json;

const INSERT: &str = "INSERT INTO acceptances (id, tenant, requested_by, requested_at, license, terms_sha256, \
    purposes, signer_name, signer_title, registration_number, evidence, active_since) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
const GET: &str = "SELECT * FROM acceptances WHERE id = $1";
const OF_TENANT: &str = "SELECT * FROM acceptances WHERE tenant = $1 ORDER BY id";
const PAGE: &str = "SELECT * FROM acceptances WHERE tenant = COALESCE($1, tenant) AND id < COALESCE($2, 'b') \
    ORDER BY id DESC LIMIT $3";
// Whoever changes an acceptance holds its row until the end of the transaction.
const LOCK: &str = "UPDATE acceptances SET tenant = tenant WHERE id = $1 RETURNING *";
const LOCK_TENANT: &str = "UPDATE acceptances SET tenant = tenant WHERE tenant = $1 RETURNING *";
const WRITE: &str = "UPDATE acceptances SET active_since = $2, approved_at = $3, approved_by_tenant = $4, \
    approved_by_member = $5, rejected_at = $6, rejected_by_tenant = $7, rejected_by_member = $8, \
    rejected_reason = $9, revoked_at = $10, revoked_by_tenant = $11, revoked_by_member = $12, \
    revoked_reason = $13 WHERE id = $1";

pub(crate) const STATEMENTS: &[&str] = &[INSERT, GET, OF_TENANT, PAGE, LOCK, LOCK_TENANT, WRITE];

/// What the terms that are being accepted belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A model: the text that came with its newest revision.
    Model(ModelName),
    /// A license: its newest text.
    License(LicenseName),
}

/// Why an acceptance was not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotStored {
    /// The text is not the current one any more; this is (if there is one at all).
    Superseded(Option<domain::digest::Sha256>),
    /// One of the tenant that stands, or waits for review, covers all of it.
    Covered(AcceptanceId),
}

/// Stores an acceptance of the text that is current for `subject`.
pub async fn request(
    db: &Db,
    stamp: Stamp<'_>,
    subject: &Subject,
    acceptance: &Acceptance,
) -> Result<Result<(), NotStored>, RecordsError> {
    let current = match subject {
        Subject::Model(model) => terms::current_of_model(db, model)
            .await?
            .and_then(|(_, sha256)| sha256),
        Subject::License(license) => terms::of_license(db, license)
            .await?
            .first()
            .map(|terms| terms.sha256),
    };
    if current != Some(acceptance.terms_sha256) {
        return Ok(Err(NotStored::Superseded(current)));
    }
    let mut tx = db.begin().await?;
    let tenant = acceptance.tenant.as_str();
    let rows: Vec<AcceptanceRow> =
        on!(tx: &mut tx, |c| sqlx::query_as(LOCK_TENANT).bind(tenant).fetch_all(c))?;
    for row in rows {
        let held = row.read()?;
        if covers(&held, acceptance) {
            return Ok(Err(NotStored::Covered(held.id)));
        }
    }
    insert(&mut tx, acceptance).await?;
    let detail = json!({
        "license": acceptance.license, "terms_sha256": acceptance.terms_sha256, "purposes": acceptance.purposes,
        "state": acceptance.state.as_str(),
    });
    audit(&mut tx, stamp, acceptance, "acceptance.requested", detail).await?;
    tx.commit().await?;
    Ok(Ok(()))
}

fn covers(held: &Acceptance, wanted: &Acceptance) -> bool {
    matches!(held.state, State::Active { .. } | State::UnderReview)
        && held.license == wanted.license
        && held.terms_sha256 == wanted.terms_sha256
        && held.purposes.is_superset(&wanted.purposes)
}

async fn insert(tx: &mut Tx, acceptance: &Acceptance) -> Result<(), RecordsError> {
    let active_since = match &acceptance.state {
        State::Active { since, .. } => Some(At(*since)),
        _ => None,
    };
    on!(tx: tx, |c| sqlx::query(INSERT)
        .bind(acceptance.id.to_string())
        .bind(acceptance.tenant.as_str())
        .bind(acceptance.requested_by.as_str())
        .bind(At(acceptance.requested_at))
        .bind(acceptance.license.as_str())
        .bind(acceptance.terms_sha256.to_string())
        .bind(Json(&acceptance.purposes))
        .bind(&acceptance.signer.name)
        .bind(&acceptance.signer.title)
        .bind(&acceptance.registration_number)
        .bind(&acceptance.evidence)
        .bind(active_since)
        .run(c))?;
    Ok(())
}

/// An acceptance of any tenant. Who may see it is for the caller to judge by the tenant in it.
pub async fn get(db: &Db, id: AcceptanceId) -> Result<Option<Acceptance>, RecordsError> {
    let row: Option<AcceptanceRow> = on!(db, |c| sqlx::query_as(GET).bind(id.to_string()).fetch_optional(c))?;
    row.map(AcceptanceRow::read).transpose()
}

/// All acceptances of a tenant, oldest first.
pub async fn of_tenant(db: &Db, tenant: &TenantName) -> Result<Vec<Acceptance>, RecordsError> {
    let rows: Vec<AcceptanceRow> = on!(db, |c| sqlx::query_as(OF_TENANT)
        .bind(tenant.as_str())
        .fetch_all(c))?;
    rows.into_iter().map(AcceptanceRow::read).collect()
}

/// Up to `limit` acceptances, newest first, older than `after`: of one tenant, or of all.
pub async fn page(
    db: &Db,
    tenant: Option<&TenantName>,
    after: Option<AcceptanceId>,
    limit: u32,
) -> Result<Vec<Acceptance>, RecordsError> {
    let rows: Vec<AcceptanceRow> = on!(db, |c| sqlx::query_as(PAGE)
        .bind(tenant.map(|tenant| tenant.as_str()))
        .bind(after.map(|id| id.to_string()))
        .bind(i64::from(limit))
        .fetch_all(c))?;
    rows.into_iter().map(AcceptanceRow::read).collect()
}

/// A reviewer's verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Yes, with a remark for the audit log.
    Approve(Option<String>),
    /// No, and why.
    Reject(String),
}

/// Judges an acceptance that is under review. `None`: there is no such acceptance.
pub async fn review(
    db: &Db,
    stamp: Stamp<'_>,
    by: Judge,
    id: AcceptanceId,
    verdict: Verdict,
) -> Result<Option<Result<Acceptance, NotPossible>>, RecordsError> {
    let mut tx = db.begin().await?;
    let Some(held) = lock(&mut tx, id).await? else {
        return Ok(None);
    };
    let detail = json!({ "by": by, "reason": verdict.reason() });
    let (kind, judged) = match verdict {
        Verdict::Approve(remark) => (
            "acceptance.approved",
            held.approve(by, stamp.at, remark.as_deref()),
        ),
        Verdict::Reject(reason) => ("acceptance.rejected", held.reject(by, stamp.at, reason)),
    };
    let judged = match judged {
        Ok(judged) => judged,
        Err(refusal) => return Ok(Some(Err(refusal))),
    };
    write(&mut tx, &judged).await?;
    audit(&mut tx, stamp, &judged, kind, detail).await?;
    tx.commit().await?;
    Ok(Some(Ok(judged)))
}

impl Verdict {
    fn reason(&self) -> Option<&str> {
        match self {
            Verdict::Approve(remark) => remark.as_deref(),
            Verdict::Reject(reason) => Some(reason),
        }
    }
}

/// An acceptance that was taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// The acceptance after it.
    pub acceptance: Acceptance,
    /// The tenant's epoch after it: the queue is to be told.
    pub epoch: u64,
}

/// Takes an active acceptance back and raises the epoch of its tenant. `None`: there is no such acceptance.
pub async fn revoke(
    db: &Db,
    stamp: Stamp<'_>,
    by: Judge,
    id: AcceptanceId,
    reason: String,
) -> Result<Option<Result<Revoked, NotPossible>>, RecordsError> {
    let mut tx = db.begin().await?;
    let Some(held) = lock(&mut tx, id).await? else {
        return Ok(None);
    };
    let mut detail = json!({ "by": by, "reason": reason });
    let acceptance = match held.revoke(by, stamp.at, reason) {
        Ok(revoked) => revoked,
        Err(refusal) => return Ok(Some(Err(refusal))),
    };
    write(&mut tx, &acceptance).await?;
    let epoch = epochs::raise(&mut tx, &acceptance.tenant).await?;
    detail["epoch"] = epoch.into();
    audit(&mut tx, stamp, &acceptance, "acceptance.revoked", detail).await?;
    tx.commit().await?;
    Ok(Some(Ok(Revoked { acceptance, epoch })))
}

async fn lock(tx: &mut Tx, id: AcceptanceId) -> Result<Option<Acceptance>, RecordsError> {
    let row: Option<AcceptanceRow> =
        on!(tx: tx, |c| sqlx::query_as(LOCK).bind(id.to_string()).fetch_optional(c))?;
    row.map(AcceptanceRow::read).transpose()
}

async fn write(tx: &mut Tx, acceptance: &Acceptance) -> Result<(), RecordsError> {
    let columns = row::StateColumns::of(&acceptance.state);
    let (approved, rejected, revoked) = (columns.approved, columns.rejected, columns.revoked);
    on!(tx: tx, |c| sqlx::query(WRITE)
        .bind(acceptance.id.to_string())
        .bind(columns.active_since)
        .bind(approved.at)
        .bind(approved.tenant)
        .bind(approved.member)
        .bind(rejected.at)
        .bind(rejected.tenant)
        .bind(rejected.member)
        .bind(columns.rejected_reason)
        .bind(revoked.at)
        .bind(revoked.tenant)
        .bind(revoked.member)
        .bind(columns.revoked_reason)
        .run(c))?;
    Ok(())
}

async fn audit(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    acceptance: &Acceptance,
    kind: &'static str,
    detail: Value,
) -> Result<(), RecordsError> {
    stamp
        .audit(
            tx,
            &acceptance.tenant,
            kind,
            acceptance.id.to_string(),
            None,
            detail,
        )
        .await
}

#[cfg(test)]
mod tests;
