//! Acceptances of terms: what they are, and every change of them.
//!
//! Whatever changes the state of one goes through `changing::settle`: row, epoch, audit log and event in one
//! transaction.

mod changing;
pub mod comments;
pub mod ending;
pub mod evidence;
mod judging;
mod requesting;
pub(crate) mod row;

pub use changing::Changed;
pub use judging::{Verdict, resume, review, revoke, suspend};
pub use requesting::{NotStored, Subject, request, submit};

use crate::{At, Db, RecordsError, Tx, on, read::Reading};
use domain::{
    acceptance::{Acceptance, Phase},
    digest::Sha256,
    id::AcceptanceId,
    names::TenantName,
};
use row::{AcceptanceRow, EntryRow};
use time::OffsetDateTime;

const GET: &str = "SELECT * FROM acceptances WHERE id = $1";
const OF_TENANT: &str = "SELECT * FROM acceptances WHERE tenant = $1 ORDER BY id";
const ENTRY: &str = "SELECT a.*, \
        (SELECT COUNT(*) FROM acceptance_evidence e WHERE e.acceptance = a.id) AS evidence_files, \
        (SELECT COUNT(*) FROM acceptance_comments c WHERE c.acceptance = a.id) AS comments, \
        (SELECT t.sha256 FROM terms t WHERE t.license = a.license \
            ORDER BY t.seen_at DESC, t.sha256 LIMIT 1) AS newest_terms_sha256 \
    FROM acceptances a WHERE a.id = $1 AND a.tenant = COALESCE($2, a.tenant)";
// The CASE is `Acceptance::phase` at the moment $4.
const PAGE: &str = "SELECT a.*, \
        (SELECT COUNT(*) FROM acceptance_evidence e WHERE e.acceptance = a.id) AS evidence_files, \
        (SELECT COUNT(*) FROM acceptance_comments c WHERE c.acceptance = a.id) AS comments, \
        (SELECT t.sha256 FROM terms t WHERE t.license = a.license \
            ORDER BY t.seen_at DESC, t.sha256 LIMIT 1) AS newest_terms_sha256 \
    FROM acceptances a WHERE a.tenant = COALESCE($1, a.tenant) AND a.id < COALESCE($2, 'b') \
        AND (CAST($3 AS TEXT) IS NULL OR CAST($3 AS TEXT) = CASE \
            WHEN a.superseded_at IS NOT NULL THEN 'superseded' \
            WHEN a.revoked_at IS NOT NULL THEN 'revoked' \
            WHEN a.expired_at IS NOT NULL THEN 'expired' \
            WHEN a.rejected_at IS NOT NULL THEN 'rejected' \
            WHEN a.active_since IS NOT NULL AND a.valid_until <= $4 THEN 'expired' \
            WHEN a.suspended_at IS NOT NULL THEN 'suspended' \
            WHEN a.active_since IS NOT NULL THEN 'active' \
            WHEN a.submitted_at IS NOT NULL THEN 'under_review' \
            ELSE 'requested' END) \
    ORDER BY a.id DESC LIMIT $5";
// Whoever changes an acceptance holds all rows of its tenant until the end of the transaction: what stands decides
// what a change comes to.
const LOCK_OF_TENANT: &str = "UPDATE acceptances SET tenant = tenant WHERE tenant = $1 RETURNING *";
const LOCK_BESIDE: &str = "UPDATE acceptances SET tenant = tenant \
    WHERE tenant = (SELECT o.tenant FROM acceptances o WHERE o.id = $1) RETURNING *";

pub(crate) const STATEMENTS: &[&str] = &[GET, OF_TENANT, ENTRY, PAGE, LOCK_OF_TENANT, LOCK_BESIDE];
pub(crate) const MORE_STATEMENTS: &[&[&str]] = &[
    changing::STATEMENTS,
    comments::STATEMENTS,
    ending::STATEMENTS,
    evidence::STATEMENTS,
];

/// An acceptance with what hangs on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The acceptance.
    pub acceptance: Acceptance,
    /// How many files of evidence it has.
    pub evidence_files: u32,
    /// How many comments it has.
    pub comments: u32,
    /// The newest text of its license.
    pub newest_terms_sha256: Sha256,
}

/// An acceptance of any tenant. Who may see it is for the caller to judge by the tenant in it.
pub async fn get(db: &Db, id: AcceptanceId) -> Result<Option<Acceptance>, RecordsError> {
    let row: Option<AcceptanceRow> = on!(db, |c| sqlx::query_as(GET).bind(id.to_string()).fetch_optional(c))?;
    row.map(AcceptanceRow::read).transpose()
}

/// An acceptance with what hangs on it: one of `tenant`, or of any.
pub async fn entry(
    db: &Db,
    tenant: Option<&TenantName>,
    id: AcceptanceId,
) -> Result<Option<Entry>, RecordsError> {
    let row: Option<EntryRow> = on!(db, |c| sqlx::query_as(ENTRY)
        .bind(id.to_string())
        .bind(tenant.map(|tenant| tenant.as_str()))
        .fetch_optional(c))?;
    row.map(EntryRow::read).transpose()
}

/// All acceptances of a tenant, oldest first.
pub async fn of_tenant(db: &Db, tenant: &TenantName) -> Result<Vec<Acceptance>, RecordsError> {
    let rows: Vec<AcceptanceRow> = on!(db, |c| sqlx::query_as(OF_TENANT)
        .bind(tenant.as_str())
        .fetch_all(c))?;
    rows.into_iter().map(AcceptanceRow::read).collect()
}

/// Which acceptances a page has.
#[derive(Debug, Clone, Copy)]
pub struct Filter<'a> {
    /// Those of one tenant, or of all.
    pub tenant: Option<&'a TenantName>,
    /// Those that are in this state, or in any.
    pub phase: Option<Phase>,
    /// At which moment.
    pub at: OffsetDateTime,
}

/// Up to `limit` acceptances, newest first, older than `after`.
pub async fn page(
    db: &Db,
    filter: Filter<'_>,
    after: Option<AcceptanceId>,
    limit: u32,
) -> Result<Vec<Entry>, RecordsError> {
    let rows: Vec<EntryRow> = on!(db, |c| sqlx::query_as(PAGE)
        .bind(filter.tenant.map(|tenant| tenant.as_str()))
        .bind(after.map(|id| id.to_string()))
        .bind(filter.phase.map(Phase::as_str))
        .bind(At(filter.at))
        .bind(i64::from(limit))
        .fetch_all(c))?;
    rows.into_iter().map(EntryRow::read).collect()
}

/// All acceptances of a tenant, held until the end of the transaction; oldest first.
async fn lock_of_tenant(tx: &mut Tx, tenant: &TenantName) -> Result<Vec<Acceptance>, RecordsError> {
    let rows: Vec<AcceptanceRow> = on!(tx: tx, |c| sqlx::query_as(LOCK_OF_TENANT)
        .bind(tenant.as_str())
        .fetch_all(c))?;
    in_order(rows)
}

/// An acceptance and all others of its tenant, oldest first, held until the end of the transaction.
async fn lock(tx: &mut Tx, id: AcceptanceId) -> Result<Option<(Acceptance, Vec<Acceptance>)>, RecordsError> {
    let rows: Vec<AcceptanceRow> = on!(tx: tx, |c| sqlx::query_as(LOCK_BESIDE)
        .bind(id.to_string())
        .fetch_all(c))?;
    let mut all = in_order(rows)?;
    let place = all.iter().position(|held| held.id == id);
    Ok(place.map(|place| (all.remove(place), all)))
}

fn in_order(rows: Vec<AcceptanceRow>) -> Result<Vec<Acceptance>, RecordsError> {
    let mut all = rows
        .into_iter()
        .map(AcceptanceRow::read)
        .collect::<Result<Vec<_>, _>>()?;
    all.sort_by_key(|held| held.id);
    Ok(all)
}

/// A row of a table that hangs on acceptances.
fn reading<'a>(table: &'static str, id: &'a str) -> Reading<'a> {
    Reading { table, id }
}

#[cfg(test)]
mod tests;
