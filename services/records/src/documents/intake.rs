//! What intake does to documents: takes one for a time, and settles it as pages and jobs or as a failure.
//!
//! A hold that ended, or that the batch's cancelling took away, changes nothing any more: the moment until which
//! the document was held is its fence.

use super::{
    new_pages::{NewPage, insert_pages},
    row::DocumentRow,
};
use crate::{
    At, Db, RecordsError, Stamp, Tx,
    batches::{self, Delta, add as add_counts},
    on,
    read::{Reading, number, trace},
    run::Run as _,
};
use domain::{
    document::{Document, DocumentPhase, Warning},
    names::TenantName,
    trace::Trace,
};
use serde_json::json;
use sqlx::types::Json;
use time::OffsetDateTime;

pub(super) const NEXT: &str = "SELECT id FROM documents WHERE tenant > $1 AND (state = 'waiting' OR \
    (state = 'splitting' AND splitting_until <= $2)) AND state IN ('waiting', 'splitting') \
    ORDER BY tenant, id LIMIT 1";
pub(super) const TAKE: &str = "UPDATE documents SET state = 'splitting', splitting_until = $3 WHERE id = $1 AND \
    (state = 'waiting' OR (state = 'splitting' AND splitting_until <= $2)) RETURNING *, \
    (SELECT traceparent FROM batches WHERE id = documents.batch) AS traceparent, \
    (SELECT tracestate FROM batches WHERE id = documents.batch) AS tracestate";
pub(super) const PROLONG: &str = "UPDATE documents SET splitting_until = $3 WHERE id = $1 AND state = 'splitting' AND splitting_until = $2";
pub(super) const SETTLE: &str = "UPDATE documents SET state = $3, splitting_until = NULL, pages = $4, code = $5, \
    message = $6, settled_at = $7, warnings = $8 WHERE id = $1 AND state = 'splitting' AND splitting_until = $2";
pub(super) const PUT_BACK: &str = "UPDATE documents SET state = 'waiting', splitting_until = NULL \
    WHERE id = $1 AND state = 'splitting' AND splitting_until = $2";
pub(super) const PUT_BACK_ALL: &str =
    "UPDATE documents SET state = 'waiting', splitting_until = NULL WHERE state = 'splitting'";

/// A document in intake's hands.
#[derive(Debug, Clone)]
pub struct TakenDocument {
    /// The document.
    pub document: Document,
    /// Whose it is.
    pub tenant: TenantName,
    /// When the hold on it ends: the fence.
    pub until: OffsetDateTime,
    /// The trace of its batch.
    pub trace: Option<Trace>,
}

/// A document with the trace of its batch.
#[derive(sqlx::FromRow)]
struct TakenRow {
    #[sqlx(flatten)]
    document: DocumentRow,
    traceparent: Option<String>,
    tracestate: Option<String>,
}

/// Takes the oldest document to be split, until `until`: of the first tenant after `after` in the order of names
/// that has one, or of the first of all.
pub async fn take(
    db: &Db,
    after: Option<&TenantName>,
    now: OffsetDateTime,
    until: OffsetDateTime,
) -> Result<Option<TakenDocument>, RecordsError> {
    loop {
        let mut next = None;
        if let Some(after) = after {
            next = next_id(db, after.as_str(), now).await?;
        }
        if next.is_none() {
            next = next_id(db, "", now).await?;
        }
        let Some(id) = next else { return Ok(None) };
        let row = on!(db, |c| sqlx::query_as::<_, TakenRow>(TAKE)
            .bind(&id)
            .bind(At(now))
            .bind(At(until))
            .fetch_optional(c))?;
        // None: another intake was first, and there may be more.
        if let Some(TakenRow {
            document: row,
            traceparent,
            tracestate,
        }) = row
        {
            return Ok(Some(TakenDocument {
                trace: trace(traceparent.as_deref(), tracestate.as_deref()),
                tenant: Reading {
                    table: "documents",
                    id: &row.id,
                }
                .parsed(&row.tenant)?,
                document: row.read()?,
                until,
            }));
        }
    }
}

async fn next_id(db: &Db, after: &str, now: OffsetDateTime) -> Result<Option<String>, RecordsError> {
    Ok(on!(db, |c| sqlx::query_scalar(NEXT)
        .bind(after)
        .bind(At(now))
        .fetch_optional(c))?)
}

/// Holds a document until `until`. Tells whether the hold still stood; if not, it is somebody else's by now.
pub async fn prolong(
    db: &Db,
    taken: &mut TakenDocument,
    until: OffsetDateTime,
) -> Result<bool, RecordsError> {
    let prolonged = on!(db, |c| sqlx::query(PROLONG)
        .bind(taken.document.id.to_string())
        .bind(At(taken.until))
        .bind(At(until))
        .run(c))?;
    if prolonged == 1 {
        taken.until = until;
    }
    Ok(prolonged == 1)
}

/// Stores the pages of a document, what is amiss with them, and a job for each page and question. Tells whether the hold still stood;
/// if not, nothing was stored.
pub async fn split(
    db: &Db,
    stamp: Stamp<'_>,
    taken: &TakenDocument,
    pages: &[NewPage],
    warnings: &[Warning],
) -> Result<bool, RecordsError> {
    let mut tx = db.begin().await?;
    let Some(batch) = batches::lock(&mut tx, taken.document.batch).await? else {
        return Ok(false);
    };
    let verdict = Verdict {
        phase: DocumentPhase::Split,
        pages: Some(pages.len()),
        warnings,
        code: None,
        message: None,
    };
    if !settle(&mut tx, stamp, taken, verdict).await? {
        return Ok(false);
    }
    let delta = settled(DocumentPhase::Split);
    insert_pages(&mut tx, stamp, &batch, &taken.document, pages, delta).await?;
    batches::complete_if_done(&mut tx, stamp, batch.id).await?;
    tx.commit().await?;
    Ok(true)
}

/// The document gives no pages, and `code` and `message` say why. Tells whether the hold still stood.
pub async fn fail(
    db: &Db,
    stamp: Stamp<'_>,
    taken: &TakenDocument,
    code: &str,
    message: &str,
) -> Result<bool, RecordsError> {
    let mut tx = db.begin().await?;
    let batch = taken.document.batch;
    batches::lock(&mut tx, batch).await?;
    let verdict = Verdict {
        phase: DocumentPhase::Failed,
        pages: None,
        warnings: &[],
        code: Some(code),
        message: Some(message),
    };
    if !settle(&mut tx, stamp, taken, verdict).await? {
        return Ok(false);
    }
    add_counts(&mut tx, batch, &settled(DocumentPhase::Failed));
    let (subject, detail) = (
        taken.document.id.to_string(),
        json!({ "batch": batch, "code": code }),
    );
    stamp.audit(&mut tx, &taken.tenant, "document.failed", subject, None, detail);
    batches::complete_if_done(&mut tx, stamp, batch).await?;
    tx.commit().await?;
    Ok(true)
}

/// The document was not at fault: it waits again.
pub async fn put_back(db: &Db, taken: &TakenDocument) -> Result<(), RecordsError> {
    let id = taken.document.id.to_string();
    on!(db, |c| sqlx::query(PUT_BACK)
        .bind(&id)
        .bind(At(taken.until))
        .run(c))?;
    Ok(())
}

/// All documents that somebody had taken wait again. For the start of a process that is the only one.
pub async fn put_back_all(db: &Db) -> Result<u64, RecordsError> {
    Ok(on!(db, |c| sqlx::query(PUT_BACK_ALL).run(c))?)
}

struct Verdict<'a> {
    phase: DocumentPhase,
    pages: Option<usize>,
    warnings: &'a [Warning],
    code: Option<&'a str>,
    message: Option<&'a str>,
}

async fn settle(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    taken: &TakenDocument,
    verdict: Verdict<'_>,
) -> Result<bool, RecordsError> {
    let settled = on!(tx: tx, |c| sqlx::query(SETTLE)
            .bind(taken.document.id.to_string())
            .bind(At(taken.until))
            .bind(verdict.phase.as_str())
            .bind(verdict.pages.map(number))
            .bind(verdict.code)
            .bind(verdict.message)
            .bind(At(stamp.at))
            .bind(Some(Json(verdict.warnings)).filter(|warnings| !warnings.0.is_empty()))
        .run(c))?;
    Ok(settled == 1)
}

fn settled(phase: DocumentPhase) -> Delta {
    Delta::default()
        .documents(DocumentPhase::Waiting, -1)
        .documents(phase, 1)
}
