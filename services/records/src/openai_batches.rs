//! Batches as clients of OpenAI's API know them: a file of requests, each of which becomes a job of its own.
//!
//! Who works at one holds it: every change is made only if the hold still stands.

mod row;
mod rows;
mod working;

pub use row::{Notes, OpenaiBatch, Progress};
pub use rows::{RowVerdict, StoredRow, feed, progress, rows};
pub use working::{Finished, Stood, begin, fail, finalize, finish, hold, take};

use crate::{At, Db, RecordsError, Stamp, on, read::number, run::Run as _};
use domain::{id::OpenaiBatchId, names::TenantName};
use row::Row;
use serde_json::json;
use sqlx::types::Json;

const UNDER_WAY: &str = "SELECT COUNT(*) FROM openai_batches WHERE tenant = $1 AND completed_at IS NULL \
    AND failed_at IS NULL AND expired_at IS NULL AND cancelled_at IS NULL";
const INSERT: &str = "INSERT INTO openai_batches (id, tenant, member, roles, purpose, endpoint, input_file, \
    completion_window, metadata, output_seconds, created_at, expires_at, faults, api_key, held_until) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $11)";
const GET: &str = "SELECT * FROM openai_batches WHERE id = $1 AND tenant = $2";
const LIST: &str = "SELECT * FROM openai_batches WHERE tenant = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
const CANCEL: &str = "UPDATE openai_batches SET cancelling_at = $3, held_until = $3 WHERE id = $1 AND tenant = $2 \
    AND cancelling_at IS NULL AND completed_at IS NULL AND failed_at IS NULL AND expired_at IS NULL";

pub(crate) const STATEMENTS: &[&str] = &[UNDER_WAY, INSERT, GET, LIST, CANCEL];
pub(crate) const MORE_STATEMENTS: &[&[&str]] = &[rows::STATEMENTS, working::STATEMENTS];

/// Stores a batch, unless `most` of its tenant are under way already. Tells whether it was stored.
pub async fn create(db: &Db, stamp: Stamp<'_>, batch: &OpenaiBatch, most: u32) -> Result<bool, RecordsError> {
    let mut tx = db.begin().await?;
    let (tenant, id) = (&batch.caller.tenant, batch.id.to_string());
    let under_way: i64 =
        on!(tx: &mut tx, |c| sqlx::query_scalar(UNDER_WAY).bind(tenant.as_str()).fetch_one(c))?;
    if under_way >= number(most) {
        return Ok(false);
    }
    on!(tx: &mut tx, |c| sqlx::query(INSERT)
        .bind(&id)
        .bind(tenant.as_str())
        .bind(batch.caller.member.as_str())
        .bind(Json(&batch.caller.roles))
        .bind(batch.purpose.as_str())
        .bind(&batch.endpoint)
        .bind(batch.input_file.to_string())
        .bind(&batch.completion_window)
        .bind(batch.metadata.as_ref().map(Json))
        .bind(batch.output_seconds.map(number))
        .bind(At(batch.created_at))
        .bind(At(batch.expires_at))
        .bind(Json(&batch.faults))
        .bind(batch.key.map(|key| key.to_string()))
        .run(c))?;
    let detail = json!({ "input_file": batch.input_file });
    stamp.audit(&mut tx, tenant, "openai_batch.created", id, None, detail);
    stamp.made(&mut tx, tenant, batch.id).await?;
    tx.commit().await?;
    Ok(true)
}

/// A batch of `tenant`.
pub async fn get(
    db: &Db,
    tenant: &TenantName,
    id: OpenaiBatchId,
) -> Result<Option<OpenaiBatch>, RecordsError> {
    let row: Option<Row> = on!(db, |c| sqlx::query_as(GET)
        .bind(id.to_string())
        .bind(tenant.as_str())
        .fetch_optional(c))?;
    row.map(Row::read).transpose()
}

/// Up to `limit` batches of `tenant`, newest first, older than `after`.
pub async fn list(
    db: &Db,
    tenant: &TenantName,
    after: Option<OpenaiBatchId>,
    limit: u32,
) -> Result<Vec<OpenaiBatch>, RecordsError> {
    let after = after.map_or_else(|| "batch_~".to_owned(), |id| id.to_string());
    let rows: Vec<Row> = on!(db, |c| sqlx::query_as(LIST)
        .bind(tenant.as_str())
        .bind(&after)
        .bind(i64::from(limit))
        .fetch_all(c))?;
    rows.into_iter().map(Row::read).collect()
}

/// The tenant does not want the rest any more. False: it is over, or is being cancelled.
pub async fn cancel(
    db: &Db,
    stamp: Stamp<'_>,
    tenant: &TenantName,
    id: OpenaiBatchId,
) -> Result<bool, RecordsError> {
    let mut tx = db.begin().await?;
    let id = id.to_string();
    let cancelled = on!(tx: &mut tx, |c| sqlx::query(CANCEL)
        .bind(&id)
        .bind(tenant.as_str())
        .bind(At(stamp.at))
        .run(c))?;
    if cancelled == 0 {
        return Ok(false);
    }
    stamp.audit(&mut tx, tenant, "openai_batch.cancelling", id, None, json!({}));
    tx.commit().await?;
    Ok(true)
}

#[cfg(test)]
mod tests;
