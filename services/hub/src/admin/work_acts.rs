//! What is done to batches and jobs on the dashboard: the same acts as by the API, from forms.

use super::{refused::Refused, shell::Shell, sign_in::Proved, visitor::Visitor};
use crate::{
    api::{batches::no_batch, desk::Desk, jobs::no_job},
    handing_out::HandedOut,
    problem::Problem,
    site,
};
use actix_web::{
    HttpResponse,
    http::{StatusCode, header::LOCATION},
    web::{Data, Form, Path},
};
use askama::Template;
use domain::{
    access::Act,
    id::{BatchId, DocumentId, JobId},
    language::Language,
};
use exchange::blobs::Blobs;
use records::{Db, batches, documents::reading, jobs};

/// Asks once more before a batch or a job is cancelled.
#[derive(Template)]
#[template(path = "cancel.html")]
pub struct CancelPage {
    t: Language,
    shell: Shell,
    /// Where the form goes, and what is cancelled.
    path: String,
    id: String,
    /// The page to go back to.
    back: String,
    /// How many jobs and documents have no verdict yet; none where it is one job.
    open: Option<(u64, u64)>,
}

impl CancelPage {
    /// One to look at.
    pub fn sample(t: Language) -> Self {
        Self {
            t,
            shell: Shell::sample(t),
            path: "/admin/batches/bat_0/cancel".into(),
            id: "bat_00000000000000000000000000".into(),
            back: "/admin/batches/bat_0".into(),
            open: Some((12, 1)),
        }
    }
}

fn page_of(batch: BatchId) -> String {
    format!("/admin/batches/{batch}")
}

fn see(path: String) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, path)).finish()
}

/// The question before a batch is cancelled.
pub async fn ask_batch(visitor: Visitor, path: Path<BatchId>, db: Data<Db>) -> Result<HttpResponse, Refused> {
    let caller = visitor.caller.may(Act::SubmitBatch)?;
    let batch = batches::get(&db, &caller.tenant, *path)
        .await?
        .ok_or_else(no_batch)?;
    let back = page_of(batch.id);
    let shown = CancelPage {
        t: visitor.t,
        shell: Shell::of(&visitor, "/admin/batches"),
        path: format!("{back}/cancel"),
        id: batch.id.to_string(),
        back,
        open: Some((batch.jobs.unsettled(), batch.documents.unsettled())),
    };
    Ok(site::page(StatusCode::OK, &shown)?)
}

/// Cancels a batch.
pub async fn cancel_batch(
    visitor: Visitor,
    path: Path<BatchId>,
    form: Form<Proved>,
    desk: Desk,
) -> Result<HttpResponse, Refused> {
    visitor.check(&form.csrf)?;
    desk.cancel_batch(visitor.caller.may(Act::SubmitBatch)?, *path)
        .await?;
    Ok(see(page_of(*path)))
}

/// Queues all of a batch again that failed.
pub async fn requeue_batch(
    visitor: Visitor,
    path: Path<BatchId>,
    form: Form<Proved>,
    desk: Desk,
) -> Result<HttpResponse, Refused> {
    visitor.check(&form.csrf)?;
    desk.requeue_batch(visitor.caller.may(Act::SubmitBatch)?, *path)
        .await?;
    Ok(see(page_of(*path)))
}

/// The question before a job is cancelled.
pub async fn ask_job(
    visitor: Visitor,
    path: Path<(BatchId, JobId)>,
    db: Data<Db>,
) -> Result<HttpResponse, Refused> {
    let caller = visitor.caller.may(Act::SubmitBatch)?;
    let (batch, id) = path.into_inner();
    let found = jobs::get(&db, &caller.tenant, id).await?;
    found
        .filter(|found| found.job.batch == batch)
        .ok_or_else(no_job)?;
    let back = page_of(batch);
    let shown = CancelPage {
        t: visitor.t,
        shell: Shell::of(&visitor, "/admin/batches"),
        path: format!("{back}/jobs/{id}/cancel"),
        id: id.to_string(),
        back,
        open: None,
    };
    Ok(site::page(StatusCode::OK, &shown)?)
}

/// Cancels a job.
pub async fn cancel_job(
    visitor: Visitor,
    path: Path<(BatchId, JobId)>,
    form: Form<Proved>,
    desk: Desk,
) -> Result<HttpResponse, Refused> {
    visitor.check(&form.csrf)?;
    let (batch, id) = path.into_inner();
    desk.cancel_job(visitor.caller.may(Act::SubmitBatch)?, id).await?;
    Ok(see(page_of(batch)))
}

/// Queues a job again that failed or was refused, and goes back to its batch.
pub async fn requeue_job(
    visitor: Visitor,
    path: Path<(BatchId, JobId)>,
    form: Form<Proved>,
    desk: Desk,
) -> Result<HttpResponse, Refused> {
    visitor.check(&form.csrf)?;
    let (batch, id) = path.into_inner();
    desk.requeue_job(visitor.caller.may(Act::SubmitBatch)?, id)
        .await?;
    Ok(see(page_of(batch)))
}

/// The same, and goes back to the dead letters.
pub async fn requeue_dead(
    visitor: Visitor,
    path: Path<JobId>,
    form: Form<Proved>,
    desk: Desk,
) -> Result<HttpResponse, Refused> {
    visitor.check(&form.csrf)?;
    desk.requeue_job(visitor.caller.may(Act::SubmitBatch)?, *path)
        .await?;
    Ok(see("/admin/dead-letters".into()))
}

/// A page as an image. Looking at it is reading it, which the audit log notes as everywhere; the bytes come from here
/// even where the store gives out links, as a page loads images from the hub alone.
pub async fn image(
    visitor: Visitor,
    path: Path<(BatchId, DocumentId, u32)>,
    desk: Desk,
    blobs: Data<dyn Blobs>,
) -> Result<HttpResponse, Refused> {
    let caller = visitor.caller.may(Act::ReadBatch)?;
    let (batch, document, number) = path.into_inner();
    let stamp = desk.stamp_of(caller);
    let found = reading::read_page(&desk.db, stamp, &caller.tenant, batch, document, number).await?;
    let image = found.ok_or_else(|| Problem::not_found("page"))?;
    let handed = HandedOut {
        name: format!("{document}-{number}.png"),
        media_type: "image/png".into(),
        bytes: image.bytes,
    };
    Ok(handed.carry(blobs.get(image.sha256).await.map_err(Problem::from)?))
}
