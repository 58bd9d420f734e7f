//! Files that show that an acceptance's signer and registration are real. The bytes are blobs.

use super::{changing::audit, lock, reading};
use crate::{At, Db, RecordsError, Stamp, Tx, on, read::number, run::Run as _};
use domain::{
    acceptance::{Evidence, EvidenceRefusal, Judge},
    digest::Sha256,
    id::AcceptanceId,
    names::TenantName,
};
use serde_json::json;

const INSERT: &str = "INSERT INTO acceptance_evidence (acceptance, sha256, name, media_type, bytes, by_tenant, \
    by_member, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const LIST: &str = "SELECT e.* FROM acceptance_evidence e JOIN acceptances a ON a.id = e.acceptance \
    WHERE e.acceptance = $1 AND a.tenant = COALESCE($2, a.tenant) ORDER BY e.at, e.sha256";

pub(super) const STATEMENTS: &[&str] = &[INSERT, LIST];

/// Adds a file to an acceptance of `tenant`, which has at most `most` of them. One that it has already stays as it
/// is. `None`: the tenant has no such acceptance.
pub async fn add(
    db: &Db,
    stamp: Stamp<'_>,
    tenant: &TenantName,
    id: AcceptanceId,
    new: Evidence,
    most: u32,
) -> Result<Option<Result<Evidence, EvidenceRefusal>>, RecordsError> {
    let mut tx = db.begin().await?;
    let Some((held, _)) = lock(&mut tx, id)
        .await?
        .filter(|(held, _)| held.tenant == *tenant)
    else {
        return Ok(None);
    };
    let there = list_in(&mut tx, tenant, id).await?;
    if let Some(same) = there.iter().find(|known| known.sha256 == new.sha256) {
        return Ok(Some(Ok(same.clone())));
    }
    let count = u32::try_from(there.len()).unwrap_or(u32::MAX);
    if let Err(refusal) = held.takes_evidence(stamp.at, count, most) {
        return Ok(Some(Err(refusal)));
    }
    insert(&mut tx, id, &new).await?;
    let detail = json!({ "sha256": new.sha256, "media_type": new.media_type, "bytes": new.bytes });
    audit(&mut tx, stamp, &held, "acceptance.evidence_added", detail).await?;
    stamp.made(&mut tx, tenant, new.sha256).await?;
    tx.commit().await?;
    Ok(Some(Ok(new)))
}

async fn insert(tx: &mut Tx, id: AcceptanceId, new: &Evidence) -> Result<(), RecordsError> {
    on!(tx: tx, |c| sqlx::query(INSERT)
        .bind(id.to_string())
        .bind(new.sha256.to_string())
        .bind(&new.name)
        .bind(&new.media_type)
        .bind(number(new.bytes))
        .bind(new.by.tenant.as_str())
        .bind(new.by.member.as_str())
        .bind(At(new.at))
        .run(c))?;
    Ok(())
}

async fn list_in(tx: &mut Tx, tenant: &TenantName, id: AcceptanceId) -> Result<Vec<Evidence>, RecordsError> {
    let rows: Vec<Row> = on!(tx: tx, |c| sqlx::query_as(LIST)
        .bind(id.to_string())
        .bind(tenant.as_str())
        .fetch_all(c))?;
    rows.into_iter().map(Row::read).collect()
}

/// The files of an acceptance, in the order in which they came: one of `tenant`, or of any. No acceptance, no files.
pub async fn list(
    db: &Db,
    tenant: Option<&TenantName>,
    id: AcceptanceId,
) -> Result<Vec<Evidence>, RecordsError> {
    let rows: Vec<Row> = on!(db, |c| sqlx::query_as(LIST)
        .bind(id.to_string())
        .bind(tenant.map(|tenant| tenant.as_str()))
        .fetch_all(c))?;
    rows.into_iter().map(Row::read).collect()
}

/// One file of an acceptance: one of `tenant`, or of any.
pub async fn get(
    db: &Db,
    tenant: Option<&TenantName>,
    id: AcceptanceId,
    sha256: Sha256,
) -> Result<Option<Evidence>, RecordsError> {
    let all = list(db, tenant, id).await?;
    Ok(all.into_iter().find(|one| one.sha256 == sha256))
}

#[derive(sqlx::FromRow)]
struct Row {
    sha256: String,
    name: Option<String>,
    media_type: String,
    bytes: i64,
    by_tenant: String,
    by_member: String,
    at: At,
}

impl Row {
    fn read(self) -> Result<Evidence, RecordsError> {
        let row = reading("acceptance_evidence", &self.sha256);
        let by = Judge {
            tenant: row.parsed(&self.by_tenant)?,
            member: row.parsed(&self.by_member)?,
        };
        Ok(Evidence {
            sha256: row.parsed(&self.sha256)?,
            bytes: row.whole(self.bytes)?,
            name: self.name,
            media_type: self.media_type,
            by,
            at: self.at.0,
        })
    }
}
