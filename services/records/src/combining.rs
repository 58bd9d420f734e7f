//! Answers of pages on their way to one answer about their document.
//!
//! The job that gives it waits from the moment on when its document is split. When everything that was asked of its
//! document has a verdict, it is given a text to read ([`compose`]), or first further jobs are made that read portions of
//! it. In either case these are jobs as any: dispatched under a grant, held, cancelled, expired and counted.

use crate::{
    Db, RecordsError, Stamp, Tx,
    attempts::tell_if_failed,
    batches::{self, Delta, add as add_counts, complete_if_done},
    deleting::files,
    jobs::{self, Job, JobRow},
    many, on,
    read::{Reading, number},
    run::Run as _,
    turns,
};
use domain::{
    batch::StoredBatch,
    combining::{Input, Role, Scope, SourcePage},
    digest::Sha256,
    id::{JobId, PageId},
    job::{JobPhase, Tries},
    names::TenantName,
};
use serde_json::{Value, json};
use sqlx::types::Json;
use std::{collections::HashMap, fmt::Display};

const DUE: &str = "SELECT * FROM jobs w WHERE w.state = 'waiting' AND NOT EXISTS (SELECT 1 FROM jobs s \
    WHERE s.document = w.document AND s.question = w.question AND s.role IS NOT NULL \
    AND s.state IN ('queued', 'dispatched', 'running', 'held')) ORDER BY w.id LIMIT $1";
const UNSETTLED: &str = "SELECT COUNT(*) FROM jobs s WHERE s.document = $1 AND s.question = $2 AND s.role IS NOT NULL \
    AND s.state IN ('queued', 'dispatched', 'running', 'held')";
const PARTS: &str = "SELECT parts FROM combinations WHERE job = $1 AND parts IS NOT NULL";
const SOURCES: &str = "SELECT j.id, j.page_number, j.state, a.text, a.output_tokens FROM jobs j \
    LEFT JOIN answers a ON a.job = j.id WHERE j.document = $1 AND j.question = $2 AND j.role = 'source' \
    ORDER BY j.page_number";
const OF_PARTS: &str = "SELECT c.sources, j.state, a.text, a.output_tokens FROM jobs j \
    JOIN combinations c ON c.job = j.id LEFT JOIN answers a ON a.job = j.id \
    WHERE j.id IN (SELECT r.value ->> 'id' FROM json_each($1) AS r) ORDER BY j.page_number";
const TOLD: &str = "SELECT c.job, c.sources FROM combinations c JOIN jobs j ON j.id = c.job \
    WHERE j.tenant = $1 AND c.job IN (SELECT r.value ->> 'id' FROM json_each($2) AS r)";
const GIVE_TEXT: &str = "UPDATE pages SET sha256 = $2, bytes = $3 WHERE id = $1";
const TELL: &str = "INSERT INTO combinations (job, sources) VALUES ($1, $2) \
    ON CONFLICT (job) DO UPDATE SET sources = excluded.sources";
const WAIT_FOR_PARTS: &str = "INSERT INTO combinations (job, sources, parts) VALUES ($1, $2, $3) \
    ON CONFLICT (job) DO UPDATE SET parts = excluded.parts";
const FORGET_PARTS: &str = "UPDATE combinations SET parts = NULL \
    WHERE job IN (SELECT r.value ->> 'id' FROM json_each($1) AS r)";
const NEXT_NUMBER: &str = "SELECT MAX(number) + 1 FROM pages WHERE document = $1";
const INSERT_TEXT: &str = "INSERT INTO pages (id, tenant, batch, document, number, sha256, bytes, width, height) \
    SELECT $1, tenant, batch, document, $3, $4, $5, 0, 0 FROM pages WHERE id = $2";
const INSERT_PART: &str = "INSERT INTO jobs (id, tenant, batch, document, document_place, page, page_number, question, \
    state, created_at, not_before, priority, role) SELECT $1, tenant, batch, document, document_place, $3, $4, question, \
    'queued', $5, $5, priority, 'part' FROM jobs WHERE id = $2";

pub(crate) const STATEMENTS: &[&str] = &[
    DUE,
    UNSETTLED,
    PARTS,
    SOURCES,
    OF_PARTS,
    TOLD,
    GIVE_TEXT,
    TELL,
    WAIT_FOR_PARTS,
    FORGET_PARTS,
    NEXT_NUMBER,
    INSERT_TEXT,
    INSERT_PART,
];

/// A text that is in the blobs, and the pages that it tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewText {
    /// Its bytes.
    pub sha256: Sha256,
    /// How many they are.
    pub bytes: u64,
    /// All pages, those without an answer too.
    pub pages: Vec<SourcePage>,
}

/// What a waiting job is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Composed {
    /// All that was answered, in one text.
    Whole(NewText),
    /// Texts that are combined first, each by a job of its own.
    Parts(Vec<NewText>),
    /// There is nothing to combine, or no room for it: it fails.
    Nothing {
        /// A stable word.
        code: &'static str,
        /// Why, for a person.
        message: String,
        /// The pages.
        pages: Vec<SourcePage>,
    },
}

impl Composed {
    /// The digests of its texts.
    pub fn files(&self) -> Vec<Sha256> {
        match self {
            Composed::Whole(text) => vec![text.sha256],
            Composed::Parts(texts) => texts.iter().map(|text| text.sha256).collect(),
            Composed::Nothing { .. } => Vec::new(),
        }
    }
}

/// The scope that a word of the records stands for.
pub(crate) fn scope(word: &str) -> Scope {
    match word == Scope::Document.as_str() {
        true => Scope::Document,
        false => Scope::Page,
    }
}

/// Up to `limit` jobs, of all tenants, that wait and have nothing to wait for any more.
pub async fn due(db: &Db, limit: u32) -> Result<Vec<Job>, RecordsError> {
    let rows = on!(db, |c| sqlx::query_as::<_, JobRow>(DUE)
        .bind(i64::from(limit))
        .fetch_all(c))?;
    rows.into_iter().map(JobRow::read).collect()
}

/// What `job` combines next: what its pages answered, or the portions of that which were combined last.
pub async fn inputs(db: &Db, job: &Job) -> Result<Vec<Input>, RecordsError> {
    let parts: Option<Json<Vec<JobId>>> = on!(db, |c| sqlx::query_scalar(PARTS)
        .bind(job.id.to_string())
        .fetch_optional(c))?;
    match parts {
        Some(Json(parts)) => of_parts(db, &parts).await,
        None => of_pages(db, job).await,
    }
}

async fn of_pages(db: &Db, job: &Job) -> Result<Vec<Input>, RecordsError> {
    let rows = on!(db, |c| sqlx::query_as::<
        _,
        (String, i64, String, Option<String>, Option<i64>),
    >(SOURCES)
    .bind(job.document.to_string())
    .bind(number(job.question))
    .fetch_all(c))?;
    let read = |(id, page, state, text, tokens): (String, i64, String, Option<String>, Option<i64>)| {
        let reading = Reading {
            table: "jobs",
            id: &id,
        };
        let source = SourcePage {
            page: reading.whole(page)?,
            job: reading.parsed(&id)?,
            verdict: reading.parsed(&state)?,
            cut: false,
        };
        Ok(Input {
            pages: vec![source],
            answer: answer(reading, text, tokens)?,
        })
    };
    rows.into_iter().map(read).collect()
}

async fn of_parts(db: &Db, parts: &[JobId]) -> Result<Vec<Input>, RecordsError> {
    let rows = on!(db, |c| sqlx::query_as::<
        _,
        (Json<Vec<SourcePage>>, String, Option<String>, Option<i64>),
    >(OF_PARTS)
    .bind(many::ids(parts))
    .fetch_all(c))?;
    let read = |(Json(mut pages), state, text, tokens): (Json<Vec<SourcePage>>, String, _, _)| {
        let reading = Reading {
            table: "combinations",
            id: "a part",
        };
        let (verdict, answer): (JobPhase, _) = (reading.parsed(&state)?, answer(reading, text, tokens)?);
        // What a page said is lost with the part that should have told it.
        for page in pages
            .iter_mut()
            .filter(|page| answer.is_none() && page.verdict == JobPhase::Answered)
        {
            page.verdict = verdict;
        }
        Ok(Input { pages, answer })
    };
    rows.into_iter().map(read).collect()
}

fn answer(
    reading: Reading<'_>,
    text: Option<String>,
    tokens: Option<i64>,
) -> Result<Option<(String, u32)>, RecordsError> {
    text.zip(tokens)
        .map(|(text, tokens)| Ok((text, reading.whole(tokens)?)))
        .transpose()
}

/// Gives a waiting job what it was composed of. Tells whether it still waited and nothing that it combines was tried again
/// meanwhile; if not, nothing changed.
pub async fn compose(
    db: &Db,
    stamp: Stamp<'_>,
    job: &Job,
    composed: &Composed,
) -> Result<bool, RecordsError> {
    let mut tx = db.begin().await?;
    let Some(batch) = batches::lock(&mut tx, job.batch).await? else {
        return Ok(false);
    };
    let now = jobs::in_batch(&mut tx, batch.id, job.id).await?;
    let Some(job) = now.filter(|job| job.state.phase() == JobPhase::Waiting) else {
        return Ok(false);
    };
    let unsettled: i64 = on!(tx: &mut tx, |c| sqlx::query_scalar(UNSETTLED)
        .bind(job.document.to_string())
        .bind(number(job.question))
        .fetch_one(c))?;
    if unsettled > 0 {
        return Ok(false);
    }
    files::want(&mut tx, &composed.files()).await?;
    match composed {
        Composed::Whole(text) => give(&mut tx, stamp, &batch, &job, text).await?,
        Composed::Parts(texts) => make_parts(&mut tx, stamp, &batch, &job, texts).await?,
        Composed::Nothing { code, message, pages } => {
            tell(&mut tx, job.id, pages).await?;
            let Ok(state) = job.state.clone().fail_empty(code, message.clone(), stamp.at) else {
                return Ok(false);
            };
            jobs::change(&mut tx, &job, &state, Tries::default()).await?;
            tell_if_failed(&mut tx, stamp, &job, &state).await?;
            complete_if_done(&mut tx, stamp, batch.id).await?;
        }
    }
    tx.commit().await?;
    Ok(true)
}

async fn give(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    batch: &StoredBatch,
    job: &Job,
    text: &NewText,
) -> Result<(), RecordsError> {
    on!(tx: &mut *tx, |c| sqlx::query(GIVE_TEXT)
        .bind(job.page.to_string())
        .bind(text.sha256.to_string())
        .bind(number(text.bytes))
        .run(c))?;
    tell(tx, job.id, &text.pages).await?;
    if let Ok(state) = job.state.clone().ready(stamp.at) {
        jobs::change(tx, job, &state, Tries::default()).await?;
    }
    audit(tx, stamp, batch, job.id, text);
    Ok(())
}

async fn make_parts(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    batch: &StoredBatch,
    whole: &Job,
    texts: &[NewText],
) -> Result<(), RecordsError> {
    let first: i64 =
        on!(tx: &mut *tx, |c| sqlx::query_scalar(NEXT_NUMBER).bind(whole.document.to_string()).fetch_one(c))?;
    let mut parts = Vec::with_capacity(texts.len());
    for (at, text) in (first..).zip(texts) {
        let (page, job): (PageId, JobId) = (stamp.ids.make(), stamp.ids.make());
        on!(tx: &mut *tx, |c| sqlx::query(INSERT_TEXT)
            .bind(page.to_string())
            .bind(whole.page.to_string())
            .bind(at)
            .bind(text.sha256.to_string())
            .bind(number(text.bytes))
            .run(c))?;
        on!(tx: &mut *tx, |c| sqlx::query(INSERT_PART)
            .bind(job.to_string())
            .bind(whole.id.to_string())
            .bind(page.to_string())
            .bind(at)
            .bind(crate::At(stamp.at))
            .run(c))?;
        tell(tx, job, &text.pages).await?;
        audit(tx, stamp, batch, job, text);
        parts.push(job);
    }
    let pages: Vec<&SourcePage> = texts.iter().flat_map(|text| &text.pages).collect();
    on!(tx: &mut *tx, |c| sqlx::query(WAIT_FOR_PARTS)
        .bind(whole.id.to_string())
        .bind(Json(&pages))
        .bind(Json(&parts))
        .run(c))?;
    let delta = Delta::default().jobs(JobPhase::Queued, number(parts.len()));
    turns::mark(tx, batch.id, stamp.at);
    add_counts(tx, batch.id, &delta);
    Ok(())
}

async fn tell(tx: &mut Tx, job: JobId, pages: &[SourcePage]) -> Result<(), RecordsError> {
    on!(tx: tx, |c| sqlx::query(TELL).bind(job.to_string()).bind(Json(pages)).run(c))?;
    Ok(())
}

fn audit(tx: &mut Tx, stamp: Stamp<'_>, batch: &StoredBatch, job: JobId, text: &NewText) {
    let detail: Value = json!({ "batch": batch.id, "text_sha256": text.sha256, "pages": text.pages.len() });
    stamp.audit(tx, &batch.tenant, "job.composed", job.to_string(), None, detail);
}

/// Jobs that are tried again begin with what their pages answered.
pub(crate) async fn forget_parts(tx: &mut Tx, wholes: &[impl Display]) -> Result<(), RecordsError> {
    on!(tx: tx, |c| sqlx::query(FORGET_PARTS).bind(many::ids(wholes)).run(c))?;
    Ok(())
}

/// The pages that jobs of `tenant` combine, of those that combine some.
pub async fn sources(
    db: &Db,
    tenant: &TenantName,
    jobs: &[Job],
) -> Result<HashMap<JobId, Vec<SourcePage>>, RecordsError> {
    let combining = jobs
        .iter()
        .filter(|job| matches!(job.role, Role::Part | Role::Whole));
    let wanted: Vec<JobId> = combining.map(|job| job.id).collect();
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = on!(db, |c| sqlx::query_as::<_, (String, Json<Vec<SourcePage>>)>(TOLD)
        .bind(tenant.as_str())
        .bind(many::ids(&wanted))
        .fetch_all(c))?;
    let read = |(id, Json(pages)): (String, Json<Vec<SourcePage>>)| {
        let reading = Reading {
            table: "combinations",
            id: &id,
        };
        Ok((reading.parsed(&id)?, pages))
    };
    rows.into_iter().map(read).collect()
}
