//! How uploads go on when all their parts are there, and how they end.

use super::{ModelUpload, Row};
use crate::{
    At, Db, RecordsError, Stamp, Tx,
    models::{Imported, NewRevision, add_revision_in},
    on,
    read::Reading,
    run::Run as _,
};
use domain::{id::ModelUploadId, names::TenantName};
use serde_json::{Value, json};
use time::OffsetDateTime;

const SUBMIT: &str = "UPDATE model_uploads SET state = 'checking' \
    WHERE id = $1 AND tenant = $2 AND state = 'open' AND expires_at > $3";
const ABORT: &str = "UPDATE model_uploads SET state = 'aborted', ended_at = $3 \
    WHERE id = $1 AND tenant = $2 AND state IN ('open', 'checking')";
const EXPIRE: &str = "UPDATE model_uploads SET state = 'expired', ended_at = $1 \
    WHERE state = 'open' AND cleared_at IS NULL AND expires_at <= $1 RETURNING id, tenant";
const TAKE: &str = "UPDATE model_uploads SET held_until = $2 WHERE id = (SELECT id FROM model_uploads \
    WHERE state = 'checking' AND cleared_at IS NULL AND (held_until IS NULL OR held_until <= $1) ORDER BY id LIMIT 1) \
    AND state = 'checking' AND (held_until IS NULL OR held_until <= $1) RETURNING *";
const PROLONG: &str =
    "UPDATE model_uploads SET held_until = $3 WHERE id = $1 AND state = 'checking' AND held_until = $2";
const COMPLETE: &str = "UPDATE model_uploads SET state = 'completed', ended_at = $3, revision_sha256 = $4 \
    WHERE id = $1 AND state = 'checking' AND held_until = $2";
const REFUSE: &str = "UPDATE model_uploads SET state = 'refused', ended_at = $3, refusal = $4 \
    WHERE id = $1 AND state = 'checking' AND held_until = $2";
const UNCLEARED: &str = "SELECT * FROM model_uploads WHERE state IN ('completed', 'refused', 'aborted', 'expired') \
    AND cleared_at IS NULL ORDER BY id LIMIT $1";
const CLEARED: &str = "UPDATE model_uploads SET cleared_at = $2 WHERE id = $1";

pub(super) const STATEMENTS: &[&str] = &[
    SUBMIT, ABORT, EXPIRE, TAKE, PROLONG, COMPLETE, REFUSE, UNCLEARED, CLEARED,
];

/// All parts of an open upload are there: whoever is free reads it. Gives whether it was open.
pub async fn submit(
    db: &Db,
    stamp: Stamp<'_>,
    tenant: &TenantName,
    id: ModelUploadId,
) -> Result<bool, RecordsError> {
    move_on(db, stamp, (tenant, id), SUBMIT, "model_upload.submitted").await
}

/// Gives an upload up that is not over. Gives whether it was not.
pub async fn abort(
    db: &Db,
    stamp: Stamp<'_>,
    tenant: &TenantName,
    id: ModelUploadId,
) -> Result<bool, RecordsError> {
    move_on(db, stamp, (tenant, id), ABORT, "model_upload.aborted").await
}

/// Does with an upload what its tenant asked for. Gives whether it was in a state for that.
async fn move_on(
    db: &Db,
    stamp: Stamp<'_>,
    (tenant, id): (&TenantName, ModelUploadId),
    sql: &'static str,
    kind: &'static str,
) -> Result<bool, RecordsError> {
    let mut tx = db.begin().await?;
    let moved = on!(tx: &mut tx, |c| sqlx::query(sql)
        .bind(id.to_string())
        .bind(tenant.as_str())
        .bind(At(stamp.at))
        .run(c))?;
    written(tx, moved, stamp, tenant, (kind, id, json!({}))).await
}

/// Ends uploads that are open beyond their time.
pub async fn expire(db: &Db, stamp: Stamp<'_>) -> Result<(), RecordsError> {
    let mut tx = db.begin().await?;
    expire_in(&mut tx, stamp).await?;
    Ok(tx.commit().await?)
}

pub(super) async fn expire_in(tx: &mut Tx, stamp: Stamp<'_>) -> Result<(), RecordsError> {
    let ended: Vec<(String, String)> =
        on!(tx: &mut *tx, |c| sqlx::query_as(EXPIRE).bind(At(stamp.at)).fetch_all(c))?;
    // Nobody asked for it, whoever's request it was noticed in.
    let stamp = Stamp::of_hub(stamp.ids, stamp.at);
    for (id, tenant) in ended {
        let row = Reading {
            table: "model_uploads",
            id: &id,
        };
        let tenant = row.parsed(&tenant)?;
        stamp.audit(tx, &tenant, "model_upload.expired", id, None, json!({}));
    }
    Ok(())
}

/// An upload that a hub reads, and until when it has it to itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The upload.
    pub upload: ModelUpload,
    held_until: OffsetDateTime,
}

/// Takes an upload that nobody reads, until `until`.
pub async fn take(
    db: &Db,
    now: OffsetDateTime,
    until: OffsetDateTime,
) -> Result<Option<Taken>, RecordsError> {
    let row: Option<Row> = on!(db, |c| sqlx::query_as(TAKE)
        .bind(At(now))
        .bind(At(until))
        .fetch_optional(c))?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Taken {
        upload: row.read()?,
        held_until: until,
    }))
}

/// Keeps it until `until`, if it is still had.
pub async fn prolong(db: &Db, taken: &mut Taken, until: OffsetDateTime) -> Result<bool, RecordsError> {
    let moved = on!(db, |c| sqlx::query(PROLONG)
        .bind(taken.upload.id.to_string())
        .bind(At(taken.held_until))
        .bind(At(until))
        .run(c))?;
    if moved > 0 {
        taken.held_until = until;
    }
    Ok(moved > 0)
}

/// Adds the revision that was uploaded. `None`, and nothing was added: it was given up, or another hub has it.
pub async fn complete(
    db: &Db,
    stamp: Stamp<'_>,
    taken: &Taken,
    revision: &NewRevision,
) -> Result<Option<Imported>, RecordsError> {
    let mut tx = db.begin().await?;
    let moved = on!(tx: &mut tx, |c| sqlx::query(COMPLETE)
        .bind(taken.upload.id.to_string())
        .bind(At(taken.held_until))
        .bind(At(stamp.at))
        .bind(revision.sha256.to_string())
        .run(c))?;
    if moved == 0 {
        return Ok(None);
    }
    let imported = add_revision_in(&mut tx, revision).await?;
    let detail = json!({
        "model": revision.model.name, "revision_sha256": revision.sha256, "new": imported == Imported::New,
    });
    let about = ("model_upload.completed", taken.upload.id, detail);
    written(tx, moved, stamp, &taken.upload.tenant, about).await?;
    Ok(Some(imported))
}

/// What was uploaded is no revision. Gives whether it was still had.
pub async fn refuse(db: &Db, stamp: Stamp<'_>, taken: &Taken, reason: &str) -> Result<bool, RecordsError> {
    let mut tx = db.begin().await?;
    let moved = on!(tx: &mut tx, |c| sqlx::query(REFUSE)
        .bind(taken.upload.id.to_string())
        .bind(At(taken.held_until))
        .bind(At(stamp.at))
        .bind(reason)
        .run(c))?;
    let detail = json!({ "model": taken.upload.model, "reason": reason });
    let about = ("model_upload.refused", taken.upload.id, detail);
    written(tx, moved, stamp, &taken.upload.tenant, about).await
}

/// Commits what moved an upload, if it did, with what is said of it.
async fn written(
    mut tx: Tx,
    moved: u64,
    stamp: Stamp<'_>,
    tenant: &TenantName,
    (kind, id, detail): (&'static str, ModelUploadId, Value),
) -> Result<bool, RecordsError> {
    if moved == 0 {
        return Ok(false);
    }
    stamp.audit(&mut tx, tenant, kind, id.to_string(), None, detail);
    tx.commit().await?;
    Ok(true)
}

/// Up to `limit` uploads that are over, and of which something may be left in the bucket.
pub async fn uncleared(db: &Db, limit: u32) -> Result<Vec<ModelUpload>, RecordsError> {
    let rows: Vec<Row> = on!(db, |c| sqlx::query_as(UNCLEARED)
        .bind(i64::from(limit))
        .fetch_all(c))?;
    rows.into_iter().map(Row::read).collect()
}

/// Nothing of it is left there.
pub async fn cleared(db: &Db, id: ModelUploadId, at: OffsetDateTime) -> Result<(), RecordsError> {
    on!(db, |c| sqlx::query(CLEARED)
        .bind(id.to_string())
        .bind(At(at))
        .run(c))?;
    Ok(())
}
