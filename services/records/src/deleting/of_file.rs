//! Deletions of files of OpenAI's form: those that tenants send, and those of answers to their requests.

use super::{Deletion, files, read, row::DeletionRow, store};
use crate::{At, Db, RecordsError, Stamp, Tx, on, read::Reading, retention::ids_due, run::Run as _};
use domain::{
    deletion::{Deleted, DeletedOf},
    id::{BatchId, DeletionId, FileId},
    names::TenantName,
};
use time::OffsetDateTime;

const TAKE: &str = "UPDATE openai_files SET deleted_at = $3 WHERE id = $1 AND tenant = $2 AND deleted_at IS NULL \
    RETURNING purpose";
const LET_GO: &str =
    "UPDATE openai_files SET gone_at = $2 WHERE id = $1 AND gone_at IS NULL RETURNING sha256";
const FORGET_NAME: &str = "UPDATE openai_files SET filename = '' WHERE id = $1";
/// What the statement about a file lists.
pub(super) const ITSELF: &str = "SELECT id, sha256 FROM openai_files WHERE id = $1";
const OF_FILE: &str = "SELECT * FROM deletions WHERE file = $1 AND tenant = $2 ORDER BY id";
const EXPIRED: &str = "SELECT tenant, id FROM openai_files WHERE deleted_at IS NULL AND expires_at <= $1 \
    ORDER BY expires_at LIMIT $2";
const DUE_SENT: &str = "SELECT id FROM openai_files WHERE tenant = $1 AND deleted_at IS NULL \
    AND purpose <> 'batch_output' AND created_at <= $2 ORDER BY created_at LIMIT $3";
const DUE_MADE: &str = "SELECT id FROM openai_files WHERE tenant = $1 AND deleted_at IS NULL \
    AND purpose = 'batch_output' AND created_at <= $2 ORDER BY created_at LIMIT $3";
// What a batch of requests makes of one is a page with its questions, the first of which the request's row names.
const REQUESTED_BY: &str = "SELECT r.batch FROM jobs j JOIN openai_rows r ON r.job = j.id WHERE j.batch = $1 \
    AND j.document_place = 0 AND j.page_number = 1 AND j.question = 0";
// That it is under way is hidden from the planner, or it might go through all batches that are.
const WRITE_ANEW: &str = "UPDATE openai_batches SET held_until = $2 WHERE id = $1 \
    AND COALESCE(completed_at, failed_at, expired_at, cancelled_at) IS NULL \
    AND COALESCE(finalizing_at, cancelling_at) IS NOT NULL";
const ANSWERS_OF: &str = "SELECT output_file FROM openai_batches WHERE id = $1 AND tenant = $2";

pub(super) const STATEMENTS: &[&str] = &[
    TAKE,
    LET_GO,
    FORGET_NAME,
    ITSELF,
    OF_FILE,
    EXPIRED,
    DUE_SENT,
    DUE_MADE,
    REQUESTED_BY,
    WRITE_ANEW,
    ANSWERS_OF,
];

/// Begins to delete a file of `tenant`, which is given out to nobody from now on. None: it has no such file.
pub async fn begin(
    db: &Db,
    stamp: Stamp<'_>,
    tenant: &TenantName,
    file: FileId,
) -> Result<Option<Deletion>, RecordsError> {
    let mut tx = db.begin().await?;
    let Some(id) = begin_in(&mut tx, stamp, tenant, file).await? else {
        return Ok(None);
    };
    let begun = read(&mut tx, id).await?;
    tx.commit().await?;
    Ok(Some(begun))
}

async fn begin_in(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    tenant: &TenantName,
    file: FileId,
) -> Result<Option<DeletionId>, RecordsError> {
    let taken: Option<String> = on!(tx: &mut *tx, |c| sqlx::query_scalar(TAKE)
        .bind(file.to_string())
        .bind(tenant.as_str())
        .bind(At(stamp.at))
        .fetch_optional(c))?;
    let Some(purpose) = taken else {
        return Ok(None);
    };
    let deleted = match purpose.as_str() {
        "batch_output" => Deleted::Answers,
        _ => Deleted::Documents,
    };
    let id: DeletionId = stamp.ids.make();
    store(tx, stamp, tenant, id, DeletedOf::File(file), deleted).await?;
    Ok(Some(id))
}

/// The answers of `batch` are deleted as their tenant asks: so is the file of answers that tells them, if a request of a
/// batch of OpenAI's form made it. One that is being written is written anew, by whoever takes that batch next.
pub(super) async fn begin_with_answers(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    tenant: &TenantName,
    batch: BatchId,
) -> Result<(), RecordsError> {
    let requested: Option<String> = on!(tx: &mut *tx, |c| sqlx::query_scalar(REQUESTED_BY)
        .bind(batch.to_string())
        .fetch_optional(c))?;
    let Some(id) = requested else {
        return Ok(());
    };
    // Whoever writes the file loses its hold first: it is not stored after this look.
    on!(tx: &mut *tx, |c| sqlx::query(WRITE_ANEW).bind(&id).bind(At(stamp.at)).run(c))?;
    let output: Option<Option<String>> = on!(tx: &mut *tx, |c| sqlx::query_scalar(ANSWERS_OF)
        .bind(&id)
        .bind(tenant.as_str())
        .fetch_optional(c))?;
    let reading = Reading {
        table: "openai_batches",
        id: &id,
    };
    if let Some(file) = reading.parsed_if(output.flatten().as_deref())? {
        begin_in(tx, stamp, tenant, file).await?;
    }
    Ok(())
}

/// The file has its bytes no longer: they are removed if nothing else has them. Tells whether it had them until now.
pub(super) async fn let_go(
    db: &Db,
    at: OffsetDateTime,
    deletion: DeletionId,
    file: FileId,
) -> Result<bool, RecordsError> {
    let mut tx = db.begin().await?;
    let let_go: Option<String> = on!(tx: &mut tx, |c| sqlx::query_scalar(LET_GO)
        .bind(file.to_string())
        .bind(At(at))
        .fetch_optional(c))?;
    let Some(bytes) = let_go else {
        return Ok(false);
    };
    files::unrefer(&mut tx, deletion, &[bytes]).await?;
    tx.commit().await?;
    Ok(true)
}

/// Forgets what a file was called. Whoever ends its deletion at the same time waits.
pub(super) async fn forget_name(tx: &mut Tx, file: FileId) -> Result<(), RecordsError> {
    on!(tx: tx, |c| sqlx::query(FORGET_NAME).bind(file.to_string()).run(c))?;
    Ok(())
}

/// The deletions of a file of `tenant`: one, or none.
pub async fn of_file(db: &Db, tenant: &TenantName, file: FileId) -> Result<Vec<Deletion>, RecordsError> {
    let rows = on!(db, |c| sqlx::query_as::<_, DeletionRow>(OF_FILE)
        .bind(file.to_string())
        .bind(tenant.as_str())
        .fetch_all(c))?;
    rows.into_iter().map(DeletionRow::read).collect()
}

/// Up to `limit` files of all tenants that ended at `now`, as their tenants wished when they were made, with whose they are.
pub async fn expired(
    db: &Db,
    now: OffsetDateTime,
    limit: u32,
) -> Result<Vec<(TenantName, FileId)>, RecordsError> {
    let rows: Vec<(String, String)> = on!(db, |c| sqlx::query_as(EXPIRED)
        .bind(At(now))
        .bind(i64::from(limit))
        .fetch_all(c))?;
    let read = |(tenant, id): &(String, String)| {
        let reading = Reading {
            table: "openai_files",
            id,
        };
        Ok((reading.parsed(tenant)?, reading.parsed(id)?))
    };
    rows.iter().map(read).collect()
}

/// Up to `limit` files of `tenant` that are as old as `before` or older: those that it sent, or those of answers; the
/// oldest first.
pub async fn due(
    db: &Db,
    tenant: &TenantName,
    deleted: Deleted,
    before: OffsetDateTime,
    limit: u32,
) -> Result<Vec<FileId>, RecordsError> {
    let sql = match deleted.documents() {
        true => DUE_SENT,
        false => DUE_MADE,
    };
    ids_due(db, "openai_files", sql, tenant, before, limit).await
}
