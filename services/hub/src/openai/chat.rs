//! `POST /openai/v1/chat/completions`: a question about an image, asked as OpenAI's clients ask.
//!
//! It becomes a job as `POST /v1/jobs` makes one. The call waits for its verdict as long as any may, or streams.

use super::{
    completion,
    conversation::{self, Asked, Streamed},
    data_url::Picture,
    settings::OpenaiSettings,
    streaming::Streaming,
    unanswered,
};
use crate::{
    api::{
        asking::{Asking, Call, Image},
        following::Followed,
        job_view::JobView,
    },
    fetching,
    idempotency::Once,
    limits::Submitting,
    multipart::media_type,
    outgoing::Outgoing,
    problem::Problem,
    sending::Sending,
    signals::Signals,
    splitting::Splitting,
    uploads,
    work_settings::WorkSettings,
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Bytes, Data, Payload},
};
use domain::{
    access::Act,
    clock::SharedClock,
    id::{IdMaker, JobId},
    policy::CurrentPolicies,
    purpose::Purpose,
    turn::Priority,
};
use exchange::{blobs::Blobs, queue::Queue};
use futures_util::stream;
use records::Db;
use std::{convert::Infallible, time::Duration};
use tokio::time::Instant;

#[expect(
    clippy::too_many_arguments,
    reason = "a handler names each piece that it uses"
)]
pub(super) async fn complete(
    caller: Submitting,
    request: HttpRequest,
    payload: Payload,
    once: Once,
    db: Data<Db>,
    policies: Data<CurrentPolicies>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
    settings: Data<OpenaiSettings>,
    work: Data<WorkSettings>,
    blobs: Data<dyn Blobs>,
    splitting: Data<Splitting>,
    signals: Data<Signals>,
    sending: Data<Sending>,
    queue: Data<dyn Queue>,
    outgoing: Data<Outgoing>,
) -> Result<HttpResponse, Problem> {
    // A request may name its purpose; else its key does, else the settings.
    let usual = caller
        .key()
        .and_then(|key| key.purpose)
        .unwrap_or(settings.purpose);
    let (caller, key) = (caller.may(Act::SubmitBatch)?, caller.key().map(|key| key.id));
    let asked = conversation::read(
        &body(&request, payload, settings.most_body_bytes).await?,
        settings.most_choices,
    )?;
    let asking = Asking {
        caller,
        key,
        db: &db,
        policies: &policies,
        ids: &ids,
        clock: &clock,
        settings: &work,
        blobs: blobs.get_ref(),
        splitting: &splitting,
        signals: &signals,
        once: &once,
        awaited: Some(&sending),
    };
    let streamed = asked.streamed;
    let mut call = call(&asking, asked, usual, &outgoing).await?;
    if let Streamed::Tokens { usage } = streamed {
        let stored = asking.store(&mut call).await?;
        let with = Followed {
            db: db.clone(),
            queue,
            signals: signals.clone(),
        };
        // Whoever writes the answers finds that they are listened to, however short they are.
        let streaming = Streaming::begin(with, &call.given.allowed, stored.jobs.clone(), usage).await;
        asking.dispatch(stored).await;
        asking.kept().await?;
        return streaming?.respond(&call.given.allowed).await;
    }
    let jobs = asking.submit(&mut call).await?;
    let views = settled(&asking, jobs).await?;
    completion::respond(&views)
}

/// The jobs with their answers. Problems: the refusal that stopped one, and those of [`unanswered`].
async fn settled(asking: &Asking<'_>, jobs: Vec<JobId>) -> Result<Vec<JobView>, Problem> {
    let end = Instant::now() + Duration::from_secs(asking.settings.longest_wait_seconds);
    let mut views = Vec::with_capacity(jobs.len());
    for job in jobs {
        let view = asking
            .settled_within(job, end.saturating_duration_since(Instant::now()), None)
            .await?;
        if let Some(problem) = asking.stopped(&view).await? {
            return Err(problem);
        }
        if view.answer().is_none() {
            return Err(unanswered::problem(&view));
        }
        views.push(view);
    }
    Ok(views)
}

/// The whole body. Problems: 415 `content_type_wrong`, 413 `body_too_large`, 400 `upload_broken`.
async fn body(request: &HttpRequest, payload: Payload, limit: usize) -> Result<Bytes, Problem> {
    let media_type = media_type(request);
    if media_type != "application/json" {
        return Err(uploads::wrong_type(&media_type, &["application/json".to_owned()]));
    }
    let read = payload.to_bytes_limited(limit).await.map_err(|_| {
        let detail = format!("a request has at most {limit} bytes, its image included; send a smaller image");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail).with("limit", limit)
    })?;
    read.map_err(|error| Problem::bad_request("upload_broken", format!("the body broke off: {error}")))
}

/// Has the gate allow what is asked, and keeps the image.
pub(super) async fn call(
    asking: &Asking<'_>,
    asked: Asked,
    usual: Purpose,
    outgoing: &Outgoing,
) -> Result<Call, Problem> {
    let questions = asking.questions(asked.choices()).await?;
    let expires_at = asking.end(asked.expires_at.as_deref())?;
    let purpose = asked.purpose.unwrap_or(usual);
    let image = asking.split(image(asking, asked.image, outgoing));
    let (given, image) = asking.allow_before(&asked.model, purpose, image).await?;
    Ok(Call {
        given,
        questions,
        priority: Priority::default(),
        expires_at,
        image,
    })
}

/// Keeps the image, wherever it is.
async fn image(asking: &Asking<'_>, picture: Picture, outgoing: &Outgoing) -> Result<Image, Problem> {
    match picture {
        Picture::Here(image) => {
            let bytes = Bytes::from(image.bytes);
            let content = stream::once(async { Ok::<_, Infallible>(bytes) });
            asking.image(None, image.media_type, content).await
        }
        Picture::Elsewhere(url) => {
            let fetching = fetching::fetch(outgoing, &url).await?;
            let media_type = fetching.media_type();
            asking.image(None, media_type, fetching.content()).await
        }
    }
}
