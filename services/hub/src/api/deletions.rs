//! Deletions of a batch's documents and answers, and their signed records.

use super::batches::{no_batch, refused};
use crate::{app::ok, caller::Authenticated, problem::Problem, signals::Signals};
use actix_web::{
    HttpResponse,
    web::{self, Data, Path},
};
use domain::{
    access::Act,
    clock::SharedClock,
    deletion::{Deleted, DeletedOf, DeletionCounts},
    id::{BatchId, DeletionId, FileId, IdMaker},
    names::MemberName,
};
use records::{
    Db, Stamp, batches,
    deleting::{self, Deletion},
};
use serde::Serialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

/// The paths of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/v1/batches/{batch}", web::delete().to(delete))
        .route("/v1/batches/{batch}/deletions", web::get().to(list));
}

async fn delete(
    caller: Authenticated,
    path: Path<BatchId>,
    db: Data<Db>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
    signals: Data<Signals>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::DeleteBatch)?;
    let stamp = Stamp::of(&ids, clock.now(), caller);
    let begun = deleting::begin(&db, stamp, &caller.tenant, *path, Deleted::All).await?;
    let begun = begun.ok_or_else(no_batch)?.map_err(refused)?;
    signals.retain.notify_one();
    let mut response = match begun.done_at {
        Some(_) => HttpResponse::Ok(),
        None => HttpResponse::Accepted(),
    };
    Ok(response.json(DeletionView::of(begun)))
}

async fn list(caller: Authenticated, path: Path<BatchId>, db: Data<Db>) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::ReadBatch)?;
    batches::get(&db, &caller.tenant, *path)
        .await?
        .ok_or_else(no_batch)?;
    let deletions = deleting::of_batch(&db, &caller.tenant, *path).await?;
    Ok(listed(deletions))
}

/// 200 with all deletions of something.
pub(crate) fn listed(deletions: Vec<Deletion>) -> HttpResponse {
    let views: Vec<DeletionView> = deletions.into_iter().map(DeletionView::of).collect();
    ok(json!({ "data": views }))
}

/// A deletion in JSON.
#[derive(Serialize)]
struct DeletionView {
    id: DeletionId,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<BatchId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<FileId>,
    deleted: Deleted,
    reason: &'static str,
    member: Option<MemberName>,
    #[serde(with = "time::serde::rfc3339")]
    asked_at: OffsetDateTime,
    counts: DeletionCounts,
    #[serde(with = "time::serde::rfc3339::option")]
    done_at: Option<OffsetDateTime>,
    record: Option<Value>,
}

impl DeletionView {
    fn of(deletion: Deletion) -> Self {
        let (batch, file) = match deletion.of {
            DeletedOf::Batch(batch) => (Some(batch), None),
            DeletedOf::File(file) => (None, Some(file)),
        };
        Self {
            id: deletion.id,
            batch,
            file,
            deleted: deletion.deleted,
            reason: match deletion.member {
                Some(_) => "request",
                None => "retention",
            },
            member: deletion.member,
            asked_at: deletion.asked_at,
            counts: deletion.counts,
            done_at: deletion.done_at,
            record: deletion.record,
        }
    }
}
