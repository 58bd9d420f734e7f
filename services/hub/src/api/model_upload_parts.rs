//! `/v1/model-uploads/{upload}/parts`: the parts of a file that are not there yet, each with a link to put it at.

use super::{
    model_uploads::{found, over},
    paging::Paging,
};
use crate::{caller::Authenticated, problem::Problem, uploads};
use actix_web::{
    FromRequest, HttpRequest, HttpResponse,
    dev::Payload,
    http::header::CACHE_CONTROL,
    web::{self, Data, Path, Query},
};
use domain::{
    access::Act,
    clock::SharedClock,
    id::ModelUploadId,
    model_upload::{Part, UploadState, parts},
};
use exchange::blobs::{
    BlobError, Blobs, Stored,
    in_parts::{InParts, TakesParts},
};
use records::{
    Db,
    model_uploads::{self, ModelUpload, UploadFile},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    future::{Ready, ready},
};
use time::OffsetDateTime;

/// The paths of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config.route("/v1/model-uploads/{upload}/parts", web::get().to(missing));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    path: String,
    limit: Option<u32>,
}

/// What of a file is not there yet.
#[derive(Serialize)]
struct MissingView {
    missing: usize,
    missing_bytes: u64,
    data: Vec<PartView>,
}

/// A part, and where it is to be put, how, and until when.
#[derive(Serialize)]
struct PartView {
    number: u32,
    start: u64,
    bytes: u64,
    method: &'static str,
    url: String,
    headers: BTreeMap<String, String>,
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

async fn missing(
    caller: Authenticated,
    path: Path<ModelUploadId>,
    query: Query<Asked>,
    parting: Parting,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::RegisterModel)?;
    let (_, limit) = Paging::<u32>::new(None, query.limit).checked()?;
    let upload = found(&parting.db, &caller.tenant, *path).await?;
    match upload.state_at(parting.now()) {
        UploadState::Open => {}
        state => return Err(over(state.word())),
    }
    let files = model_uploads::files(&parting.db, upload.id).await?;
    let file = files.iter().find(|file| file.artifact.path == query.path);
    let file = file.ok_or_else(|| Problem::not_found("file of the upload"))?;
    let view = parting.missing(&upload, file, limit as usize).await?;
    // Whoever has a link can put the part.
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(view))
}

/// What handlers need who have to do with parts.
pub(super) struct Parting {
    db: Data<Db>,
    blobs: Data<dyn Blobs>,
    clock: Data<SharedClock>,
}

impl Parting {
    /// The present moment.
    pub(super) fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    fn taking(&self) -> Result<Box<dyn TakesParts>, Problem> {
        self.blobs.in_parts().ok_or_else(no_links)
    }

    /// Makes one object of each file's parts; gives the names of files that lack some. Problem: 503.
    pub(super) async fn join(&self, upload: &ModelUpload) -> Result<Vec<String>, Problem> {
        let (taking, mut missing) = (self.taking()?, Vec::new());
        for file in model_uploads::files(&self.db, upload.id).await? {
            let Some(part_bytes) = file.part_bytes.filter(|_| file.joined_at.is_none()) else {
                continue;
            };
            let all = parts(file.artifact.bytes, part_bytes);
            let is_joined = match in_parts(upload, &file) {
                Some(begun) => taking.join(&begun, &all).await.map_err(unavailable)?,
                None => false,
            };
            match is_joined {
                true => model_uploads::joined(&self.db, upload.id, file.artifact.sha256, self.now()).await?,
                false => missing.push(file.artifact.path),
            }
        }
        Ok(missing)
    }

    async fn missing(
        &self,
        upload: &ModelUpload,
        file: &UploadFile,
        limit: usize,
    ) -> Result<MissingView, Problem> {
        let taking = self.taking()?;
        let Some(part_bytes) = file.part_bytes.filter(|_| file.joined_at.is_none()) else {
            return Ok(MissingView {
                missing: 0,
                missing_bytes: 0,
                data: Vec::new(),
            });
        };
        let begun = self.begun(&*taking, upload, file).await?;
        let there = taking.parts(&begun).await.map_err(unavailable)?;
        let mut missing = parts(file.artifact.bytes, part_bytes);
        missing.retain(|part| !there.contains(part));
        let mut data = Vec::new();
        for part in missing.iter().take(limit) {
            data.push(self.view(&*taking, &begun, *part, part_bytes).await?);
        }
        Ok(MissingView {
            missing: missing.len(),
            missing_bytes: missing.iter().map(|part| part.bytes).sum(),
            data,
        })
    }

    /// The file as the bucket knows it, which is told of it if this is the first time.
    async fn begun(
        &self,
        taking: &dyn TakesParts,
        upload: &ModelUpload,
        file: &UploadFile,
    ) -> Result<InParts, Problem> {
        if let Some(begun) = in_parts(upload, file) {
            return Ok(begun);
        }
        let (place, sha256) = (upload.id.to_string(), file.artifact.sha256);
        let id = taking.begin(&place, sha256).await.map_err(unavailable)?;
        let known = model_uploads::begin_parts(&self.db, upload.id, sha256, &id).await?;
        if known.as_ref() != Some(&id) {
            // Somebody else was first. If this fails, it is found as one that nobody finished.
            let _ = taking.give_up(&place, sha256, Some(&id)).await;
        }
        let begun = known.map(|id| InParts {
            place,
            what: stored(file),
            id,
        });
        begun.ok_or_else(|| Problem::internal(anyhow::anyhow!("a file of an upload is gone")))
    }

    async fn view(
        &self,
        taking: &dyn TakesParts,
        begun: &InParts,
        part: Part,
        part_bytes: u64,
    ) -> Result<PartView, Problem> {
        let link = taking.link(begun, part).await.map_err(unavailable)?;
        Ok(PartView {
            number: part.number,
            start: u64::from(part.number - 1) * part_bytes,
            bytes: part.bytes,
            method: "PUT",
            url: link.url,
            headers: link.headers.into_iter().collect(),
            expires_at: self.now() + link.lifetime,
        })
    }
}

fn stored(file: &UploadFile) -> Stored {
    Stored {
        sha256: file.artifact.sha256,
        bytes: file.artifact.bytes,
    }
}

/// A file as the bucket knows it, if it does.
fn in_parts(upload: &ModelUpload, file: &UploadFile) -> Option<InParts> {
    Some(InParts {
        place: upload.id.to_string(),
        what: stored(file),
        id: file.parts_id.clone()?,
    })
}

impl FromRequest for Parting {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let pieces = || {
            Some(Self {
                db: request.app_data::<Data<Db>>()?.clone(),
                blobs: request.app_data::<Data<dyn Blobs>>()?.clone(),
                clock: request.app_data::<Data<SharedClock>>()?.clone(),
            })
        };
        ready(pieces().ok_or_else(Problem::lacking))
    }
}

/// The 409 of a hub that gives out no links.
pub(super) fn no_links() -> Problem {
    Problem::conflict(
        "no_upload_links",
        "this hub gives out no upload links; use `glmhub model import` at its machine",
    )
}

/// The 503 for a bucket that fails.
pub(super) fn unavailable(error: BlobError) -> Problem {
    tracing::error!(cause = %error, "an upload of weights could not be had");
    uploads::unavailable()
}
