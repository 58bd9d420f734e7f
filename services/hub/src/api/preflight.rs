//! `POST /v1/batches/preflight`: what a batch would be, before anything of it is stored or queued.
//!
//! The same checks in the same order as for a batch that is opened, filled and submitted; the gate's decision is recorded as
//! any. Documents are split as intake splits them, and thrown away.

use super::{
    looking::{Given, ListedDocument, Looking},
    new_batch::{CheckedBatch, NewBatch},
    places::Places,
    preflight_view::{self, Costs},
};
use crate::{
    app::{JSON_LIMIT, ok},
    gate::{self, Wanted},
    json_object::Object,
    limits::Submitting,
    multipart::{Parts, media_type},
    outgoing::Outgoing,
    problem::Problem,
    prompt_tokens::PromptTokens,
    splitting::Splitting,
    uploads,
    work_settings::WorkSettings,
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{self, Data, Payload, Query},
};
use domain::{
    access::Act, clock::SharedClock, estimate, gate::Allowed, id::IdMaker, policy::CurrentPolicies,
};
use exchange::blobs::Blobs;
use records::{Db, models, workers};
use serde::Deserialize;
use serde_json::Value;
use std::fmt::Display;
use time::OffsetDateTime;

/// The name of the part that describes the batch.
const BATCH: &str = "batch";

/// The paths of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config.route("/v1/batches/preflight", web::post().to(preflight));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    questions: Option<Places>,
}

#[expect(
    clippy::too_many_arguments,
    reason = "a handler names each piece that it uses"
)]
async fn preflight(
    caller: Submitting,
    asked: Query<Asked>,
    request: HttpRequest,
    payload: Payload,
    db: Data<Db>,
    policies: Data<CurrentPolicies>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
    settings: Data<WorkSettings>,
    blobs: Data<dyn Blobs>,
    outgoing: Data<Outgoing>,
    splitting: Data<Splitting>,
    tokens: Data<dyn PromptTokens>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::SubmitBatch)?;
    let now = clock.now();
    let (new, given) = read(&request, payload).await?;
    let batch = new.checked(&settings, now).await?;
    let wanted = Wanted {
        model: &batch.model,
        revision: None,
        purpose: batch.purpose,
        metadata: &batch.metadata,
    };
    let allowed = gate::ask(&db, &policies, &ids, now, caller, wanted).await?;
    let looking = Looking {
        tenant: &caller.tenant,
        db: &db,
        blobs: blobs.get_ref(),
        settings: &settings,
        outgoing: &outgoing,
        splitting: &splitting,
        questions: batch.questions.len(),
    };
    let documents = looking.all(given, asked.into_inner().questions).await?;
    let costs = costs(&db, tokens.get_ref(), &settings, now, &allowed, &batch).await?;
    Ok(ok(preflight_view::of(&allowed, &batch, documents, &costs)))
}

/// The batch that a request describes, and its documents. Problems: 415 `content_type_wrong`, 413 `body_too_large`, 400
/// `json_malformed` and `part_missing`.
async fn read(request: &HttpRequest, payload: Payload) -> Result<(NewBatch, Given), Problem> {
    let malformed = |error: &dyn Display| Problem::bad_request("json_malformed", error.to_string());
    match media_type(request).as_str() {
        "multipart/form-data" => {
            let mut parts = Parts::of(request, payload);
            let first = parts.next().await?.filter(|part| part.name() == BATCH);
            let first = first.ok_or_else(|| {
                Problem::bad_request(
                    "part_missing",
                    "the first part is `batch`, in JSON; documents follow it",
                )
            })?;
            let text = first.text(JSON_LIMIT).await?;
            let Object(batch) = serde_json::from_str(&text).map_err(|error| malformed(&error))?;
            Ok((batch, Given::Parts(parts)))
        }
        "application/json" => {
            let body = payload.to_bytes_limited(JSON_LIMIT).await.map_err(|_| {
                let detail =
                    format!("a JSON body has at most {JSON_LIMIT} bytes; send larger documents as parts");
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
            })?;
            let body = body.map_err(|error| malformed(&error))?;
            let mut batch: Value = serde_json::from_slice(&body).map_err(|error| malformed(&error))?;
            let listed = batch.as_object_mut().and_then(|batch| batch.remove("documents"));
            let Object(batch) = serde_json::from_value(batch).map_err(|error| malformed(&error))?;
            let listed = listed.unwrap_or_else(|| Value::Array(Vec::new()));
            let listed: Vec<Object<ListedDocument>> =
                serde_json::from_value(listed).map_err(|error| malformed(&error))?;
            let listed = listed.into_iter().map(|Object(listed)| listed).collect();
            Ok((batch, Given::Listed(listed)))
        }
        other => Err(uploads::wrong_type(
            other,
            &["application/json", "multipart/form-data"].map(str::to_owned),
        )),
    }
}

/// What tokens and pages of the batch take.
async fn costs(
    db: &Db,
    tokens: &dyn PromptTokens,
    settings: &WorkSettings,
    now: OffsetDateTime,
    allowed: &Allowed,
    batch: &CheckedBatch,
) -> Result<Costs, Problem> {
    let revision = allowed.revision_sha256();
    let artifacts = models::revision_artifacts(db, &revision).await?;
    let texts: Vec<String> = batch
        .questions
        .iter()
        .map(|question| question.text().to_owned())
        .collect();
    let counted = tokens
        .count(revision, &artifacts, texts.clone())
        .await
        .map_err(Problem::internal)?;
    let input = match counted {
        Some(counted) => counted.into_iter().map(estimate::InputTokens::Exactly).collect(),
        None => {
            let model = models::get(db, &batch.model).await?;
            let tower = model
                .and_then(|model| model.card.shape)
                .and_then(|shape| shape.tower);
            let image = tower.map(|tower| tower.image_tokens);
            let bound = |text: &String| estimate::InputTokens::bound(text, image);
            texts.iter().map(bound).collect()
        }
    };
    let alive = workers::alive(db, now - settings.worker_gone()).await?;
    Ok(Costs {
        input,
        workers: alive.into_iter().map(|worker| worker.announcement).collect(),
        combine_context: settings.combine_context_tokens,
    })
}
