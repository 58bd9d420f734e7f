//! Deletions: documents, pages and answers of a batch that is over, in portions, each in one transaction; and files of
//! OpenAI's form ([`of_file`]).
//!
//! Rows that others point to stay, with digests and without content: what the audit log tells remains true. The files are
//! removed afterwards ([`files`]), and then the deletion is done and its signed record kept.

pub mod files;
pub mod of_file;
mod row;

pub use row::Deletion;
use row::DeletionRow;

use crate::{
    At, Db, RecordsError, Stamp, Tx, batches, many, on,
    read::{Reading, number},
    run::Run as _,
};
use domain::{
    batch::{BatchRefusal, BatchState},
    deletion::{Deleted, DeletedOf, DeletionCounts, DeletionRecord, DeletionStatement},
    digest::Sha256,
    id::{BatchId, DeletionId},
    names::{MemberName, TenantName},
};
use serde_json::{Value, json};
use sqlx::types::Json;
use time::OffsetDateTime;

const INSERT: &str = "INSERT INTO deletions (id, tenant, batch, file, deleted, member, asked_at) VALUES ($1, $2, $3, $4, $5, $6, $7)";
const DOCUMENTS_GONE: &str =
    "UPDATE batches SET documents_gone_at = COALESCE(documents_gone_at, $2) WHERE id = $1";
const ANSWERS_GONE: &str = "UPDATE batches SET answers_gone_at = COALESCE(answers_gone_at, $2) WHERE id = $1";
// A file stays for as long as a batch of its requests is under way.
const OPEN: &str = "SELECT * FROM deletions d WHERE d.done_at IS NULL AND NOT EXISTS (SELECT 1 FROM openai_batches b \
    WHERE b.input_file = d.file AND b.completed_at IS NULL AND b.failed_at IS NULL AND b.expired_at IS NULL \
    AND b.cancelled_at IS NULL) ORDER BY d.id LIMIT $1";
const OF_BATCH: &str = "SELECT * FROM deletions WHERE batch = $1 AND tenant = $2 ORDER BY id";
const NEXT_DOCUMENTS: &str =
    "SELECT id, place FROM documents WHERE batch = $1 AND deleted_at IS NULL ORDER BY place LIMIT $2";
const NEXT_ANSWERED: &str =
    "SELECT id, place FROM documents WHERE batch = $1 AND answers_deleted_at IS NULL ORDER BY place LIMIT $2";
// What is there is hidden from the planner, or it might go through all pages that are there for those of the documents.
const DELETE_PAGES: &str = "UPDATE pages SET deleted_at = $2 WHERE id IN (SELECT p.id FROM pages p WHERE p.document IN \
    (SELECT r.value ->> 'id' FROM json_each($1) AS r) AND COALESCE(p.deleted_at, p.deleted_at) IS NULL AND p.width > 0 LIMIT $3) RETURNING sha256";
// Texts of what pages answered. One that was never composed has no bytes.
const DELETE_TEXTS: &str = "UPDATE pages SET deleted_at = $2 WHERE id IN (SELECT p.id FROM pages p WHERE p.document IN \
    (SELECT r.value ->> 'id' FROM json_each($1) AS r) AND COALESCE(p.deleted_at, p.deleted_at) IS NULL AND p.width = 0 LIMIT $3) RETURNING sha256";
const DELETE_DOCUMENTS: &str = "UPDATE documents SET deleted_at = $2, name = NULL, warnings = NULL WHERE id IN \
    (SELECT r.value ->> 'id' FROM json_each($1) AS r) RETURNING sha256";
const DELETE_ANSWERS: &str = "DELETE FROM answers WHERE job IN (SELECT a.job FROM jobs j JOIN answers a ON a.job = j.id \
    WHERE j.batch = $1 AND j.document_place >= $2 AND j.document_place <= $3 LIMIT $4)";
const WITHOUT_ANSWERS: &str = "UPDATE documents SET answers_deleted_at = $2 WHERE id IN \
    (SELECT r.value ->> 'id' FROM json_each($1) AS r)";
const ADD: &str = "UPDATE deletions SET documents = documents + $2, pages = pages + $3, answers = answers + $4, \
    files = files + $5, shared = shared + $6 WHERE id = $1";
const FORGET_QUESTIONS: &str = "UPDATE questions SET text = '', parameters = '{}' WHERE batch = $1";
const FORGET_METADATA: &str = "UPDATE batches SET metadata = '{}' WHERE id = $1";
const DOCUMENTS_OF: &str = "SELECT id, sha256 FROM documents WHERE batch = $1 ORDER BY place";
const FINISH: &str = "UPDATE deletions SET done_at = $2, record = $3 WHERE id = $1 AND done_at IS NULL";
const GET: &str = "SELECT * FROM deletions WHERE id = $1";

pub(crate) const STATEMENTS: &[&str] = &[
    INSERT,
    DOCUMENTS_GONE,
    ANSWERS_GONE,
    OPEN,
    OF_BATCH,
    NEXT_DOCUMENTS,
    NEXT_ANSWERED,
    DELETE_PAGES,
    DELETE_TEXTS,
    DELETE_DOCUMENTS,
    DELETE_ANSWERS,
    WITHOUT_ANSWERS,
    ADD,
    FORGET_QUESTIONS,
    FORGET_METADATA,
    DOCUMENTS_OF,
    FINISH,
    GET,
];

pub(crate) const MORE_STATEMENTS: &[&[&str]] = &[files::STATEMENTS, of_file::STATEMENTS];

/// How many documents are deleted in one transaction, and how many pages or answers of them.
const DOCUMENTS: i64 = 32;
const ROWS: i64 = 1_000;

/// Begins a deletion of a batch of `tenant`: from now on nothing of what it deletes is given out. Gives the one that was
/// begun before, if it deletes as much. `None`: the tenant has no such batch.
pub async fn begin(
    db: &Db,
    stamp: Stamp<'_>,
    tenant: &TenantName,
    batch: BatchId,
    deleted: Deleted,
) -> Result<Option<Result<Deletion, BatchRefusal>>, RecordsError> {
    let mut tx = db.begin().await?;
    let stored = batches::lock(&mut tx, batch).await?;
    let Some(stored) = stored.filter(|stored| stored.tenant == *tenant) else {
        return Ok(None);
    };
    if let BatchState::Open | BatchState::Running { .. } = stored.state {
        return Ok(Some(Err(BatchRefusal::WrongState(stored.state.as_str()))));
    }
    let rows = on!(tx: &mut tx, |c| sqlx::query_as::<_, DeletionRow>(OF_BATCH)
        .bind(batch.to_string())
        .bind(tenant.as_str())
        .fetch_all(c))?;
    let earlier = rows
        .into_iter()
        .map(DeletionRow::read)
        .collect::<Result<Vec<_>, _>>()?;
    let as_much = |one: &Deletion| one.deleted == Deleted::All || one.deleted == deleted;
    if let Some(earlier) = earlier.into_iter().find(as_much) {
        return Ok(Some(Ok(earlier)));
    }
    let id: DeletionId = stamp.ids.make();
    let of = DeletedOf::Batch(batch);
    store(&mut tx, stamp, tenant, id, of, deleted).await?;
    for (gone, sql) in [
        (deleted.documents(), DOCUMENTS_GONE),
        (deleted.answers(), ANSWERS_GONE),
    ] {
        if gone {
            on!(tx: &mut tx, |c| sqlx::query(sql).bind(batch.to_string()).bind(At(stamp.at)).run(c))?;
        }
    }
    if deleted.answers() && stamp.member.is_some() {
        of_file::begin_with_answers(&mut tx, stamp, tenant, batch).await?;
    }
    let begun = read(&mut tx, id).await?;
    tx.commit().await?;
    Ok(Some(Ok(begun)))
}

/// Writes down, in the audit log too, that a deletion begins.
async fn store(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    tenant: &TenantName,
    id: DeletionId,
    of: DeletedOf,
    deleted: Deleted,
) -> Result<(), RecordsError> {
    let (batch, file, kind) = match of {
        DeletedOf::Batch(batch) => (Some(batch.to_string()), None, "batch.deleting"),
        DeletedOf::File(file) => (None, Some(file.to_string()), "file.deleting"),
    };
    on!(tx: &mut *tx, |c| sqlx::query(INSERT)
        .bind(id.to_string())
        .bind(tenant.as_str())
        .bind(batch.as_deref())
        .bind(file.as_deref())
        .bind(deleted.as_str())
        .bind(stamp.member.map(MemberName::as_str))
        .bind(At(stamp.at))
        .run(c))?;
    let detail = json!({ "deletion": id, "deleted": deleted });
    stamp.audit(tx, tenant, kind, of.to_string(), None, detail);
    Ok(())
}

async fn read(tx: &mut Tx, id: DeletionId) -> Result<Deletion, RecordsError> {
    let row = on!(tx: tx, |c| sqlx::query_as::<_, DeletionRow>(GET).bind(id.to_string()).fetch_one(c))?;
    row.read()
}

/// Up to `limit` deletions of all tenants that are not done, the oldest first.
pub async fn open(db: &Db, limit: u32) -> Result<Vec<Deletion>, RecordsError> {
    let rows = on!(db, |c| sqlx::query_as::<_, DeletionRow>(OPEN)
        .bind(i64::from(limit))
        .fetch_all(c))?;
    rows.into_iter().map(DeletionRow::read).collect()
}

/// The deletions of a batch of `tenant`, the oldest first.
pub async fn of_batch(db: &Db, tenant: &TenantName, batch: BatchId) -> Result<Vec<Deletion>, RecordsError> {
    let rows = on!(db, |c| sqlx::query_as::<_, DeletionRow>(OF_BATCH)
        .bind(batch.to_string())
        .bind(tenant.as_str())
        .fetch_all(c))?;
    rows.into_iter().map(DeletionRow::read).collect()
}

/// Deletes the next portion of what `deletion` deletes. Tells whether there was one; the files are left.
pub async fn go_on(db: &Db, at: OffsetDateTime, deletion: &Deletion) -> Result<bool, RecordsError> {
    match deletion.of {
        DeletedOf::Batch(batch) => go_on_with_batch(db, at, deletion, batch).await,
        DeletedOf::File(file) => of_file::let_go(db, at, deletion.id, file).await,
    }
}

async fn go_on_with_batch(
    db: &Db,
    at: OffsetDateTime,
    deletion: &Deletion,
    batch: BatchId,
) -> Result<bool, RecordsError> {
    let mut tx = db.begin().await?;
    batches::lock(&mut tx, batch).await?;
    let batch = batch.to_string();
    for (wanted, next, answers) in [
        (deletion.deleted.documents(), NEXT_DOCUMENTS, false),
        (deletion.deleted.answers(), NEXT_ANSWERED, true),
    ] {
        if !wanted {
            continue;
        }
        let documents: Vec<(String, i64)> =
            on!(tx: &mut tx, |c| sqlx::query_as(next).bind(&batch).bind(DOCUMENTS).fetch_all(c))?;
        if documents.is_empty() {
            continue;
        }
        let counts = match answers {
            true => delete_answers(&mut tx, at, deletion, &documents).await?,
            false => delete_documents(&mut tx, at, deletion, &documents).await?,
        };
        add(&mut tx, deletion.id, &counts).await?;
        tx.commit().await?;
        return Ok(true);
    }
    Ok(false)
}

async fn delete_documents(
    tx: &mut Tx,
    at: OffsetDateTime,
    deletion: &Deletion,
    documents: &[(String, i64)],
) -> Result<DeletionCounts, RecordsError> {
    let ids = many::ids(documents.iter().map(|(id, _)| id));
    let pages: Vec<String> = on!(tx: &mut *tx, |c| sqlx::query_scalar(DELETE_PAGES)
        .bind(&ids)
        .bind(At(at))
        .bind(ROWS)
        .fetch_all(c))?;
    files::unrefer(tx, deletion.id, &pages).await?;
    let mut counts = DeletionCounts {
        pages: pages.len() as u64,
        ..DeletionCounts::default()
    };
    if number(pages.len()) == ROWS {
        // There may be more of them.
        return Ok(counts);
    }
    let whole: Vec<String> = on!(tx: &mut *tx, |c| sqlx::query_scalar(DELETE_DOCUMENTS)
        .bind(&ids)
        .bind(At(at))
        .fetch_all(c))?;
    files::unrefer(tx, deletion.id, &whole).await?;
    counts.documents = whole.len() as u64;
    Ok(counts)
}

async fn delete_answers(
    tx: &mut Tx,
    at: OffsetDateTime,
    deletion: &Deletion,
    documents: &[(String, i64)],
) -> Result<DeletionCounts, RecordsError> {
    let ids = many::ids(documents.iter().map(|(id, _)| id));
    let places = || documents.iter().map(|(_, place)| *place);
    let (first, last) = (places().min(), places().max());
    let answers: u64 = on!(tx: &mut *tx, |c| sqlx::query(DELETE_ANSWERS)
        .bind(deletion.of.to_string())
        .bind(first)
        .bind(last)
        .bind(ROWS)
        .run(c))?;
    let texts: Vec<String> = on!(tx: &mut *tx, |c| sqlx::query_scalar(DELETE_TEXTS)
        .bind(&ids)
        .bind(At(at))
        .bind(ROWS)
        .fetch_all(c))?;
    let composed: Vec<String> = texts
        .iter()
        .filter(|sha256| **sha256 != Sha256::of(b"").to_string())
        .cloned()
        .collect();
    files::unrefer(tx, deletion.id, &composed).await?;
    if number(answers) < ROWS && number(texts.len()) < ROWS {
        on!(tx: &mut *tx, |c| sqlx::query(WITHOUT_ANSWERS).bind(&ids).bind(At(at)).run(c))?;
    }
    Ok(DeletionCounts {
        answers,
        ..DeletionCounts::default()
    })
}

pub(crate) async fn add(tx: &mut Tx, id: DeletionId, more: &DeletionCounts) -> Result<(), RecordsError> {
    on!(tx: tx, |c| sqlx::query(ADD)
        .bind(id.to_string())
        .bind(number(more.documents))
        .bind(number(more.pages))
        .bind(number(more.answers))
        .bind(number(more.files))
        .bind(number(more.shared))
        .run(c))?;
    Ok(())
}

/// Writes down that all is gone, with the record that `sign` makes of the statement. Tells whether nobody was first.
pub async fn finish(
    db: &Db,
    stamp: Stamp<'_>,
    deletion: &Deletion,
    sign: impl FnOnce(&DeletionStatement) -> Result<Value, String>,
) -> Result<bool, RecordsError> {
    let mut tx = db.begin().await?;
    let kind = match deletion.of {
        DeletedOf::Batch(batch) => {
            batches::lock(&mut tx, batch).await?;
            "batch.deleted"
        }
        DeletedOf::File(file) => {
            of_file::forget_name(&mut tx, file).await?;
            "file.deleted"
        }
    };
    let now = read(&mut tx, deletion.id).await?;
    if now.done_at.is_some() {
        return Ok(false);
    }
    let of = now.of.to_string();
    if now.deleted == Deleted::All {
        on!(tx: &mut tx, |c| sqlx::query(FORGET_QUESTIONS).bind(&of).run(c))?;
        on!(tx: &mut tx, |c| sqlx::query(FORGET_METADATA).bind(&of).run(c))?;
    }
    let statement = statement(&mut tx, stamp, &now).await?;
    let record = sign(&statement).map_err(RecordsError::Signature)?;
    on!(tx: &mut tx, |c| sqlx::query(FINISH)
        .bind(now.id.to_string())
        .bind(At(stamp.at))
        .bind(Json(&record))
        .run(c))?;
    let detail = json!({
        "deletion": now.id, "deleted": now.deleted, "counts": now.counts,
        "record_sha256": Sha256::of(record.to_string().as_bytes()),
    });
    stamp.audit(&mut tx, &now.tenant, kind, of, None, detail);
    tx.commit().await?;
    Ok(true)
}

async fn statement(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    deletion: &Deletion,
) -> Result<DeletionStatement, RecordsError> {
    let contents = match deletion.of {
        DeletedOf::Batch(_) => DOCUMENTS_OF,
        DeletedOf::File(_) => of_file::ITSELF,
    };
    let rows: Vec<(String, String)> = on!(tx: tx, |c| sqlx::query_as(contents)
        .bind(deletion.of.to_string())
        .fetch_all(c))?;
    let read = |(id, sha256): (String, String)| {
        let reading = Reading {
            table: "what was deleted",
            id: &id,
        };
        let sha256: Sha256 = reading.parsed(&sha256)?;
        Ok((id, sha256))
    };
    let contents = rows
        .into_iter()
        .map(read)
        .collect::<Result<Vec<_>, RecordsError>>()?;
    let record = DeletionRecord {
        deletion: deletion.id,
        tenant: deletion.tenant.clone(),
        deleted: deletion.deleted,
        member: deletion.member.clone(),
        asked_at: deletion.asked_at,
        done_at: stamp.at,
        counts: deletion.counts,
    };
    Ok(DeletionStatement::of(deletion.of, &contents, record))
}
