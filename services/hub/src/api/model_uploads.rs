//! `/v1/model-uploads`: weights that a registrar puts into the bucket in parts, from a machine that is not the hub's.
//!
//! The registrar names the files, puts their parts at the links that it is given, and says when all are there. Then the hub
//! reads them (`loops/model_uploads.rs`), and makes a revision of them or says why not.

use super::{
    model_upload_parts::{self, Parting, no_links, unavailable},
    paging::MOST,
    registration::{name_refused, unprocessable},
};
use crate::{
    app::ok, caller::Authenticated, gate::unknown_model, idempotency::Once, importing, json_object::Object,
    model_upload_settings::ModelUploadSettings, problem::Problem, signals::Signals,
};
use actix_web::{
    HttpResponse,
    http::{StatusCode, header::LOCATION},
    web::{self, Data, Json, Path},
};
use domain::{
    access::{Act, Caller},
    clock::SharedClock,
    digest::Sha256,
    id::{IdMaker, ModelUploadId},
    model::Artifact,
    model_upload::{BadFiles, UploadState, UploadWord, part_bytes, parts},
    names::{ModelName, TenantName},
    policy::CurrentPolicies,
    registration,
};
use exchange::blobs::Blobs;
use records::{
    Db, Stamp, facts,
    model_uploads::{self, ModelUpload, NewUpload, Opened, UploadFile},
    models,
};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use time::OffsetDateTime;

/// The paths of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/v1/model-uploads", web::post().to(open))
        .route("/v1/model-uploads/{upload}", web::get().to(get))
        .route("/v1/model-uploads/{upload}", web::delete().to(abort))
        .route("/v1/model-uploads/{upload}/complete", web::post().to(complete))
        .configure(model_upload_parts::routes);
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Opening {
    model: ModelName,
    files: Vec<Declared>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Declared {
    path: String,
    sha256: Sha256,
    bytes: u64,
}

/// An upload in JSON.
#[derive(Serialize)]
struct UploadView {
    id: ModelUploadId,
    model: ModelName,
    state: UploadWord,
    bytes: u64,
    files: Vec<FileView>,
    #[serde(with = "time::serde::rfc3339")]
    opened_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    ended_at: Option<OffsetDateTime>,
    revision_sha256: Option<Sha256>,
    refusal: Option<String>,
}

/// A file of it: with no parts if the model has it already.
#[derive(Serialize)]
struct FileView {
    path: String,
    sha256: Sha256,
    bytes: u64,
    part_bytes: Option<u64>,
    parts: usize,
}

impl UploadView {
    fn of(upload: ModelUpload, files: Vec<UploadFile>, now: OffsetDateTime) -> Self {
        let state = upload.state_at(now);
        let (word, ended_at) = (state.word(), state.ended_at());
        let (revision_sha256, refusal) = match state {
            UploadState::Completed { revision, .. } => (Some(revision), None),
            UploadState::Refused { reason, .. } => (None, Some(reason)),
            _ => (None, None),
        };
        Self {
            id: upload.id,
            model: upload.model,
            state: word,
            bytes: upload.bytes,
            files: files.into_iter().map(FileView::of).collect(),
            opened_at: upload.opened_at,
            expires_at: upload.expires_at,
            ended_at,
            revision_sha256,
            refusal,
        }
    }
}

impl FileView {
    fn of(file: UploadFile) -> Self {
        let Artifact { path, sha256, bytes } = file.artifact;
        Self {
            path,
            sha256,
            bytes,
            part_bytes: file.part_bytes,
            parts: file.part_bytes.map_or(0, |part| parts(bytes, part).len()),
        }
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "a handler names each piece that it uses"
)]
async fn open(
    caller: Authenticated,
    Json(Object(body)): Json<Object<Opening>>,
    db: Data<Db>,
    blobs: Data<dyn Blobs>,
    policies: Data<CurrentPolicies>,
    settings: Data<ModelUploadSettings>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
    once: Once,
) -> Result<HttpResponse, Problem> {
    let (caller, now) = (caller.may(Act::RegisterModel)?, clock.now());
    blobs.in_parts().ok_or_else(no_links)?;
    may_bring(&db, caller, &body.model).await?;
    let lineage = facts::lineage(&db, &body.model).await?;
    registration::check_name(&lineage, policies.get().licenses())
        .map_err(|refused| name_refused(&refused))?;
    let declared = body.files.into_iter().map(|file| Artifact {
        path: file.path,
        sha256: file.sha256,
        bytes: file.bytes,
    });
    let declared: Vec<Artifact> = declared.collect();
    settings.bounds().check(&declared).map_err(bad_files)?;
    let manifest = importing::manifest(&declared).map_err(|error| files_invalid(error.to_string()))?;
    let new = NewUpload {
        id: ids.make(),
        model: &body.model,
        files_sha256: manifest.sha256(),
        files: &wanted(&db, blobs.get_ref(), &settings, &body.model, declared).await?,
        expires_at: now + settings.open(),
    };
    let stamp = Stamp::of(&ids, now, caller).under(once.claim());
    let (tenant, member) = (&caller.tenant, &caller.member);
    let opened = model_uploads::open(&db, stamp, tenant, member, &new, settings.most_open).await?;
    let (upload, mut response) = match opened {
        Opened::New(upload) => (upload, HttpResponse::Created()),
        Opened::Before(upload) => (upload, HttpResponse::Ok()),
        Opened::TooMany => return Err(too_many(settings.most_open)),
    };
    let files = model_uploads::files(&db, upload.id).await?;
    Ok(response
        .insert_header((LOCATION, format!("/v1/model-uploads/{}", upload.id)))
        .json(UploadView::of(upload, files, now)))
}

/// What is to be put, in parts of which size. What other revisions of the model have is not asked for: who may bring weights
/// of it could have had it before.
async fn wanted(
    db: &Db,
    blobs: &dyn Blobs,
    settings: &ModelUploadSettings,
    model: &ModelName,
    files: Vec<Artifact>,
) -> Result<Vec<(Artifact, Option<u64>)>, Problem> {
    let known = models::artifacts_of_model(db, model).await?;
    let known: HashSet<_> = known.iter().map(|file| (file.sha256, file.bytes)).collect();
    let mut wanted = Vec::with_capacity(files.len());
    for file in files {
        let is_there = known.contains(&(file.sha256, file.bytes))
            && blobs.size(file.sha256).await.map_err(unavailable)? == Some(file.bytes);
        let part = (!is_there).then(|| part_bytes(file.bytes, settings.part_bytes));
        wanted.push((file, part));
    }
    Ok(wanted)
}

/// Whether the caller's tenant may bring weights of a model: it registered it, or is the operator of the hub.
async fn may_bring(db: &Db, caller: &Caller, model: &ModelName) -> Result<(), Problem> {
    if models::get(db, model).await?.is_none() {
        let cure = "register it with its license first: POST /v1/models";
        return Err(unknown_model(model).with("cure", cure));
    }
    let by = models::registered_by(db, model).await?;
    match by.as_ref() == Some(&caller.tenant) || caller.tenant == TenantName::of_operator() {
        true => Ok(()),
        false => Err(Problem::new(
            StatusCode::FORBIDDEN,
            "model_of_another",
            format!("{model} was not registered by {}, and every tenant is answered with its newest weights", caller.tenant),
        )
        .with(
            "cure",
            format!(
                "register a model of your own (POST /v1/models), or have the hub's operator upload with a token of the tenant \
                 {}, or use `glmhub model import` at the hub's machine",
                TenantName::of_operator()
            ),
        )),
    }
}

async fn get(
    caller: Authenticated,
    path: Path<ModelUploadId>,
    db: Data<Db>,
    clock: Data<SharedClock>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::RegisterModel)?;
    seen(&db, &caller.tenant, *path, clock.now()).await.map(ok)
}

async fn abort(
    caller: Authenticated,
    path: Path<ModelUploadId>,
    db: Data<Db>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
    signals: Data<Signals>,
) -> Result<HttpResponse, Problem> {
    let (caller, now) = (caller.may(Act::RegisterModel)?, clock.now());
    let stamp = Stamp::of(&ids, now, caller);
    if model_uploads::abort(&db, stamp, &caller.tenant, *path).await? {
        signals.model_uploads.notify_one();
    }
    let upload = seen(&db, &caller.tenant, *path, now).await?;
    match upload.state {
        UploadWord::Aborted => Ok(ok(upload)),
        state => Err(over(state)),
    }
}

async fn complete(
    caller: Authenticated,
    path: Path<ModelUploadId>,
    db: Data<Db>,
    parting: Parting,
    ids: Data<IdMaker>,
    signals: Data<Signals>,
) -> Result<HttpResponse, Problem> {
    let (caller, now) = (caller.may(Act::RegisterModel)?, parting.now());
    let upload = found(&db, &caller.tenant, *path).await?;
    if upload.state_at(now) == UploadState::Open {
        let missing = parting.join(&upload).await?;
        if !missing.is_empty() {
            return Err(parts_missing(missing));
        }
        let stamp = Stamp::of(&ids, now, caller);
        model_uploads::submit(&db, stamp, &caller.tenant, *path).await?;
        signals.model_uploads.notify_one();
    }
    let upload = seen(&db, &caller.tenant, *path, now).await?;
    match upload.state {
        UploadWord::Checking => Ok(HttpResponse::Accepted().json(upload)),
        UploadWord::Completed | UploadWord::Refused => Ok(ok(upload)),
        state => Err(over(state)),
    }
}

/// An upload of a tenant. Problem: 404.
pub(super) async fn found(db: &Db, tenant: &TenantName, id: ModelUploadId) -> Result<ModelUpload, Problem> {
    let upload = model_uploads::get(db, tenant, id).await?;
    upload.ok_or_else(|| Problem::not_found("upload"))
}

async fn seen(
    db: &Db,
    tenant: &TenantName,
    id: ModelUploadId,
    now: OffsetDateTime,
) -> Result<UploadView, Problem> {
    let upload = found(db, tenant, id).await?;
    let files = model_uploads::files(db, id).await?;
    Ok(UploadView::of(upload, files, now))
}

/// The 409 for an upload that takes nothing any more.
pub(super) fn over(state: UploadWord) -> Problem {
    let detail = match state {
        UploadWord::Checking => {
            "all parts are there, and the hub reads them; GET the upload tells what comes of it".into()
        }
        state => format!("the upload is {state}; open it anew with POST /v1/model-uploads"),
    };
    Problem::conflict("upload_over", detail).with("state", state.as_str())
}

fn parts_missing(mut paths: Vec<String>) -> Problem {
    paths.truncate(MOST as usize);
    Problem::conflict(
        "parts_missing",
        "not all parts of the files in `missing` are there; GET the upload's parts and put them first",
    )
    .with("missing", paths)
}

fn too_many(most: u32) -> Problem {
    Problem::conflict(
        "too_many_model_uploads",
        format!("{most} uploads of your tenant are not over; complete or delete one"),
    )
    .with("limit", most)
}

fn files_invalid(detail: String) -> Problem {
    unprocessable("files_invalid", detail)
}

fn bad_files(why: BadFiles) -> Problem {
    let detail = why.to_string();
    match why {
        BadFiles::TooLarge(limit) | BadFiles::LongText { most: limit, .. } => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "model_too_large", detail).with("limit", limit)
        }
        BadFiles::Number(_) | BadFiles::Empty(_) | BadFiles::Folder(_) => files_invalid(detail),
    }
}
