//! `/v1/batches/{batch}/upload-links`: documents that their tenant puts into the bucket itself, past the hub.
//!
//! The tenant declares a document, puts it at the link, and adds it to the batch by the same declaration
//! (`POST /v1/batches/{batch}/documents`). Only then the hub reads it, and what is not what was declared counts for nothing.

use super::batches::{no_batch, refused};
use crate::{
    caller::Authenticated, json_object::Object, multipart::checked_name, problem::Problem, uploads,
    work_settings::WorkSettings,
};
use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{self, Data, Json, Path},
};
use domain::{access::Act, clock::SharedClock, digest::Sha256, id::BatchId};
use exchange::blobs::{BlobError, Blobs, Stored};
use records::{Db, batches, documents::NewDocument};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use time::OffsetDateTime;

/// The most bytes of a document that is put in one request, whatever documents may have otherwise.
const MOST_BYTES: u64 = 2 << 30;

/// The paths of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config.route("/v1/batches/{batch}/upload-links", web::post().to(make));
}

/// A document as its tenant says that it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Declared {
    pub(super) sha256: Sha256,
    pub(super) bytes: u64,
    pub(super) media_type: String,
    pub(super) name: Option<String>,
}

/// Where it is to be put, how, and until when.
#[derive(Serialize)]
struct UploadLinkView {
    method: &'static str,
    url: String,
    headers: BTreeMap<String, String>,
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

async fn make(
    caller: Authenticated,
    path: Path<BatchId>,
    Json(Object(body)): Json<Object<Declared>>,
    db: Data<Db>,
    blobs: Data<dyn Blobs>,
    clock: Data<SharedClock>,
    settings: Data<WorkSettings>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::SubmitBatch)?;
    let batch = batches::get(&db, &caller.tenant, *path).await?;
    batch
        .ok_or_else(no_batch)?
        .state
        .takes_documents()
        .map_err(refused)?;
    let document = body.checked(&settings)?;
    let (place, what) = (path.to_string(), stored(&document));
    let link = blobs.upload_link(&place, what).await.map_err(unavailable)?;
    let link = link.ok_or_else(none)?;
    let view = UploadLinkView {
        method: "PUT",
        url: link.url,
        headers: link.headers.into_iter().collect(),
        expires_at: clock.now() + link.lifetime,
    };
    // Whoever has it can put the document in its tenant's place.
    Ok(HttpResponse::Created()
        .insert_header(("cache-control", "no-store"))
        .json(view))
}

impl Declared {
    /// The document, if the hub would take it. Problems: those of an upload.
    fn checked(self, settings: &WorkSettings) -> Result<NewDocument, Problem> {
        let name = checked_name(self.name)?;
        uploads::check_type(settings, &self.media_type)?;
        let most = settings.most_document_bytes.min(MOST_BYTES);
        match self.bytes {
            0 => Err(uploads::empty()),
            bytes if bytes > most => Err(uploads::too_large(most)),
            bytes => Ok(NewDocument {
                questions: None,
                name,
                media_type: self.media_type,
                sha256: self.sha256,
                bytes,
            }),
        }
    }
}

/// The document that was put at the link of a batch, read and kept. Problems: those of an upload, 409 `upload_missing`, 422
/// `upload_differs`.
pub(super) async fn taken_in(
    blobs: &dyn Blobs,
    settings: &WorkSettings,
    batch: BatchId,
    declared: Declared,
) -> Result<NewDocument, Problem> {
    let document = declared.checked(settings)?;
    match blobs.take_in(&batch.to_string(), stored(&document)).await {
        Ok(()) => Ok(document),
        Err(BlobError::Absent(_)) => Err(Problem::conflict(
            "upload_missing",
            "nothing lies at the document's upload link; ask for one with the same declaration, and put the document there",
        )),
        Err(BlobError::Damaged(_)) => Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "upload_differs",
            "what lay at the upload link has another size or digest and was removed; put the document there again",
        )),
        Err(error) => Err(unavailable(error)),
    }
}

fn stored(document: &NewDocument) -> Stored {
    Stored {
        sha256: document.sha256,
        bytes: document.bytes,
    }
}

fn none() -> Problem {
    Problem::conflict(
        "no_upload_links",
        "this hub gives out no upload links; send the document itself to the batch's documents",
    )
}

fn unavailable(error: BlobError) -> Problem {
    tracing::error!(cause = %error, "an upload into the bucket could not be had");
    uploads::unavailable()
}
