//! Batches: opened, submitted, completed, cancelled; and their counters.
//!
//! Whoever changes a job or a document of a batch locks the batch first ([`lock`]), so that changes of one
//! batch come one after the other and its counters always add up.

mod counters;
mod row;

pub(crate) use counters::{Delta, add};
pub(crate) use row::BatchRow;

use crate::{
    At, Db, RecordsError, Stamp, Tx,
    backlog::{self, Bounds, Full},
    combining,
    later::Write,
    on,
    read::{below, number},
    run::Run as _,
};
use domain::{
    batch::{Batch, BatchRefusal, BatchState, JobCounts, StoredBatch},
    document::DocumentPhase,
    id::{BatchId, OrderId},
    job::JobPhase,
    names::TenantName,
    order::Parameters,
    question::{Asked, Question},
    trace::Trace,
    webhook::EventKind,
};
use serde_json::json;
use sqlx::types::Json;

const INSERT: &str = "INSERT INTO batches (id, tenant, member, model, revision_sha256, purpose, decision, \
    terms_sha256, duties, metadata, opened_at, priority, expires_at, api_key, traceparent, tracestate, \
    awaited, submitted_at, completed_at, cancelled_at, expired_at) VALUES \
    ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)";
const INSERT_QUESTION: &str =
    "INSERT INTO questions (batch, place, text, parameters, scope) VALUES ($1, $2, $3, $4, $5)";
const GET: &str = "SELECT * FROM batches WHERE id = $1 AND tenant = $2";
const LIST: &str = "SELECT * FROM batches WHERE tenant = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
const READ: &str = "SELECT * FROM batches WHERE id = $1";
const LOCK: &str = "UPDATE batches SET tenant = tenant WHERE id = $1 RETURNING *";
const LOCK_OF_ORDER: &str = "UPDATE batches SET tenant = tenant \
    WHERE id = (SELECT batch FROM attempts WHERE order_id = $1) RETURNING *";
const LOCK_UNREAD: &str = "UPDATE batches SET tenant = tenant WHERE id = $1";
const WRITE_STATE: &str = "UPDATE batches SET submitted_at = $2, completed_at = $3, cancelled_at = $4, expired_at = $5 WHERE id = $1";
const QUESTIONS: &str = "SELECT q.text, q.parameters, q.scope FROM questions q JOIN batches b ON b.id = q.batch \
    WHERE q.batch = $1 AND b.tenant = $2 ORDER BY q.place";
const SEND_TO_INTAKE: &str = "UPDATE documents SET state = 'waiting' WHERE batch = $1 AND state = 'received'";
const CANCEL_DOCUMENTS: &str = "UPDATE documents SET state = 'cancelled', splitting_until = NULL, settled_at = $2 \
    WHERE batch = $1 AND state IN ('received', 'waiting', 'splitting')";
const CANCEL_JOBS: &str = "UPDATE jobs SET state = 'cancelled', settled_at = $2, not_before = NULL, order_id = NULL, \
    attempt = NULL, held_since = NULL, decision = NULL, code = NULL \
    WHERE batch = $1 AND state IN ('waiting', 'queued', 'dispatched', 'running', 'held')";
const WITHDRAW_ATTEMPTS: &str = "UPDATE attempts SET closed_at = $2, outcome = 'withdrawn' \
    WHERE batch = $1 AND closed_at IS NULL RETURNING order_id";

pub(crate) const STATEMENTS: &[&str] = &[
    INSERT,
    INSERT_QUESTION,
    GET,
    LIST,
    READ,
    LOCK,
    LOCK_OF_ORDER,
    LOCK_UNREAD,
    WRITE_STATE,
    QUESTIONS,
    SEND_TO_INTAKE,
    CANCEL_DOCUMENTS,
    CANCEL_JOBS,
    WITHDRAW_ATTEMPTS,
    counters::ADD,
];

/// Stores a batch with its questions.
pub async fn open(
    db: &Db,
    stamp: Stamp<'_>,
    batch: &Batch,
    questions: &[Question],
) -> Result<(), RecordsError> {
    let mut tx = db.begin().await?;
    insert(&mut tx, stamp, batch, questions, BatchState::Open);
    stamp.made(&mut tx, batch.tenant(), batch.id()).await?;
    tx.commit().await?;
    Ok(())
}

/// As [`open`], within a transaction, in a state that it may be in before it has documents. Nobody else knows of the batch
/// until that ends.
pub(crate) fn insert(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    batch: &Batch,
    questions: &[Question],
    state: BatchState,
) -> StoredBatch {
    let (id, license) = (batch.id().to_string(), batch.license());
    let write = Write::of(INSERT)
        .bind(id.as_str())
        .bind(batch.tenant().as_str())
        .bind(batch.member().as_str())
        .bind(license.model.as_str())
        .bind(license.revision_sha256.to_string())
        .bind(license.purpose.as_str())
        .bind(license.decision.to_string())
        .bind(license.terms_sha256.map(|sha256| sha256.to_string()))
        .bind(json!(license.duties))
        .bind(json!(batch.metadata()))
        .bind(At(batch.opened_at()))
        .bind(batch.priority().rank())
        .bind(batch.expires_at().map(At))
        .bind(batch.key().map(|key| key.to_string()))
        .bind(batch.trace().map(Trace::traceparent))
        .bind(batch.trace().and_then(Trace::tracestate))
        .bind(i64::from(batch.is_awaited()));
    tx.later(row::times(state).into_iter().fold(write, Write::bind));
    for (place, question) in questions.iter().enumerate() {
        let write = Write::of(INSERT_QUESTION)
            .bind(id.as_str())
            .bind(number(place))
            .bind(question.text())
            .bind(json!(question.parameters()))
            .bind(question.scope().as_str());
        tx.later(write);
    }
    let detail = json!({ "model": license.model, "purpose": license.purpose, "questions": questions.len() });
    stamp.audit(
        tx,
        batch.tenant(),
        "batch.opened",
        id,
        Some(license.decision),
        detail,
    );
    batch.stored(state)
}

/// A batch of `tenant`.
pub async fn get(db: &Db, tenant: &TenantName, id: BatchId) -> Result<Option<StoredBatch>, RecordsError> {
    let row = on!(db, |c| sqlx::query_as::<_, BatchRow>(GET)
        .bind(id.to_string())
        .bind(tenant.as_str())
        .fetch_optional(c))?;
    row.map(BatchRow::read).transpose()
}

/// Up to `limit` batches of `tenant`, newest first, older than `after`.
pub async fn list(
    db: &Db,
    tenant: &TenantName,
    after: Option<BatchId>,
    limit: u32,
) -> Result<Vec<StoredBatch>, RecordsError> {
    let before = below(after);
    let rows = on!(db, |c| sqlx::query_as::<_, BatchRow>(LIST)
        .bind(tenant.as_str())
        .bind(&before)
        .bind(i64::from(limit))
        .fetch_all(c))?;
    rows.into_iter().map(BatchRow::read).collect()
}

/// The questions of a batch of `tenant`, in their order.
pub async fn questions(db: &Db, tenant: &TenantName, id: BatchId) -> Result<Vec<Asked>, RecordsError> {
    let rows = on!(db, |c| sqlx::query_as::<_, (String, Json<Parameters>, String)>(
        QUESTIONS
    )
    .bind(id.to_string())
    .bind(tenant.as_str())
    .fetch_all(c))?;
    Ok(rows
        .into_iter()
        .map(|(text, Json(parameters), scope)| Asked {
            text,
            parameters,
            scope: combining::scope(&scope),
        })
        .collect())
}

/// Why a batch is not submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubmitRefusal {
    /// Its state does not allow it.
    #[error(transparent)]
    Batch(#[from] BatchRefusal),
    /// As much waits already as may.
    #[error(transparent)]
    Full(#[from] Full),
}

/// Sends the documents of an open batch to intake, all of them or none. `None`: the tenant has no such batch.
pub async fn submit(
    db: &Db,
    stamp: Stamp<'_>,
    tenant: &TenantName,
    id: BatchId,
    bounds: Bounds,
) -> Result<Option<Result<StoredBatch, SubmitRefusal>>, RecordsError> {
    let mut tx = db.begin().await?;
    let Some(batch) = lock(&mut tx, id).await?.filter(|batch| batch.tenant == *tenant) else {
        return Ok(None);
    };
    let state = batch.takes_more(stamp.at);
    let state = match state.and_then(|()| batch.state.submit(&batch.documents, stamp.at)) {
        Ok(state) if state == batch.state => return Ok(Some(Ok(batch))),
        Ok(state) => state,
        Err(refusal) => return Ok(Some(Err(refusal.into()))),
    };
    if let Err(full) = backlog::room_in(&mut tx, tenant, bounds).await? {
        return Ok(Some(Err(full.into())));
    }
    write_state(&mut tx, id, state);
    on!(tx: &mut tx, |c| sqlx::query(SEND_TO_INTAKE).bind(id.to_string()).run(c))?;
    let delta = Delta::default()
        .documents(DocumentPhase::Received, -number(batch.documents.received))
        .documents(DocumentPhase::Waiting, number(batch.documents.received));
    add(&mut tx, id, &delta);
    let detail = json!({ "documents": batch.documents.received });
    stamp.audit(&mut tx, tenant, "batch.submitted", id.to_string(), None, detail);
    let batch = read_locked(&mut tx, id).await?;
    tx.commit().await?;
    Ok(batch.map(Ok))
}

/// A batch that was cancelled, and the orders that were out for it: the queue is to forget them.
#[derive(Debug)]
pub struct CancelledBatch {
    /// The batch after it.
    pub batch: StoredBatch,
    /// Orders to withdraw.
    pub withdrawn: Vec<OrderId>,
}

/// Cancels all of a batch that has no verdict yet. `None`: the tenant has no such batch.
pub async fn cancel(
    db: &Db,
    stamp: Stamp<'_>,
    tenant: &TenantName,
    id: BatchId,
) -> Result<Option<Result<CancelledBatch, BatchRefusal>>, RecordsError> {
    let mut tx = db.begin().await?;
    let Some(batch) = lock(&mut tx, id).await?.filter(|batch| batch.tenant == *tenant) else {
        return Ok(None);
    };
    let state = match batch.state.cancel(stamp.at) {
        Ok(state) if state == batch.state => {
            return Ok(Some(Ok(CancelledBatch {
                batch,
                withdrawn: vec![],
            })));
        }
        Ok(state) => state,
        Err(refusal) => return Ok(Some(Err(refusal))),
    };
    write_state(&mut tx, id, state);
    let (text, at) = (id.to_string(), At(stamp.at));
    on!(tx: &mut tx, |c| sqlx::query(CANCEL_DOCUMENTS).bind(&text).bind(at).run(c))?;
    on!(tx: &mut tx, |c| sqlx::query(CANCEL_JOBS).bind(&text).bind(at).run(c))?;
    let withdrawn = withdraw_attempts(&mut tx, stamp, id).await?;
    add(&mut tx, id, &cancelling(&batch));
    let detail = json!({ "jobs": batch.jobs.unsettled(), "documents": batch.documents.unsettled() });
    stamp.audit(&mut tx, tenant, "batch.cancelled", text, None, detail);
    let after = read_locked(&mut tx, id).await?;
    tx.commit().await?;
    Ok(after.map(|batch| Ok(CancelledBatch { batch, withdrawn })))
}

fn cancelling(batch: &StoredBatch) -> Delta {
    Delta::default()
        .none_unsettled(batch)
        .documents(DocumentPhase::Cancelled, number(batch.documents.unsettled()))
        .jobs(JobPhase::Cancelled, number(batch.jobs.unsettled()))
}

/// Closes the attempts of a locked batch that are open. Gives their orders: the queue is to forget them.
pub(crate) async fn withdraw_attempts(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    id: BatchId,
) -> Result<Vec<OrderId>, RecordsError> {
    let orders: Vec<String> = on!(tx: tx, |c| sqlx::query_scalar(WITHDRAW_ATTEMPTS)
        .bind(id.to_string())
        .bind(At(stamp.at))
        .fetch_all(c))?;
    orders.iter().map(|order| row::order_id(order)).collect()
}

/// The batch as it is now; nobody else changes it, its documents or its jobs until `tx` ends.
pub(crate) async fn lock(tx: &mut Tx, id: BatchId) -> Result<Option<StoredBatch>, RecordsError> {
    let row = on!(tx: tx, |c| sqlx::query_as::<_, BatchRow>(LOCK).bind(id.to_string()).fetch_optional(c))?;
    row.map(BatchRow::read).transpose()
}

/// As [`lock`], of the batch that `order` was made for.
pub(crate) async fn lock_of(tx: &mut Tx, order: OrderId) -> Result<Option<StoredBatch>, RecordsError> {
    let row = on!(tx: tx, |c| sqlx::query_as::<_, BatchRow>(LOCK_OF_ORDER)
        .bind(order.to_string())
        .fetch_optional(c))?;
    row.map(BatchRow::read).transpose()
}

/// As [`lock`], for whoever need not know how it is now. It is locked when `tx` looks at something next.
pub(crate) fn lock_unread(tx: &mut Tx, id: BatchId) {
    tx.later(Write::of(LOCK_UNREAD).bind(id.to_string()));
}

/// A batch that `tx` has locked, as it is by now.
pub(crate) async fn read_locked(tx: &mut Tx, id: BatchId) -> Result<Option<StoredBatch>, RecordsError> {
    let row = on!(tx: tx, |c| sqlx::query_as::<_, BatchRow>(READ).bind(id.to_string()).fetch_optional(c))?;
    row.map(BatchRow::read).transpose()
}

/// Stores what is true of a batch now.
pub(crate) fn write_state(tx: &mut Tx, id: BatchId, state: BatchState) {
    let write = Write::of(WRITE_STATE).bind(id.to_string());
    tx.later(row::times(state).into_iter().fold(write, Write::bind));
}

/// Logs that the last verdict of `batch` has fallen, which leaves it with these `jobs`.
pub(crate) fn audit_completed(tx: &mut Tx, stamp: Stamp<'_>, batch: &StoredBatch, jobs: &JobCounts) {
    let detail = json!({ "jobs": jobs, "documents": batch.documents });
    let id = batch.id.to_string();
    stamp.audit(tx, &batch.tenant, "batch.completed", id, None, detail);
}

/// Completes a locked batch, and tells of it, if the last verdict has fallen.
pub(crate) async fn complete_if_done(tx: &mut Tx, stamp: Stamp<'_>, id: BatchId) -> Result<(), RecordsError> {
    let Some(batch) = read_locked(tx, id).await? else {
        return Ok(());
    };
    let Ok(state) = batch.state.complete(&batch.documents, &batch.jobs, stamp.at) else {
        return Ok(());
    };
    write_state(tx, id, state);
    audit_completed(tx, stamp, &batch, &batch.jobs);
    let kind = EventKind::BatchCompleted { batch: id };
    stamp.tell(tx, &batch.tenant, kind).await
}
