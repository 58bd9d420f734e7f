//! `/v1/batches`: open, read, submit, cancel, requeue what failed.

use super::{
    desk::Desk,
    full,
    new_batch::NewBatch,
    paging::{Listed, Paging},
    row_view::CountsView,
};
use crate::{
    app::ok,
    caller::Authenticated,
    gate::{self, Wanted},
    idempotency::Once,
    json_object::Object,
    limits::Submitting,
    problem::Problem,
    signals::Signals,
    work_settings::WorkSettings,
};
use actix_web::{
    HttpResponse,
    http::header::LOCATION,
    web::{self, Data, Json, Path, Query},
};
use domain::{
    access::Act,
    batch::{Batch, BatchRefusal, BatchState, JobCounts, Metadata, StoredBatch},
    clock::SharedClock,
    digest::Sha256,
    document::DocumentCounts,
    gate::Duty,
    id::{BatchId, DecisionId, IdMaker},
    names::{ModelName, TenantName},
    policy::CurrentPolicies,
    purpose::Purpose,
    question::{Asked, BadQuestions, Question},
    turn::Priority,
};
use exchange::spans;
use records::{
    Db, Stamp,
    batches::{self, SubmitRefusal},
    documents, rows,
    workers::{self, WaitingOrders},
};
use serde::Serialize;
use time::OffsetDateTime;

/// The paths of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/v1/batches", web::post().to(open))
        .route("/v1/batches", web::get().to(list))
        .route("/v1/batches/{batch}", web::get().to(get))
        .route("/v1/batches/{batch}/submit", web::post().to(submit))
        .route("/v1/batches/{batch}/cancel", web::post().to(cancel))
        .route("/v1/batches/{batch}/requeue", web::post().to(requeue));
}

#[expect(
    clippy::too_many_arguments,
    reason = "a handler names each piece that it uses"
)]
async fn open(
    caller: Submitting,
    Json(Object(body)): Json<Object<NewBatch>>,
    db: Data<Db>,
    policies: Data<CurrentPolicies>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
    settings: Data<WorkSettings>,
    once: Once,
) -> Result<HttpResponse, Problem> {
    let (caller, key) = (caller.may(Act::SubmitBatch)?, caller.key().map(|key| key.id));
    let now = clock.now();
    let new = body.checked(&settings, now).await?;
    let wanted = Wanted {
        model: &new.model,
        revision: None,
        purpose: new.purpose,
        metadata: &new.metadata,
    };
    let allowed = gate::ask(&db, &policies, &ids, now, caller, wanted).await?;
    let batch = Batch::open(ids.make(), &allowed, new.metadata, now)
        .with_priority(new.priority)
        .with_end(new.expires_at)
        .with_key(key)
        .with_trace(spans::here());
    let stamp = Stamp::of(&ids, now, caller).under(once.claim());
    batches::open(&db, stamp, &batch, &new.questions).await?;
    let stored = batches::get(&db, &caller.tenant, batch.id())
        .await?
        .ok_or_else(no_batch)?;
    let location = (LOCATION, format!("/v1/batches/{}", batch.id()));
    Ok(HttpResponse::Created()
        .insert_header(location)
        .json(BatchView::with_questions(stored, &new.questions)))
}

async fn list(
    caller: Authenticated,
    query: Query<Paging<BatchId>>,
    db: Data<Db>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::ReadBatch)?;
    let (after, limit) = query.into_inner().checked()?;
    let batches = batches::list(&db, &caller.tenant, after, limit).await?;
    let views = batches.into_iter().map(BatchView::of).collect();
    Ok(ok(Listed::new(views, limit, |batch: &BatchView| {
        batch.id.to_string()
    })))
}

async fn get(
    caller: Authenticated,
    path: Path<BatchId>,
    db: Data<Db>,
    clock: Data<SharedClock>,
    settings: Data<WorkSettings>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::ReadBatch)?;
    let batch = batches::get(&db, &caller.tenant, *path)
        .await?
        .ok_or_else(no_batch)?;
    let waits_for = match lacks_worker(&db, &batch, clock.now(), &settings).await? {
        true => Some("worker"),
        false => None,
    };
    Ok(ok(BatchView {
        waits_for,
        ..view(&db, batch).await?
    }))
}

/// Whether orders of the batch are out and no worker has room for their model.
pub(crate) async fn lacks_worker(
    db: &Db,
    batch: &StoredBatch,
    now: OffsetDateTime,
    settings: &WorkSettings,
) -> Result<bool, Problem> {
    if batch.jobs.dispatched == 0 {
        return Ok(false);
    }
    let alive = workers::alive(db, now - settings.worker_gone()).await?;
    let lacking = workers::lacking(db, &alive, now).await?;
    let of = &batch.license;
    let of_batch = |one: &WaitingOrders| one.model == of.model && one.revision_sha256 == of.revision_sha256;
    Ok(lacking.iter().any(of_batch))
}

async fn submit(
    caller: Submitting,
    path: Path<BatchId>,
    db: Data<Db>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
    settings: Data<WorkSettings>,
    signals: Data<Signals>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::SubmitBatch)?;
    let stamp = Stamp::of(&ids, clock.now(), caller);
    let submitted = batches::submit(&db, stamp, &caller.tenant, *path, settings.bounds()).await?;
    match submitted.ok_or_else(no_batch)? {
        Ok(_) => {}
        Err(SubmitRefusal::Batch(refusal)) => return Err(refused(refusal)),
        Err(SubmitRefusal::Full(full)) => return Err(full::problem(full)),
    }
    signals.intake.notify_one();
    Ok(ok(whole(&db, &caller.tenant, *path).await?))
}

async fn cancel(caller: Authenticated, path: Path<BatchId>, desk: Desk) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::SubmitBatch)?;
    desk.cancel_batch(caller, *path).await?;
    Ok(ok(whole(&desk.db, &caller.tenant, *path).await?))
}

async fn requeue(caller: Authenticated, path: Path<BatchId>, desk: Desk) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::SubmitBatch)?;
    desk.requeue_batch(caller, *path).await?;
    Ok(ok(whole(&desk.db, &caller.tenant, *path).await?))
}

async fn whole(db: &Db, tenant: &TenantName, id: BatchId) -> Result<BatchView, Problem> {
    let batch = batches::get(db, tenant, id).await?.ok_or_else(no_batch)?;
    view(db, batch).await
}

/// A batch with all that is told where one is read.
async fn view(db: &Db, batch: StoredBatch) -> Result<BatchView, Problem> {
    let questions = batches::questions(db, &batch.tenant, batch.id).await?;
    let counts = rows::counts(db, &batch).await?;
    let warned = documents::with_warnings(db, &batch).await?;
    Ok(BatchView {
        questions: Some(questions),
        rows: Some(CountsView::of(counts)),
        documents_with_warnings: Some(warned),
        ..BatchView::of(batch)
    })
}

/// The 404 for a batch that the tenant does not have.
pub(crate) fn no_batch() -> Problem {
    Problem::not_found("batch")
}

/// The 409 for what a batch's state does not allow.
pub(super) fn refused(refusal: BatchRefusal) -> Problem {
    let code = match refusal {
        BatchRefusal::WrongState(_) => "batch_state",
        BatchRefusal::Empty => "batch_without_documents",
        BatchRefusal::Unfinished => "batch_unfinished",
        BatchRefusal::Over => "batch_expired",
        BatchRefusal::Deleted => "batch_deleted",
    };
    Problem::conflict(code, refusal.to_string())
}

/// The 400 for questions out of their limits.
pub(super) fn bad_questions(bad: &BadQuestions) -> Problem {
    let problem = Problem::bad_request("question_invalid", bad.to_string());
    match bad {
        BadQuestions::Number { .. } => problem.with("field", "questions"),
        BadQuestions::Field { place, field, .. } => {
            problem.with("field", format!("questions[{place}].{field}"))
        }
    }
}

/// A batch in JSON.
#[derive(Serialize)]
struct BatchView {
    id: BatchId,
    state: &'static str,
    model: ModelName,
    revision_sha256: Sha256,
    purpose: Purpose,
    decision_id: DecisionId,
    terms_sha256: Option<Sha256>,
    duties: Vec<Duty>,
    #[serde(skip_serializing_if = "Option::is_none")]
    questions: Option<Vec<Asked>>,
    metadata: Metadata,
    priority: Priority,
    /// Told where one batch is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_for: Option<&'static str>,
    documents: Counted<DocumentCounts>,
    pages: u64,
    jobs: Counted<JobCounts>,
    /// Told where one batch is read.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    rows: Option<CountsView>,
    /// Told where one batch is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    documents_with_warnings: Option<u64>,
    #[serde(with = "time::serde::rfc3339")]
    opened_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    submitted_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    completed_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    cancelled_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    expires_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    expired_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    documents_deleted_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    answers_deleted_at: Option<OffsetDateTime>,
}

/// Counts and their sum.
#[derive(Serialize)]
struct Counted<T> {
    total: u64,
    #[serde(flatten)]
    counts: T,
}

impl BatchView {
    fn of(batch: StoredBatch) -> Self {
        let (submitted_at, [completed_at, cancelled_at, expired_at]) = match batch.state {
            BatchState::Open => (None, [None; 3]),
            BatchState::Running { submitted_at } => (Some(submitted_at), [None; 3]),
            BatchState::Completed { submitted_at, at } => (Some(submitted_at), [Some(at), None, None]),
            BatchState::Cancelled { submitted_at, at } => (submitted_at, [None, Some(at), None]),
            BatchState::Expired { submitted_at, at } => (submitted_at, [None, None, Some(at)]),
        };
        Self {
            id: batch.id,
            state: batch.state.as_str(),
            model: batch.license.model,
            revision_sha256: batch.license.revision_sha256,
            purpose: batch.license.purpose,
            decision_id: batch.license.decision,
            terms_sha256: batch.license.terms_sha256,
            duties: batch.license.duties,
            questions: None,
            metadata: batch.metadata,
            priority: batch.priority,
            waits_for: None,
            documents: Counted {
                total: batch.documents.total(),
                counts: batch.documents,
            },
            pages: batch.pages,
            jobs: Counted {
                total: batch.jobs.total(),
                counts: batch.jobs,
            },
            rows: None,
            documents_with_warnings: None,
            opened_at: batch.opened_at,
            submitted_at,
            completed_at,
            cancelled_at,
            expires_at: batch.expires_at,
            expired_at,
            documents_deleted_at: batch.documents_gone_at,
            answers_deleted_at: batch.answers_gone_at,
        }
    }

    fn with_questions(batch: StoredBatch, questions: &[Question]) -> Self {
        Self {
            questions: Some(questions.iter().map(Asked::from).collect()),
            ..Self::of(batch)
        }
    }
}
