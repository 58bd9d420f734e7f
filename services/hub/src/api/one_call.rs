//! `POST /v1/jobs`: an image and a question in one call.
//!
//! The image is split at once, so that a bad one is refused here and nothing is kept of the job. With
//! `Prefer: wait=SECONDS` the call waits for the answer; if it does not come in time, the job goes on. If the license
//! ends in the meantime, the call is answered as if it had been refused at first, and the job is held.

use super::{batches::bad_questions, job_view::JobView, jobs::whole, stopped};
use crate::{
    caller::Authenticated,
    gate::{self, Wanted},
    multipart::{self, Part, Parts, checked_name},
    problem::Problem,
    signals::Signals,
    splitting::{SplitFault, Splitting},
    uploads,
    work_settings::WorkSettings,
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header::LOCATION},
    web::{self, Data, Payload},
};
use domain::{
    access::{Act, Caller},
    batch::{Batch, Metadata},
    clock::SharedClock,
    gate::Allowed,
    id::{IdMaker, JobId},
    names::ModelName,
    order::Parameters,
    policy::CurrentPolicies,
    purpose::Purpose,
    question::{Question, questions},
    turn::Priority,
};
use exchange::blobs::Blobs;
use pages::PageError;
use records::{
    Db, Stamp,
    documents::{NewDocument, NewPage},
    one_call,
};
use std::{str::FromStr, time::Duration};
use tokio::time::Instant;

/// How often a waiting call looks for itself: the answer may have been collected by another process.
const LOOK_AFTER: Duration = Duration::from_secs(1);
/// The most bytes of a part that is neither the image nor the question.
const SHORT_PART: usize = 4096;

/// The paths of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config.route("/v1/jobs", web::post().to(ask));
}

/// The pieces that the call works with.
struct Pieces<'a> {
    caller: &'a Caller,
    db: &'a Db,
    policies: &'a CurrentPolicies,
    ids: &'a IdMaker,
    clock: &'a SharedClock,
    settings: &'a WorkSettings,
    blobs: &'a dyn Blobs,
}

#[expect(
    clippy::too_many_arguments,
    reason = "a handler names each piece that it uses"
)]
async fn ask(
    caller: Authenticated,
    request: HttpRequest,
    payload: Payload,
    db: Data<Db>,
    policies: Data<CurrentPolicies>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
    settings: Data<WorkSettings>,
    blobs: Data<dyn Blobs>,
    splitting: Data<Splitting>,
    signals: Data<Signals>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::SubmitBatch)?;
    let wait = wanted_wait(&request, settings.longest_wait_seconds);
    let media_type = multipart::media_type(&request);
    if media_type != "multipart/form-data" {
        return Err(multipart::required(&media_type));
    }
    let pieces = Pieces {
        caller,
        db: &db,
        policies: &policies,
        ids: &ids,
        clock: &clock,
        settings: &settings,
        blobs: blobs.get_ref(),
    };
    let call = read(&pieces, Parts::of(&request, payload)).await?;
    let page = one_page(splitting.split(call.image.sha256).await)?;
    let now = clock.now();
    let batch = Batch::open(ids.make(), &call.allowed, Metadata::new(), now).with_priority(call.priority);
    let stamp = Stamp::of(&ids, now, caller);
    let job = one_call::submit(&db, stamp, &batch, &call.question, &call.image, page).await?;
    signals.dispatch.notify_one();
    answer(&pieces, &signals, job, wait).await
}

/// All that a call needs, read and allowed.
struct Call {
    allowed: Allowed,
    question: Question,
    priority: Priority,
    image: NewDocument,
}

/// Parts as they come in; any order is good.
#[derive(Default)]
struct Draft {
    model: Option<ModelName>,
    purpose: Option<Purpose>,
    question: Option<String>,
    parameters: Option<Parameters>,
    priority: Option<Priority>,
    image: Option<NewDocument>,
    allowed: Option<Allowed>,
}

async fn read(pieces: &Pieces<'_>, mut parts: Parts) -> Result<Call, Problem> {
    let mut draft = Draft::default();
    while let Some(part) = parts.next().await? {
        take(pieces, &mut draft, part).await?;
    }
    let question = draft.question.take().ok_or_else(|| missing("question"))?;
    let given = vec![(question, draft.parameters.take().unwrap_or_default())];
    let asked = questions(given, pieces.settings.question_limits()).map_err(|bad| bad_questions(&bad))?;
    let question = asked.into_iter().next().ok_or_else(|| missing("question"))?;
    let image = draft.image.take().ok_or_else(|| missing("image"))?;
    if draft.allowed.is_none() {
        draft.allowed = Some(allow(pieces, &draft).await?);
    }
    let allowed = draft.allowed.ok_or_else(|| missing("model"))?;
    Ok(Call {
        allowed,
        question,
        priority: draft.priority.unwrap_or_default(),
        image,
    })
}

async fn take(pieces: &Pieces<'_>, draft: &mut Draft, part: Part) -> Result<(), Problem> {
    match part.name().as_str() {
        "model" => once(&mut draft.model, "model", parsed("model", part).await?),
        "purpose" => once(&mut draft.purpose, "purpose", parsed("purpose", part).await?),
        "priority" => once(&mut draft.priority, "priority", parsed("priority", part).await?),
        "question" => {
            // A character has at most four bytes; whether they are too many characters is told more exactly later.
            let limit = pieces
                .settings
                .most_question_characters
                .saturating_mul(4)
                .saturating_add(1);
            once(&mut draft.question, "question", part.text(limit).await?)
        }
        "parameters" => {
            let text = part.text(SHORT_PART).await?;
            let parameters = serde_json::from_str(&text).map_err(|error| invalid("parameters", error))?;
            once(&mut draft.parameters, "parameters", parameters)
        }
        "image" => {
            // Those who name model and purpose first are refused before they have sent the image.
            if draft.model.is_some() && draft.purpose.is_some() && draft.allowed.is_none() {
                draft.allowed = Some(allow(pieces, draft).await?);
            }
            let image = image(pieces, part).await?;
            once(&mut draft.image, "image", image)
        }
        other => {
            let detail = format!(
                "there is no part `{other}` here; send image, question, model, purpose, parameters, priority"
            );
            Err(Problem::bad_request("part_unknown", detail))
        }
    }
}

async fn allow(pieces: &Pieces<'_>, draft: &Draft) -> Result<Allowed, Problem> {
    let model = draft.model.as_ref().ok_or_else(|| missing("model"))?;
    let purpose = draft.purpose.ok_or_else(|| missing("purpose"))?;
    let now = pieces.clock.now();
    let wanted = Wanted {
        model,
        revision: None,
        purpose,
        metadata: &Metadata::new(),
    };
    gate::ask(pieces.db, pieces.policies, pieces.ids, now, pieces.caller, wanted).await
}

async fn image(pieces: &Pieces<'_>, part: Part) -> Result<NewDocument, Problem> {
    let (name, media_type) = (checked_name(part.file_name())?, part.media_type());
    if !pieces.settings.takes(&media_type) {
        return Err(uploads::wrong_type(&media_type, &pieces.settings.media_types));
    }
    let stored = uploads::store(
        pieces.blobs,
        pieces.settings.most_document_bytes,
        part.into_stream(),
    )
    .await?;
    Ok(NewDocument {
        name,
        media_type,
        sha256: stored.sha256,
        bytes: stored.bytes,
    })
}

fn once<T>(place: &mut Option<T>, name: &str, value: T) -> Result<(), Problem> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Problem::bad_request(
            "part_repeated",
            format!("send the part `{name}` once"),
        )),
    }
}

async fn parsed<T: FromStr<Err: std::fmt::Display>>(name: &str, part: Part) -> Result<T, Problem> {
    let text = part.text(SHORT_PART).await?;
    text.trim().parse().map_err(|error| invalid(name, error))
}

fn missing(name: &str) -> Problem {
    Problem::bad_request("part_missing", format!("send a part `{name}`"))
}

fn invalid(name: &str, error: impl std::fmt::Display) -> Problem {
    Problem::bad_request("part_invalid", format!("the part `{name}`: {error}")).with("field", name)
}

fn one_page(split: Result<Vec<NewPage>, SplitFault>) -> Result<NewPage, Problem> {
    match split {
        Ok(pages) => match pages.as_slice() {
            [page] => Ok(*page),
            more => Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "too_many_pages",
                format!(
                    "the image has {} pages and one is taken here; open a batch for more",
                    more.len()
                ),
            )),
        },
        Err(SplitFault::Document(error)) => Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            error.code(),
            error.to_string(),
        )),
        Err(SplitFault::Ours(fault)) => Err(no_room(&fault)),
    }
}

fn no_room(fault: &anyhow::Error) -> Problem {
    let reason = fault
        .downcast_ref::<PageError>()
        .map(PageError::code)
        .unwrap_or("storage");
    tracing::error!(
        reason,
        cause = format!("{fault:#}"),
        "an image could not be split"
    );
    Problem::unavailable(
        "storage_unavailable",
        "the hub cannot split documents now; nothing was kept",
        10,
    )
}

/// The seconds of `Prefer: wait=…`, at most `longest`.
fn wanted_wait(request: &HttpRequest, longest: u64) -> Option<u64> {
    let preferences = request
        .headers()
        .get_all("prefer")
        .filter_map(|value| value.to_str().ok());
    let mut waits = preferences
        .flat_map(|text| text.split([',', ';']))
        .filter_map(|one| {
            one.trim()
                .strip_prefix("wait=")?
                .trim_matches('"')
                .parse::<u64>()
                .ok()
        });
    waits.next().map(|seconds| seconds.min(longest))
}

async fn answer(
    pieces: &Pieces<'_>,
    signals: &Signals,
    job: JobId,
    wait: Option<u64>,
) -> Result<HttpResponse, Problem> {
    let view = settled_within(pieces, signals, job, Duration::from_secs(wait.unwrap_or(0))).await?;
    if wait.is_some()
        && let Some(problem) = stopped::problem(pieces.db, &view).await?
    {
        return Err(problem);
    }
    let mut response = if view.is_settled() && wait.is_some() {
        HttpResponse::Ok()
    } else {
        HttpResponse::Accepted()
    };
    response.insert_header((LOCATION, format!("/v1/jobs/{job}")));
    if let Some(seconds) = wait {
        response.insert_header(("preference-applied", format!("wait={seconds}")));
    }
    Ok(view.answer_with(response))
}

async fn settled_within(
    pieces: &Pieces<'_>,
    signals: &Signals,
    job: JobId,
    wait: Duration,
) -> Result<JobView, Problem> {
    let deadline = Instant::now() + wait;
    let mut verdicts = signals.listen();
    loop {
        let view = whole(pieces.db, &pieces.caller.tenant, job).await?;
        let told = view.is_settled() || view.stopped_by().is_some();
        if told || Instant::now() >= deadline {
            return Ok(view);
        }
        verdicts.wait_for(job, LOOK_AFTER, deadline).await;
    }
}
