//! `/openai/v1/batches`: files of requests, answered one by one. The work itself is that of every job.

use super::{
    batch_view::BatchView,
    files,
    files_view::{ListQuery, Listed},
    new_batch::{NewBatch, refused},
    settings::OpenaiSettings,
};
use crate::{
    app::ok, caller::Authenticated, idempotency::Once, json_object::Object, limits::Submitting,
    problem::Problem, work_settings::WorkSettings,
};
use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Data, Json, Path, Query},
};
use domain::{
    access::{Act, Caller},
    clock::SharedClock,
    id::{IdMaker, OpenaiBatchId},
    openai_batch::Status,
};
use records::{
    Db, Stamp,
    openai_batches::{self, OpenaiBatch},
};

#[expect(
    clippy::too_many_arguments,
    reason = "a handler names each piece that it uses"
)]
pub(super) async fn create(
    caller: Submitting,
    Json(Object(body)): Json<Object<NewBatch>>,
    once: Once,
    db: Data<Db>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
    work: Data<WorkSettings>,
    settings: Data<OpenaiSettings>,
) -> Result<HttpResponse, Problem> {
    let usual = caller
        .key()
        .and_then(|key| key.purpose)
        .unwrap_or(settings.purpose);
    let (caller, key) = (caller.may(Act::SubmitBatch)?, caller.key().map(|key| key.id));
    let (new, now) = (body, clock.now());
    let file = files::found(&db, caller, new.input_file(), now).await;
    let file = file.map_err(|problem| problem.with("field", "input_file_id"))?;
    if file.purpose != "batch" {
        let detail = "the file was not sent for batches: send it with the purpose `batch`";
        return Err(refused("file_not_for_batches", "input_file_id", detail));
    }
    let batch = OpenaiBatch {
        key,
        ..new.batch(ids.make(), caller, usual, now, work.longest_expiry())?
    };
    let stamp = Stamp::of(&ids, now, caller).under(once.claim());
    let most = settings.most_batches;
    if !openai_batches::create(&db, stamp, &batch, most).await? {
        let detail = format!("a tenant has at most {most} batches under way: wait for one, or cancel one");
        return Err(Problem::conflict("too_many_batches", detail).with("limit", most));
    }
    Ok(ok(BatchView::of(&db, &batch).await?))
}

pub(super) async fn list(
    caller: Authenticated,
    query: Query<ListQuery<OpenaiBatchId>>,
    db: Data<Db>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::ReadBatch)?;
    let limit = query.limit()?;
    let batches = openai_batches::list(&db, &caller.tenant, query.after, limit + 1).await?;
    let mut views = Vec::with_capacity(batches.len());
    for batch in &batches {
        views.push(BatchView::of(&db, batch).await?);
    }
    Ok(ok(Listed::new(views, limit, BatchView::id)))
}

pub(super) async fn get(
    caller: Authenticated,
    path: Path<OpenaiBatchId>,
    db: Data<Db>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::ReadBatch)?;
    let batch = found(&db, caller, *path).await?;
    Ok(ok(BatchView::of(&db, &batch).await?))
}

pub(super) async fn cancel(
    caller: Authenticated,
    path: Path<OpenaiBatchId>,
    db: Data<Db>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::SubmitBatch)?;
    let stamp = Stamp::of(&ids, clock.now(), caller);
    let cancelled = openai_batches::cancel(&db, stamp, &caller.tenant, *path).await?;
    let batch = found(&db, caller, *path).await?;
    match (cancelled, batch.moments.status()) {
        (true, _) | (_, Status::Cancelling | Status::Cancelled) => Ok(ok(BatchView::of(&db, &batch).await?)),
        (false, status) => Err(Problem::new(
            StatusCode::CONFLICT,
            "batch_state",
            format!("the batch is {} and cannot be cancelled", status.as_str()),
        )),
    }
}

async fn found(db: &Db, caller: &Caller, id: OpenaiBatchId) -> Result<OpenaiBatch, Problem> {
    let found = openai_batches::get(db, &caller.tenant, id).await?;
    found.ok_or_else(|| Problem::not_found("batch"))
}
