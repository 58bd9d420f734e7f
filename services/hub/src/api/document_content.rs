//! `/v1/batches/{batch}/documents/{document}/content` and `…/pages/{number}/content`: the bytes again.

use crate::{caller::Authenticated, handing_out::HandedOut, problem::Problem};
use actix_web::{
    HttpResponse,
    web::{self, Data, Path},
};
use domain::{
    access::Act,
    clock::SharedClock,
    id::{BatchId, DocumentId, IdMaker},
};
use exchange::blobs::Blobs;
use records::{Db, Stamp, documents::reading};

/// The paths of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route(
            "/v1/batches/{batch}/documents/{document}/content",
            web::get().to(document),
        )
        .route(
            "/v1/batches/{batch}/documents/{document}/pages/{number}/content",
            web::get().to(page),
        );
}

async fn document(
    caller: Authenticated,
    path: Path<(BatchId, DocumentId)>,
    db: Data<Db>,
    blobs: Data<dyn Blobs>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::ReadBatch)?;
    let (batch, id) = path.into_inner();
    let stamp = Stamp::of(&ids, clock.now(), caller);
    let found = reading::read(&db, stamp, &caller.tenant, batch, id).await?;
    let document = found.ok_or_else(|| Problem::not_found("document"))?;
    let handed = HandedOut {
        name: document.name.unwrap_or_else(|| id.to_string()),
        media_type: document.media_type,
        bytes: document.bytes,
    };
    handed.respond(blobs.get_ref(), document.sha256).await
}

async fn page(
    caller: Authenticated,
    path: Path<(BatchId, DocumentId, u32)>,
    db: Data<Db>,
    blobs: Data<dyn Blobs>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::ReadBatch)?;
    let (batch, document, number) = path.into_inner();
    let stamp = Stamp::of(&ids, clock.now(), caller);
    let found = reading::read_page(&db, stamp, &caller.tenant, batch, document, number).await?;
    let image = found.ok_or_else(|| Problem::not_found("page"))?;
    let handed = HandedOut {
        name: format!("{document}-{number}.png"),
        media_type: "image/png".into(),
        bytes: image.bytes,
    };
    handed.respond(blobs.get_ref(), image.sha256).await
}
