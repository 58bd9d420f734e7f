//! The sets of policy files that were in force, so that a decision can be explained under those of its time.

use crate::{At, Db, RecordsError, Tx, on, run::Run as _};
use domain::{
    audit::NewAudit,
    digest::Sha256,
    policy::{Policies, PolicyFile},
};
use sqlx::types::Json;
use time::OffsetDateTime;

const KEEP: &str =
    "INSERT INTO policy_sets (sha256, files, first_at) VALUES ($1, $2, $3) ON CONFLICT (sha256) DO NOTHING";
const FILES: &str = "SELECT files FROM policy_sets WHERE sha256 = $1";

pub(crate) const STATEMENTS: &[&str] = &[KEEP, FILES];

/// Keeps the files of `policies`, which are about to be in force. A set that was kept before stays as it is.
pub async fn keep(db: &Db, policies: &Policies, at: OffsetDateTime) -> Result<(), RecordsError> {
    let mut tx = db.begin().await?;
    keep_within(&mut tx, policies, at).await?;
    tx.commit().await?;
    Ok(())
}

/// Keeps the files of `policies`, which are put in force instead of others, and what the audit log says of that.
pub async fn change(db: &Db, policies: &Policies, entry: &NewAudit) -> Result<(), RecordsError> {
    let mut tx = db.begin().await?;
    keep_within(&mut tx, policies, entry.at).await?;
    tx.append(entry.clone());
    tx.commit().await?;
    Ok(())
}

async fn keep_within(tx: &mut Tx, policies: &Policies, at: OffsetDateTime) -> Result<(), RecordsError> {
    on!(tx: tx, |c| sqlx::query(KEEP)
        .bind(policies.sha256().to_string())
        .bind(Json(policies.files()))
        .bind(At(at))
        .run(c))?;
    Ok(())
}

/// The files of a set, if it was ever in force here.
pub async fn files(db: &Db, sha256: &Sha256) -> Result<Option<Vec<PolicyFile>>, RecordsError> {
    let found: Option<Json<Vec<PolicyFile>>> = on!(db, |c| sqlx::query_scalar(FILES)
        .bind(sha256.to_string())
        .fetch_optional(c))?;
    Ok(found.map(|Json(files)| files))
}
