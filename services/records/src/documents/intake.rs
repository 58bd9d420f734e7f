//! What intake does to documents: takes one for a time, and settles it as pages and jobs or as a failure.
//!
//! A hold that ended, or that the batch's cancelling took away, changes nothing any more: the moment until which
//! the document was held is its fence.

use super::{row::DocumentRow, same_pages::Firsts};
use crate::{
    At, Db, RecordsError, Stamp, Tx,
    batches::{self, Delta, add as add_counts},
    combining,
    deleting::files,
    later::Write,
    many, on,
    read::{Reading, number, trace},
    run::Run as _,
    turns, usage,
};
use domain::{
    batch::StoredBatch,
    combining::{FIRST_TEXT, Role, Scope},
    digest::Sha256,
    document::{Document, DocumentPhase, Warning},
    id::{JobId, PageId},
    job::JobPhase,
    limits::Usage,
    names::TenantName,
    trace::Trace,
};
use serde_json::{Value, json};
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
pub(super) const INSERT_PAGES: &str = "INSERT INTO pages (id, tenant, batch, document, number, sha256, bytes, width, \
    height, same_as) SELECT r.value ->> 'id', $2, $3, $4, CAST(r.value ->> 'number' AS BIGINT), r.value ->> 'sha256', \
    CAST(r.value ->> 'bytes' AS BIGINT), CAST(r.value ->> 'width' AS BIGINT), CAST(r.value ->> 'height' AS BIGINT), \
    r.value ->> 'same_as' FROM json_each($1) AS r";
pub(super) const INSERT_JOBS: &str = "INSERT INTO jobs (id, tenant, batch, document, document_place, page, page_number, \
    question, state, created_at, not_before, priority, role) SELECT r.value ->> 'id', $2, $3, $4, $5, r.value ->> 'page', \
    CAST(r.value ->> 'page_number' AS BIGINT), CAST(r.value ->> 'question' AS BIGINT), r.value ->> 'state', $6, \
    $6, $7, r.value ->> 'role' \
    FROM json_each($1) AS r";
pub(super) const SCOPES: &str = "SELECT scope FROM questions WHERE batch = $1 ORDER BY place";

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

/// A page whose bytes are in the blobs.
#[derive(Debug, Clone, Copy)]
pub struct NewPage {
    /// Its number in the document, from 1.
    pub number: u32,
    /// Its bytes.
    pub sha256: Sha256,
    /// How many they are.
    pub bytes: u64,
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
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

/// Stores pages and their jobs within `tx` and counts them, together with `delta`. Gives the jobs in order of page and
/// question.
async fn insert_pages(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    batch: &StoredBatch,
    document: &Document,
    pages: &[NewPage],
    delta: Delta,
) -> Result<Vec<JobId>, RecordsError> {
    let batch_id = batch.id.to_string();
    let scopes: Vec<String> = on!(tx: &mut *tx, |c| sqlx::query_scalar(SCOPES).bind(&batch_id).fetch_all(c))?;
    let scopes: Vec<Scope> = scopes.iter().map(|scope| combining::scope(scope)).collect();
    let firsts = Firsts::find(tx, batch, pages).await?;
    let bytes: Vec<Sha256> = pages.iter().map(|page| page.sha256).collect();
    files::want(tx, &bytes).await?;
    let wanted = Wanted {
        pages,
        scopes,
        firsts,
    };
    Ok(insert_wanted_pages(tx, stamp, batch, document, wanted, delta))
}

/// Pages whose files are known to stay.
pub(crate) struct Wanted<'a> {
    pub pages: &'a [NewPage],
    /// Of the batch's questions.
    pub scopes: Vec<Scope>,
    /// Pages of the batch with the same bytes.
    pub firsts: Firsts,
}

/// As [`insert_pages`].
pub(crate) fn insert_wanted_pages(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    batch: &StoredBatch,
    document: &Document,
    Wanted {
        pages,
        scopes,
        firsts,
    }: Wanted<'_>,
    delta: Delta,
) -> Vec<JobId> {
    let batch_id = batch.id.to_string();
    // The questions that this document is asked, each at its place.
    let asked = scopes.iter().enumerate().filter(|(place, _)| {
        let chosen = document.questions.as_ref();
        chosen.is_none_or(|chosen| chosen.iter().any(|one| *one as usize == *place))
    });
    let asked: Vec<(usize, Scope)> = asked.map(|(place, scope)| (place, *scope)).collect();
    let new = NewRows::of(stamp, pages, &asked, firsts);
    let write = Write::of(INSERT_PAGES)
        .bind(new.pages)
        .bind(batch.tenant.as_str())
        .bind(batch_id.as_str())
        .bind(document.id.to_string());
    tx.later(write);
    let write = Write::of(INSERT_JOBS)
        .bind(new.jobs)
        .bind(batch.tenant.as_str())
        .bind(batch_id.as_str())
        .bind(document.id.to_string())
        .bind(number(document.place))
        .bind(At(stamp.at))
        .bind(batch.priority.rank());
    tx.later(write);
    let delta = delta
        .pages(number(pages.len()))
        .jobs(JobPhase::Queued, number(new.ids.len()))
        .jobs(JobPhase::Waiting, number(new.waiting));
    let used = Usage {
        pages: pages.len() as u64,
        ..Usage::default()
    };
    usage::add(tx, batch.id, stamp.at, used);
    turns::mark(tx, batch.id, stamp.at);
    add_counts(tx, batch.id, &delta);
    new.ids
}

/// Rows of pages and of their jobs, as parameters.
struct NewRows {
    pages: String,
    jobs: String,
    /// The jobs, in order of page and question.
    ids: Vec<JobId>,
    /// How many more wait for what those answer.
    waiting: usize,
}

impl NewRows {
    fn of(stamp: Stamp<'_>, pages: &[NewPage], asked: &[(usize, Scope)], mut firsts: Firsts) -> Self {
        let (mut page_rows, mut job_rows, mut ids) =
            (Vec::with_capacity(pages.len()), Vec::new(), Vec::new());
        for page in pages {
            let id: PageId = stamp.ids.make();
            page_rows.push(json!({
                "id": id, "number": page.number, "sha256": page.sha256, "bytes": number(page.bytes),
                "width": page.width, "height": page.height, "same_as": firsts.same_as(page.sha256, id),
            }));
            for (question, scope) in asked {
                let job: JobId = stamp.ids.make();
                let role = match scope {
                    Scope::Page => Role::Page,
                    Scope::Document => Role::Source,
                };
                job_rows.push(json!({
                    "id": job, "page": id, "page_number": page.number, "question": question, "state": JobPhase::Queued,
                    "role": role.as_word(),
                }));
                ids.push(job);
            }
        }
        let waiting = job_rows.len();
        if !pages.is_empty() {
            push_wholes(stamp, asked, &mut page_rows, &mut job_rows);
        }
        Self {
            waiting: job_rows.len() - waiting,
            pages: many::rows(page_rows),
            jobs: many::rows(job_rows),
            ids,
        }
    }
}

/// Adds the job that gives the answer about the document for each question of that scope, with the text that it will read.
fn push_wholes(stamp: Stamp<'_>, asked: &[(usize, Scope)], pages: &mut Vec<Value>, jobs: &mut Vec<Value>) {
    let about_all = asked.iter().filter(|(_, scope)| *scope == Scope::Document);
    for (place, (question, _)) in about_all.enumerate() {
        let (page, job): (PageId, JobId) = (stamp.ids.make(), stamp.ids.make());
        let number = u64::from(FIRST_TEXT) + place as u64;
        pages.push(json!({
            "id": page, "number": number, "sha256": Sha256::of(b""), "bytes": 0, "width": 0, "height": 0,
        }));
        jobs.push(json!({
            "id": job, "page": page, "page_number": number, "question": question, "state": JobPhase::Waiting,
            "role": Role::Whole.as_word(),
        }));
    }
}
