//! The rows of a batch in the order in which they were asked for: its jobs, and its documents that have become no pages.

use crate::{
    Db, RecordsError,
    answers::{self, Answer},
    combining,
    documents::DocumentRow,
    jobs::{Job, JobRow},
    on,
    read::Reading,
};
use domain::{
    batch::{BatchState, StoredBatch},
    combining::SourcePage,
    document::{Document, Warning},
    id::BatchId,
    job::EXPIRED,
    names::TenantName,
    rows::{RowCounts, RowId},
};
use sqlx::types::Json;
use std::collections::HashMap;

const PLACE_OF_JOB: &str = "SELECT document_place, page_number, question FROM jobs WHERE id = $1 AND batch || '' = $2 AND tenant = $3";
const PLACE_OF_DOCUMENT: &str =
    "SELECT place FROM documents WHERE id = $1 AND batch || '' = $2 AND tenant = $3";
const JOBS: &str = "SELECT j.*, d.name AS document_name, d.warnings AS document_warnings FROM jobs j JOIN documents d ON d.id = j.document \
    WHERE j.tenant = $1 AND j.batch = $2 AND (j.document_place, j.page_number, j.question) > ($3, $4, $5) \
    ORDER BY j.document_place, j.page_number, j.question LIMIT $6";
const WITHOUT_PAGES: &str = "SELECT * FROM documents WHERE tenant = $1 AND batch = $2 AND place > $3 \
    AND state <> 'split' ORDER BY place LIMIT $4";
const EXPIRED_DOCUMENTS: &str =
    "SELECT COUNT(*) FROM documents WHERE batch = $1 AND state <> 'split' AND state = 'failed' AND code = $2";

pub(crate) const STATEMENTS: &[&str] = &[
    PLACE_OF_JOB,
    PLACE_OF_DOCUMENT,
    JOBS,
    WITHOUT_PAGES,
    EXPIRED_DOCUMENTS,
];

/// Where a row stands among those of its batch. It stays where it is, whatever becomes of other rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    document: i64,
    page: i64,
    question: i64,
}

impl Place {
    /// Before every row.
    pub const START: Place = Place {
        document: -1,
        page: -1,
        question: -1,
    };

    /// That of a document that has become no pages. What comes after it are other documents: when the document has become
    /// pages meanwhile, they are not told beside it.
    fn of_document(place: i64) -> Self {
        Self {
            document: place,
            page: i64::MAX,
            question: i64::MAX,
        }
    }
}

/// A row of a batch.
#[derive(Debug, Clone)]
pub struct Row {
    /// Where it stands.
    pub place: Place,
    /// The document's name as the client gave it.
    pub document_name: Option<String>,
    /// What is amiss with the document's pages.
    pub warnings: Vec<Warning>,
    /// What it tells of.
    pub of: RowOf,
}

/// What a row tells of.
#[derive(Debug, Clone)]
pub enum RowOf {
    /// A question about a page or a document.
    Job(Box<JobRowOf>),
    /// A document without pages.
    Document(Box<Document>),
}

/// A job with what is told beside it.
#[derive(Debug, Clone)]
pub struct JobRowOf {
    /// The job.
    pub job: Job,
    /// Its answer, if it has one.
    pub answer: Option<Answer>,
    /// The pages that it combines, if it does.
    pub sources: Option<Vec<SourcePage>>,
}

#[derive(sqlx::FromRow)]
struct NamedJobRow {
    #[sqlx(flatten)]
    job: JobRow,
    document_place: i64,
    document_name: Option<String>,
    document_warnings: Option<Json<Vec<Warning>>>,
}

/// Where a row of a batch of `tenant` stands. `None`: the batch has no such row.
pub async fn place_of(
    db: &Db,
    tenant: &TenantName,
    batch: BatchId,
    row: RowId,
) -> Result<Option<Place>, RecordsError> {
    let (id, batch) = (row.to_string(), batch.to_string());
    Ok(match row {
        RowId::Job(_) => {
            let found: Option<(i64, i64, i64)> = on!(db, |c| sqlx::query_as(PLACE_OF_JOB)
                .bind(&id)
                .bind(&batch)
                .bind(tenant.as_str())
                .fetch_optional(c))?;
            found.map(|(document, page, question)| Place {
                document,
                page,
                question,
            })
        }
        RowId::Document(_) => {
            let found: Option<i64> = on!(db, |c| sqlx::query_scalar(PLACE_OF_DOCUMENT)
                .bind(&id)
                .bind(&batch)
                .bind(tenant.as_str())
                .fetch_optional(c))?;
            found.map(Place::of_document)
        }
    })
}

/// Up to `limit` rows of a batch of `tenant` after a place, in order of document, page and question.
pub async fn after(
    db: &Db,
    tenant: &TenantName,
    batch: BatchId,
    place: Place,
    limit: u32,
) -> Result<Vec<Row>, RecordsError> {
    // First the documents: one that becomes pages in between is then found twice, which can be mended, and not missed.
    let documents = without_pages(db, tenant, batch, place, limit).await?;
    let jobs = of_jobs(db, tenant, batch, place, limit).await?;
    let mut rows = merged(documents, jobs);
    rows.truncate(limit as usize);
    Ok(rows)
}

/// Rows of documents and of jobs as one list in their order. A document whose jobs are there is left out.
fn merged(documents: Vec<Row>, jobs: Vec<Row>) -> Vec<Row> {
    let with_jobs: Vec<i64> = jobs.iter().map(|row| row.place.document).collect();
    let alone = |row: &Row| with_jobs.binary_search(&row.place.document).is_err();
    let mut rows: Vec<Row> = documents.into_iter().filter(alone).chain(jobs).collect();
    rows.sort_by_key(|row| row.place);
    rows
}

async fn without_pages(
    db: &Db,
    tenant: &TenantName,
    batch: BatchId,
    place: Place,
    limit: u32,
) -> Result<Vec<Row>, RecordsError> {
    let found = on!(db, |c| sqlx::query_as::<_, DocumentRow>(WITHOUT_PAGES)
        .bind(tenant.as_str())
        .bind(batch.to_string())
        .bind(place.document)
        .bind(i64::from(limit))
        .fetch_all(c))?;
    let row = |row: DocumentRow| {
        let document = row.read()?;
        Ok(Row {
            place: Place::of_document(i64::from(document.place)),
            document_name: document.name.clone(),
            warnings: document.warnings.clone(),
            of: RowOf::Document(Box::new(document)),
        })
    };
    found.into_iter().map(row).collect()
}

async fn of_jobs(
    db: &Db,
    tenant: &TenantName,
    batch: BatchId,
    place: Place,
    limit: u32,
) -> Result<Vec<Row>, RecordsError> {
    let found = on!(db, |c| sqlx::query_as::<_, NamedJobRow>(JOBS)
        .bind(tenant.as_str())
        .bind(batch.to_string())
        .bind(place.document)
        .bind(place.page)
        .bind(place.question)
        .bind(i64::from(limit))
        .fetch_all(c))?;
    let mut named = Vec::with_capacity(found.len());
    for row in found {
        let warnings = row
            .document_warnings
            .map(|warnings| warnings.0)
            .unwrap_or_default();
        named.push((row.job.read()?, row.document_place, (row.document_name, warnings)));
    }
    let mut answers = HashMap::new();
    if let (Some((first, ..)), Some((last, ..))) = (named.first(), named.last()) {
        let between = answers::between(db, tenant, batch, first.id, last.id).await?;
        answers.extend(between.into_iter().map(|answer| (answer.job, answer)));
    }
    let jobs: Vec<Job> = named.iter().map(|(job, ..)| job.clone()).collect();
    let mut sources = combining::sources(db, tenant, &jobs).await?;
    let row = |(job, document, (document_name, warnings)): (Job, i64, (Option<String>, Vec<Warning>))| Row {
        place: Place {
            document,
            page: i64::from(job.page_number),
            question: i64::from(job.question),
        },
        document_name,
        warnings,
        of: RowOf::Job(Box::new(JobRowOf {
            answer: answers.remove(&job.id),
            sources: sources.remove(&job.id),
            job,
        })),
    };
    Ok(named.into_iter().map(row).collect())
}

/// How many rows of a batch have each verdict.
pub async fn counts(db: &Db, batch: &StoredBatch) -> Result<RowCounts, RecordsError> {
    let expired = match batch.state {
        BatchState::Expired { .. } => expired_documents(db, batch.id).await?,
        _ => 0,
    };
    Ok(RowCounts::of(&batch.jobs, &batch.documents, expired))
}

async fn expired_documents(db: &Db, batch: BatchId) -> Result<u64, RecordsError> {
    let id = batch.to_string();
    let counted: i64 = on!(db, |c| sqlx::query_scalar(EXPIRED_DOCUMENTS)
        .bind(&id)
        .bind(EXPIRED)
        .fetch_one(c))?;
    let reading = Reading {
        table: "documents",
        id: &id,
    };
    reading.whole(counted)
}
