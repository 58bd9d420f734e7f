//! Documents: stored with their batch, taken by intake, and turned into pages and jobs.

mod intake;
mod new_pages;
mod putting;
pub mod reading;
mod row;
mod same_pages;

pub use intake::{TakenDocument, fail, prolong, put_back, put_back_all, split, take};
pub use new_pages::NewPage;
pub(crate) use new_pages::{Inserted, Wanted, insert_wanted_pages};
pub use putting::{Put, put};

use crate::{
    At, Db, RecordsError, Stamp, Tx,
    batches::{self, Delta, add as add_counts},
    deleting::files,
    later::Write,
    on,
    read::number,
};
use domain::{
    batch::{BatchRefusal, StoredBatch},
    digest::Sha256,
    document::{Document, DocumentPhase, DocumentState, Warning},
    id::{BatchId, DocumentId},
    names::TenantName,
};
pub(crate) use row::DocumentRow;
pub(crate) use same_pages::Firsts;
use serde_json::json;

const INSERT: &str = "INSERT INTO documents (id, tenant, batch, place, name, media_type, sha256, bytes, received_at, \
    state, pages, settled_at, questions, warnings) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
const LIST: &str = "SELECT * FROM documents WHERE tenant = $1 AND batch = $2 AND place > COALESCE((SELECT place \
    FROM documents WHERE id = CAST($3 AS TEXT) AND batch || '' = $2), -1) ORDER BY place LIMIT $4";

const COUNT_WARNED: &str = "SELECT COUNT(*) FROM documents WHERE batch = $1 AND warnings IS NOT NULL";
const COUNT_QUESTIONS: &str = "SELECT COUNT(*) FROM questions WHERE batch = $1";

pub(crate) const STATEMENTS: &[&str] = &[
    INSERT,
    LIST,
    COUNT_QUESTIONS,
    COUNT_WARNED,
    putting::NAMED,
    intake::NEXT,
    intake::TAKE,
    intake::PROLONG,
    intake::SETTLE,
    intake::PUT_BACK,
    intake::PUT_BACK_ALL,
    new_pages::INSERT_PAGES,
    new_pages::INSERT_JOBS,
    new_pages::SCOPES,
    same_pages::FIRSTS,
    reading::GET,
    reading::OF_TENANT,
    reading::GET_PAGE,
    reading::GONE,
];

/// A document whose bytes are in the blobs.
#[derive(Debug, Clone)]
pub struct NewDocument {
    /// The file's name as the client gave it.
    pub name: Option<String>,
    /// The media type that the client declared.
    pub media_type: String,
    /// Its bytes.
    pub sha256: Sha256,
    /// How many they are.
    pub bytes: u64,
    /// The places of those questions of the batch that it is asked, if not all.
    pub questions: Option<Vec<u32>>,
}

/// Why a batch takes no more documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DocumentRefusal {
    /// Its state does not allow it.
    #[error(transparent)]
    Batch(#[from] BatchRefusal),
    /// It has as many as it may.
    #[error("a batch has at most {most} documents")]
    TooMany {
        /// The limit.
        most: u64,
    },
    /// It is to be asked what the batch does not ask.
    #[error("there is no question at place {place}: the batch has {questions}, counted from 0")]
    QuestionUnknown {
        /// The place.
        place: u32,
        /// How many questions there are.
        questions: u64,
    },
    /// Another document has the name under which it was put.
    #[error("the batch has another document of this name")]
    NameTaken {
        /// That document.
        document: DocumentId,
    },
}

/// Adds documents to an open batch of `tenant`: all of them or none. `None`: the tenant has no such batch.
pub async fn add(
    db: &Db,
    stamp: Stamp<'_>,
    tenant: &TenantName,
    batch: BatchId,
    new: &[NewDocument],
    most: u64,
) -> Result<Option<Result<Vec<Document>, DocumentRefusal>>, RecordsError> {
    let mut tx = db.begin().await?;
    let batch = match open(&mut tx, stamp, tenant, batch).await? {
        None => return Ok(None),
        Some(Err(refusal)) => return Ok(Some(Err(refusal.into()))),
        Some(Ok(batch)) => batch,
    };
    let added = match receive(&mut tx, stamp, &batch, new, most).await? {
        Ok(added) => added,
        Err(refusal) => return Ok(Some(Err(refusal))),
    };
    if let Some(first) = added.first() {
        stamp.made(&mut tx, tenant, first.id).await?;
    }
    tx.commit().await?;
    Ok(Some(Ok(added)))
}

/// A batch of `tenant` that takes documents, which nobody else changes until `tx` ends.
async fn open(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    tenant: &TenantName,
    batch: BatchId,
) -> Result<Option<Result<StoredBatch, BatchRefusal>>, RecordsError> {
    let locked = batches::lock(tx, batch).await?;
    let batch = locked.filter(|batch| batch.tenant == *tenant);
    let judged = |batch: StoredBatch| {
        let open = batch.state.takes_documents();
        open.and_then(|()| batch.takes_more(stamp.at)).map(|()| batch)
    };
    Ok(batch.map(judged))
}

/// Stores documents of an open batch, if it takes all of them.
async fn receive(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    batch: &StoredBatch,
    new: &[NewDocument],
    most: u64,
) -> Result<Result<Vec<Document>, DocumentRefusal>, RecordsError> {
    if batch.documents.total() + new.len() as u64 > most {
        return Ok(Err(DocumentRefusal::TooMany { most }));
    }
    if let Some(place) = new.iter().flat_map(|one| one.questions.iter().flatten()).max() {
        let questions: i64 = on!(tx: &mut *tx, |c| sqlx::query_scalar(COUNT_QUESTIONS)
            .bind(batch.id.to_string())
            .fetch_one(c))?;
        if i64::from(*place) >= questions {
            let (place, questions) = (*place, questions.unsigned_abs());
            return Ok(Err(DocumentRefusal::QuestionUnknown { place, questions }));
        }
    }
    let wanted: Vec<Sha256> = new.iter().map(|document| document.sha256).collect();
    files::want(tx, &wanted).await?;
    let mut added = Vec::with_capacity(new.len());
    for document in new {
        let place = batch.documents.total() + added.len() as u64;
        added.push(insert(
            tx,
            stamp,
            batch,
            place,
            document,
            (DocumentState::Received, &[]),
        )?);
    }
    let delta = Delta::default().documents(DocumentPhase::Received, number(added.len()));
    add_counts(tx, batch.id, &delta);
    Ok(Ok(added))
}

/// Stores a document that has just arrived, or that has just arrived and been split, with what is amiss with its pages.
/// Its file is wanted ([`files::want`]).
pub(crate) fn insert(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    batch: &StoredBatch,
    place: u64,
    new: &NewDocument,
    (state, warnings): (DocumentState, &[Warning]),
) -> Result<Document, RecordsError> {
    let id: DocumentId = stamp.ids.make();
    let (pages, settled_at) = match state {
        DocumentState::Split { pages, at } => (Some(number(pages)), Some(At(at))),
        _ => (None, None),
    };
    let write = Write::of(INSERT)
        .bind(id.to_string())
        .bind(batch.tenant.as_str())
        .bind(batch.id.to_string())
        .bind(number(place))
        .bind(new.name.as_deref())
        .bind(new.media_type.as_str())
        .bind(new.sha256.to_string())
        .bind(number(new.bytes))
        .bind(At(stamp.at))
        .bind(state.phase().as_str())
        .bind(pages)
        .bind(settled_at)
        .bind(new.questions.as_ref().map(|questions| json!(questions)))
        .bind((!warnings.is_empty()).then(|| json!(warnings)));
    tx.later(write);
    let detail = json!({ "batch": batch.id, "sha256": new.sha256, "bytes": new.bytes });
    stamp.audit(
        tx,
        &batch.tenant,
        "document.received",
        id.to_string(),
        None,
        detail,
    );
    Ok(Document {
        id,
        batch: batch.id,
        place: u32::try_from(place).unwrap_or(u32::MAX),
        name: new.name.clone(),
        media_type: new.media_type.clone(),
        sha256: new.sha256,
        bytes: new.bytes,
        questions: new.questions.clone(),
        warnings: warnings.to_vec(),
        received_at: stamp.at,
        state,
        deleted_at: None,
    })
}

/// How many documents of a batch, which the caller has found for its tenant, have warnings.
pub async fn with_warnings(db: &Db, batch: &StoredBatch) -> Result<u64, RecordsError> {
    let counted: i64 = on!(db, |c| sqlx::query_scalar(COUNT_WARNED)
        .bind(batch.id.to_string())
        .fetch_one(c))?;
    Ok(counted.unsigned_abs())
}

/// Up to `limit` documents of a batch of `tenant`, in their order, after the document `after`.
pub async fn list(
    db: &Db,
    tenant: &TenantName,
    batch: BatchId,
    after: Option<DocumentId>,
    limit: u32,
) -> Result<Vec<Document>, RecordsError> {
    let rows = on!(db, |c| sqlx::query_as::<_, DocumentRow>(LIST)
        .bind(tenant.as_str())
        .bind(batch.to_string())
        .bind(after.map(|id| id.to_string()))
        .bind(i64::from(limit))
        .fetch_all(c))?;
    rows.into_iter().map(DocumentRow::read).collect()
}
