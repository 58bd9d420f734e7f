//! `/v1/batches/{batch}/documents`: upload and list. What is put under a name is in [`super::put_documents`].

use super::{
    batches::{no_batch, refused},
    paging::{Listed, Paging},
    places::{Places, unknown_question},
    upload_links::{Declared, taken_in},
};
use crate::{
    app::ok,
    caller::Authenticated,
    fetching,
    idempotency::Once,
    json_object::Object,
    multipart::{Part, Parts, checked_name, media_type},
    outgoing::Outgoing,
    problem::Problem,
    removed_files::are_back,
    uploads,
    work_settings::WorkSettings,
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{CONTENT_DISPOSITION, CONTENT_LENGTH, ContentDisposition},
    },
    web::{self, Data, Path, Payload, Query},
};
use domain::{
    access::Act,
    clock::SharedClock,
    digest::Sha256,
    document::{Document, DocumentPhase, DocumentState, Warning},
    id::{BatchId, DocumentId, IdMaker},
};
use exchange::blobs::Blobs;
use records::{
    Db, Stamp, batches,
    documents::{self, DocumentRefusal, NewDocument},
};
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use time::OffsetDateTime;

/// The most bytes of a body that says where a document lies.
const MOST_ORDER_BYTES: usize = 16 * 1024;

/// The paths of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/v1/batches/{batch}/documents", web::post().to(upload))
        .route("/v1/batches/{batch}/documents", web::get().to(list));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: Option<String>,
    questions: Option<Places>,
}

#[expect(
    clippy::too_many_arguments,
    reason = "a handler names each piece that it uses"
)]
async fn upload(
    caller: Authenticated,
    path: Path<BatchId>,
    query: Query<Named>,
    request: HttpRequest,
    payload: Payload,
    db: Data<Db>,
    blobs: Data<dyn Blobs>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
    settings: Data<WorkSettings>,
    outgoing: Data<Outgoing>,
    once: Once,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::SubmitBatch)?;
    // Before the body is read: a batch that takes nothing costs nobody an upload.
    let batch = batches::get(&db, &caller.tenant, *path)
        .await?
        .ok_or_else(no_batch)?;
    batch.state.takes_documents().map_err(refused)?;
    let Named { name, questions } = query.into_inner();
    let chosen = questions.map(Places::checked).transpose()?;
    let mut new = match media_type(&request).as_str() {
        "multipart/form-data" => parts(blobs.get_ref(), &settings, Parts::of(&request, payload)).await?,
        "application/json" => vec![match elsewhere(payload).await? {
            Elsewhere::Fetched(from) => fetched(blobs.get_ref(), &settings, &outgoing, from).await?,
            Elsewhere::Put(declared) => taken_in(blobs.get_ref(), &settings, *path, declared).await?,
        }],
        media_type => {
            let name = name.or_else(|| disposition_name(&request));
            vec![body(blobs.get_ref(), &settings, &request, payload, media_type, name).await?]
        }
    };
    if chosen.is_some() {
        new.iter_mut()
            .for_each(|document| document.questions = chosen.clone());
    }
    let stamp = Stamp::of(&ids, clock.now(), caller).under(once.claim());
    let most = settings.most_documents;
    let mut added = documents::add(&db, stamp, &caller.tenant, *path, &new, most).await;
    if are_back(&db, blobs.get_ref(), &added).await? {
        added = documents::add(&db, stamp, &caller.tenant, *path, &new, most).await;
    }
    let added = added?.ok_or_else(no_batch)?.map_err(not_taken)?;
    let views: Vec<DocumentView> = added.into_iter().map(DocumentView::of).collect();
    Ok(HttpResponse::Created().json(serde_json::json!({ "data": views })))
}

/// A document from the body of a request. Problems: those of an upload.
pub(super) async fn body(
    blobs: &dyn Blobs,
    settings: &WorkSettings,
    request: &HttpRequest,
    payload: Payload,
    media_type: &str,
    name: Option<String>,
) -> Result<NewDocument, Problem> {
    let name = checked_name(name)?;
    uploads::check_type(settings, media_type)?;
    let declared = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|bytes| bytes > settings.most_document_bytes) {
        return Err(uploads::too_large(settings.most_document_bytes));
    }
    uploads::document(blobs, settings, name, media_type.to_owned(), payload).await
}

/// Where a document lies that is not in the body.
enum Elsewhere {
    /// At a URL from which the hub fetches it.
    Fetched(Source),
    /// Where its tenant has put it by an upload link.
    Put(Declared),
}

/// Where the hub fetches a document, and what it is called if not as there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Source {
    pub(super) url: String,
    pub(super) name: Option<String>,
}

/// What a body says of a document that lies elsewhere.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pointer {
    url: Option<String>,
    sha256: Option<Sha256>,
    bytes: Option<u64>,
    media_type: Option<String>,
    name: Option<String>,
}

async fn elsewhere(payload: Payload) -> Result<Elsewhere, Problem> {
    let read = payload.to_bytes_limited(MOST_ORDER_BYTES).await.map_err(|_| {
        let detail = format!("a body that names a URL has at most {MOST_ORDER_BYTES} bytes");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail).with("limit", MOST_ORDER_BYTES)
    })?;
    let malformed = |error: &dyn Display| Problem::bad_request("json_malformed", error.to_string());
    let read = read.map_err(|error| malformed(&error))?;
    let Object(said): Object<Pointer> = serde_json::from_slice(&read).map_err(|error| malformed(&error))?;
    let name = said.name;
    match (said.url, said.sha256, said.bytes, said.media_type) {
        (Some(url), None, None, None) => Ok(Elsewhere::Fetched(Source { url, name })),
        (None, Some(sha256), Some(bytes), Some(media_type)) => Ok(Elsewhere::Put(Declared {
            sha256,
            bytes,
            media_type,
            name,
        })),
        _ => Err(malformed(&"give `url`, or `sha256`, `bytes` and `media_type`")),
    }
}

/// A document from a URL. Problems: those of [`fetching::fetch`] and of an upload.
pub(super) async fn fetched(
    blobs: &dyn Blobs,
    settings: &WorkSettings,
    outgoing: &Outgoing,
    from: Source,
) -> Result<NewDocument, Problem> {
    let named = checked_name(from.name)?;
    let fetching = fetching::fetch(outgoing, &from.url).await?;
    let media_type = fetching.media_type();
    uploads::check_type(settings, &media_type)?;
    let name = named.or_else(|| checked_name(fetching.name()).ok().flatten());
    uploads::document(blobs, settings, name, media_type, fetching.content()).await
}

async fn parts(
    blobs: &dyn Blobs,
    settings: &WorkSettings,
    mut parts: Parts,
) -> Result<Vec<NewDocument>, Problem> {
    let mut documents = Vec::new();
    while let Some(part) = parts.next().await? {
        documents.push(from_part(blobs, settings, part).await?);
    }
    if documents.is_empty() {
        return Err(Problem::bad_request(
            "part_missing",
            "send at least one part named `document`",
        ));
    }
    Ok(documents)
}

/// A document from a part of a form. Problems: 400 `part_unknown`, and those of an upload.
pub(super) async fn from_part(
    blobs: &dyn Blobs,
    settings: &WorkSettings,
    part: Part,
) -> Result<NewDocument, Problem> {
    if part.name() != "document" {
        let detail = format!(
            "there is no part `{}` here; name every file `document`",
            part.name()
        );
        return Err(Problem::bad_request("part_unknown", detail));
    }
    let (name, media_type) = (checked_name(part.file_name())?, part.media_type());
    uploads::check_type(settings, &media_type)?;
    uploads::document(blobs, settings, name, media_type, part.into_stream()).await
}

fn disposition_name(request: &HttpRequest) -> Option<String> {
    let header = request.headers().get(CONTENT_DISPOSITION)?;
    ContentDisposition::from_raw(header)
        .ok()?
        .get_filename()
        .map(str::to_owned)
}

/// The problem for what a batch does not take.
pub(super) fn not_taken(refusal: DocumentRefusal) -> Problem {
    match refusal {
        DocumentRefusal::Batch(refusal) => refused(refusal),
        DocumentRefusal::TooMany { most } => {
            Problem::conflict("too_many_documents", format!("{refusal}; open another batch"))
                .with("limit", most)
        }
        DocumentRefusal::QuestionUnknown { .. } => unknown_question(refusal.to_string()),
        DocumentRefusal::NameTaken { document } => {
            let detail = format!("{refusal}, or asks it other questions: put yours under another name");
            Problem::conflict("document_name_taken", detail).with("document", document.to_string())
        }
    }
}

async fn list(
    caller: Authenticated,
    path: Path<BatchId>,
    query: Query<Paging<DocumentId>>,
    db: Data<Db>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::ReadBatch)?;
    let (after, limit) = query.into_inner().checked()?;
    batches::get(&db, &caller.tenant, *path)
        .await?
        .ok_or_else(no_batch)?;
    let documents = documents::list(&db, &caller.tenant, *path, after, limit).await?;
    let views = documents.into_iter().map(DocumentView::of).collect();
    Ok(ok(Listed::new(views, limit, |document: &DocumentView| {
        document.id.to_string()
    })))
}

/// A document in JSON.
#[derive(Serialize)]
pub(super) struct DocumentView {
    id: DocumentId,
    batch: BatchId,
    place: u32,
    name: Option<String>,
    media_type: String,
    sha256: Sha256,
    bytes: u64,
    questions: Option<Vec<u32>>,
    state: DocumentPhase,
    pages: Option<u32>,
    fault: Option<FaultView>,
    warnings: Vec<Warning>,
    #[serde(with = "time::serde::rfc3339")]
    received_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    settled_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    deleted_at: Option<OffsetDateTime>,
}

#[derive(Serialize)]
struct FaultView {
    code: String,
    message: String,
}

impl DocumentView {
    pub(super) fn of(document: Document) -> Self {
        let state = document.state.phase();
        let (pages, fault, settled_at) = match document.state {
            DocumentState::Received | DocumentState::Waiting | DocumentState::Splitting { .. } => {
                (None, None, None)
            }
            DocumentState::Split { pages, at } => (Some(pages), None, Some(at)),
            DocumentState::Failed { code, message, at } => {
                (None, Some(FaultView { code, message }), Some(at))
            }
            DocumentState::Cancelled { at } => (None, None, Some(at)),
        };
        Self {
            id: document.id,
            batch: document.batch,
            place: document.place,
            name: document.name,
            media_type: document.media_type,
            sha256: document.sha256,
            bytes: document.bytes,
            questions: document.questions,
            state,
            pages,
            fault,
            warnings: document.warnings,
            received_at: document.received_at,
            settled_at,
            deleted_at: document.deleted_at,
        }
    }
}
