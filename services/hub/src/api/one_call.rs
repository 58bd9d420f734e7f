//! `POST /v1/jobs`: an image and a question in one call.
//!
//! The image is split at once, so that a bad one is refused here and nothing is kept of the job. With
//! `Prefer: wait=SECONDS` the call waits for the answer; if it does not come in time, the job goes on. If the license
//! ends in the meantime, the call is answered as if it had been refused at first, and the job is held.

use super::asking::{Asking, Call, Image};
use crate::{
    gate::Given,
    idempotency::Once,
    json_object::Object,
    limits::Submitting,
    multipart::{self, Part, Parts, checked_name},
    problem::Problem,
    sending::Sending,
    signals::{Signals, Verdicts},
    splitting::Splitting,
    work_settings::WorkSettings,
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::header::LOCATION,
    web::{self, Data, Payload},
};
use domain::{
    access::Act,
    clock::SharedClock,
    id::{IdMaker, JobId},
    names::ModelName,
    order::Parameters,
    policy::CurrentPolicies,
    purpose::Purpose,
    turn::Priority,
};
use exchange::blobs::Blobs;
use records::Db;
use std::{str::FromStr, time::Duration};

/// The most bytes of a part that is neither the image nor the question.
const SHORT_PART: usize = 4096;

/// The paths of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config.route("/v1/jobs", web::post().to(ask));
}

#[expect(
    clippy::too_many_arguments,
    reason = "a handler names each piece that it uses"
)]
async fn ask(
    caller: Submitting,
    request: HttpRequest,
    payload: Payload,
    once: Once,
    db: Data<Db>,
    policies: Data<CurrentPolicies>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
    settings: Data<WorkSettings>,
    blobs: Data<dyn Blobs>,
    splitting: Data<Splitting>,
    signals: Data<Signals>,
    sending: Data<Sending>,
) -> Result<HttpResponse, Problem> {
    let (caller, key) = (caller.may(Act::SubmitBatch)?, caller.key().map(|key| key.id));
    let wait = wanted_wait(&request, settings.longest_wait_seconds);
    let media_type = multipart::media_type(&request);
    if media_type != "multipart/form-data" {
        return Err(multipart::required(&media_type));
    }
    let asking = Asking {
        caller,
        key,
        db: &db,
        policies: &policies,
        ids: &ids,
        clock: &clock,
        settings: &settings,
        blobs: blobs.get_ref(),
        splitting: &splitting,
        signals: &signals,
        once: &once,
        awaited: Some(&sending),
    };
    // The body of a repetition was read when it was known again.
    if let Some(job) = once.job() {
        return answer(&asking, job, wait, None).await;
    }
    let mut call = read(&asking, Parts::of(&request, payload)).await?;
    let heard = asking.listen();
    let jobs = asking.submit(&mut call).await?;
    let job = jobs.first().copied().ok_or_else(|| Problem::not_found("job"))?;
    answer(&asking, job, wait, Some(heard)).await
}

/// Parts as they come in; any order is good.
#[derive(Default)]
struct Draft {
    model: Option<ModelName>,
    purpose: Option<Purpose>,
    question: Option<String>,
    parameters: Option<Parameters>,
    priority: Option<Priority>,
    expires_at: Option<String>,
    image: Option<Image>,
    given: Option<Given>,
}

async fn read(asking: &Asking<'_>, mut parts: Parts) -> Result<Call, Problem> {
    let mut draft = Draft::default();
    while let Some(part) = parts.next().await? {
        take(asking, &mut draft, part).await?;
    }
    let question = draft.question.take().ok_or_else(|| missing("question"))?;
    let questions = asking
        .questions(vec![(question, draft.parameters.take().unwrap_or_default())])
        .await?;
    let expires_at = asking.end(draft.expires_at.as_deref())?;
    let image = draft.image.take().ok_or_else(|| missing("image"))?;
    if draft.given.is_none() {
        draft.given = Some(allow(asking, &draft).await?);
    }
    let given = draft.given.ok_or_else(|| missing("model"))?;
    Ok(Call {
        given,
        questions,
        priority: draft.priority.unwrap_or_default(),
        expires_at,
        image,
    })
}

async fn take(asking: &Asking<'_>, draft: &mut Draft, part: Part) -> Result<(), Problem> {
    match part.name().as_str() {
        "model" => once(&mut draft.model, "model", parsed("model", part).await?),
        "purpose" => once(&mut draft.purpose, "purpose", parsed("purpose", part).await?),
        "priority" => once(&mut draft.priority, "priority", parsed("priority", part).await?),
        "expires_at" => once(&mut draft.expires_at, "expires_at", part.text(SHORT_PART).await?),
        "question" => {
            // A character has at most four bytes; whether they are too many characters is told more exactly later.
            let limit = asking
                .settings
                .most_question_characters
                .saturating_mul(4)
                .saturating_add(1);
            once(&mut draft.question, "question", part.text(limit).await?)
        }
        "parameters" => {
            let limit = SHORT_PART.saturating_add(asking.settings.most_schema_bytes);
            let text = part.text(limit).await?;
            let Object(parameters) =
                serde_json::from_str(&text).map_err(|error| invalid("parameters", error))?;
            once(&mut draft.parameters, "parameters", parameters)
        }
        "image" => {
            let image = image(asking, draft, part).await?;
            once(&mut draft.image, "image", image)
        }
        other => {
            let detail = format!(
                "there is no part `{other}` here; send image, question, model, purpose, parameters, priority, \
                 expires_at"
            );
            Err(Problem::bad_request("part_unknown", detail))
        }
    }
}

/// Keeps the image. Those who name model and purpose first are refused before they have sent it.
async fn image(asking: &Asking<'_>, draft: &mut Draft, part: Part) -> Result<Image, Problem> {
    let (name, media_type) = (checked_name(part.file_name())?, part.media_type());
    let image = asking.image(name, media_type, part.into_stream());
    match (&draft.model, draft.purpose) {
        (Some(model), Some(purpose)) if draft.given.is_none() => {
            let (given, image) = asking.allow_before(model, purpose, asking.split(image)).await?;
            draft.given = Some(given);
            Ok(image)
        }
        _ => image.await,
    }
}

async fn allow(asking: &Asking<'_>, draft: &Draft) -> Result<Given, Problem> {
    let model = draft.model.as_ref().ok_or_else(|| missing("model"))?;
    let purpose = draft.purpose.ok_or_else(|| missing("purpose"))?;
    asking.allow(model, purpose).await
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
    asking: &Asking<'_>,
    job: JobId,
    wait: Option<u64>,
    heard: Option<Verdicts>,
) -> Result<HttpResponse, Problem> {
    let longest = Duration::from_secs(wait.unwrap_or(0));
    let view = asking.settled_within(job, longest, heard).await?;
    if wait.is_some()
        && let Some(problem) = asking.stopped(&view).await?
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
