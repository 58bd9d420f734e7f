//! `/v1/jobs` and the jobs and answers of a batch: read, cancel, requeue.

use super::{
    batches::no_batch,
    desk::Desk,
    job_view::{JobView, RowView},
    paging::{Listed, Paging},
};
use crate::{app::ok, caller::Authenticated, problem::Problem};
use actix_web::{
    HttpResponse,
    web::{self, Data, Path, Query},
};
use domain::{
    access::Act,
    id::{BatchId, JobId},
    job::JobRefusal,
    names::TenantName,
};
use records::{
    Db, answers, batches, combining,
    jobs::{self, FailedJobs},
};
use serde::Deserialize;
use std::collections::HashMap;

/// The paths of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/v1/batches/{batch}/jobs", web::get().to(of_batch))
        .route("/v1/batches/{batch}/answers", web::get().to(answers_of_batch))
        .route("/v1/jobs", web::get().to(list))
        .route("/v1/jobs/{job}", web::get().to(get))
        .route("/v1/jobs/{job}/cancel", web::post().to(cancel))
        .route("/v1/jobs/{job}/requeue", web::post().to(requeue));
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum StateFilter {
    Failed,
    Dead,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JobQuery {
    state: StateFilter,
    after: Option<JobId>,
    limit: Option<u32>,
}

async fn list(caller: Authenticated, query: Query<JobQuery>, db: Data<Db>) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::ReadBatch)?;
    let JobQuery { state, after, limit } = query.into_inner();
    let (after, limit) = Paging::new(after, limit).checked()?;
    let which = match state {
        StateFilter::Failed => FailedJobs::All,
        StateFilter::Dead => FailedJobs::DeadLettered,
    };
    let jobs = jobs::failed(&db, &caller.tenant, which, after, limit).await?;
    let views = jobs.iter().map(JobView::brief).collect();
    Ok(ok(Listed::new(views, limit, JobView::id)))
}

async fn of_batch(
    caller: Authenticated,
    path: Path<BatchId>,
    query: Query<Paging<JobId>>,
    db: Data<Db>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::ReadBatch)?;
    let (after, limit) = query.into_inner().checked()?;
    batches::get(&db, &caller.tenant, *path)
        .await?
        .ok_or_else(no_batch)?;
    let jobs = jobs::of_batch(&db, &caller.tenant, *path, after, limit).await?;
    let views = jobs.iter().map(JobView::brief).collect();
    Ok(ok(Listed::new(views, limit, JobView::id)))
}

async fn answers_of_batch(
    caller: Authenticated,
    path: Path<BatchId>,
    query: Query<Paging<JobId>>,
    db: Data<Db>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::ReadBatch)?;
    let (after, limit) = query.into_inner().checked()?;
    let batch = batches::get(&db, &caller.tenant, *path)
        .await?
        .ok_or_else(no_batch)?;
    let questions = batches::questions(&db, &caller.tenant, *path).await?;
    let jobs = jobs::of_batch(&db, &caller.tenant, *path, after, limit).await?;
    let mut answers = HashMap::new();
    if let (Some(first), Some(last), None) = (jobs.first(), jobs.last(), batch.answers_gone_at) {
        let found = answers::between(&db, &caller.tenant, *path, first.id, last.id).await?;
        answers.extend(found.into_iter().map(|answer| (answer.job, answer)));
    }
    let mut sources = combining::sources(&db, &caller.tenant, &jobs).await?;
    let rows = jobs
        .iter()
        .map(|job| {
            RowView::of(&batch, &questions, job, answers.get(&job.id)).of_pages(sources.remove(&job.id))
        })
        .collect();
    Ok(ok(Listed::new(rows, limit, RowView::id)))
}

async fn get(caller: Authenticated, path: Path<JobId>, db: Data<Db>) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::ReadBatch)?;
    Ok(whole(&db, &caller.tenant, *path)
        .await?
        .answer_with(HttpResponse::Ok()))
}

async fn cancel(caller: Authenticated, path: Path<JobId>, desk: Desk) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::SubmitBatch)?;
    desk.cancel_job(caller, *path).await?;
    Ok(ok(whole(&desk.db, &caller.tenant, *path).await?))
}

async fn requeue(caller: Authenticated, path: Path<JobId>, desk: Desk) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::SubmitBatch)?;
    desk.requeue_job(caller, *path).await?;
    Ok(ok(whole(&desk.db, &caller.tenant, *path).await?))
}

/// A job of `tenant` with its question, answer and faults.
pub(crate) async fn whole(db: &Db, tenant: &TenantName, id: JobId) -> Result<JobView, Problem> {
    let found = jobs::find(db, tenant, id).await?.ok_or_else(no_job)?;
    let of = found.job.batch;
    let (mut job, batch, questions) = tokio::try_join!(
        found.whole(db),
        batches::get(db, tenant, of),
        batches::questions(db, tenant, of),
    )?;
    let batch = batch.ok_or_else(no_job)?;
    job.answer = job.answer.filter(|_| batch.answers_gone_at.is_none());
    let sources = combining::sources(db, tenant, std::slice::from_ref(&job.job)).await?;
    Ok(JobView::whole(&batch, &questions, &job).of_pages(sources.into_values().next()))
}

/// The 404 for a job that the tenant does not have.
pub(crate) fn no_job() -> Problem {
    Problem::not_found("job")
}

/// The 409 for what a job's state does not allow.
pub(super) fn wrong_state(refusal: JobRefusal) -> Problem {
    Problem::conflict("job_state", refusal.to_string())
}
