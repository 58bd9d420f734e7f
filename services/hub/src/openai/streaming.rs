//! A completion that comes while it is being written, as events of OpenAI's form.
//!
//! Nothing is sent before there is something to send, or for so long that a sign of life is due: until then a refusal or
//! a fault is answered with its status. Later it is an event with `error`, and the last one. All texts together are
//! exactly the answer of the records, or the stream ends with an error.

use super::{
    completion::{About, Usage, id_of},
    errors,
    sent::{Departed, Sent},
    unanswered,
};
use crate::{
    api::{
        following::{Followed, Following, Step},
        job_view::JobView,
    },
    event_stream::{self, SIGN_OF_LIFE},
    problem::Problem,
};
use actix_web::{HttpResponse, http::header::HeaderValue, web::Bytes};
use domain::{gate::Allowed, id::JobId, license::Duty, names::ModelName, order::FinishReason};
use futures_util::{Stream, StreamExt as _, stream};
use serde::Serialize;
use std::convert::Infallible;

/// The last line of a stream that came to its end.
const DONE: &str = "data: [DONE]\n\n";

/// A piece of a completion.
#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a ModelName,
    choices: &'a [Choice<'a>],
    /// Without a number but for the last one; left out if nobody wants it.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<Usage>>,
    #[serde(flatten)]
    about: Option<About<'a>>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u32,
    delta: Delta<'a>,
    logprobs: Option<()>,
    finish_reason: Option<FinishReason>,
}

#[derive(Default, Serialize)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
}

/// A completion on its way.
struct Streaming {
    following: Following,
    /// What happened and is to be told.
    next: Option<Step>,
    sent: Sent,
    told: Told,
    job: String,
    over: bool,
}

/// What all chunks of a completion have in common.
struct Told {
    id: String,
    created: i64,
    model: ModelName,
    usage: bool,
}

/// The response that streams the answer of `job`, which was made under `allowed`.
///
/// Problems, as long as nothing was sent: the refusal of the decision that stopped it, and those of [`unanswered`].
pub(super) async fn respond(
    with: Followed,
    allowed: &Allowed,
    job: JobId,
    usage: bool,
) -> Result<HttpResponse, Problem> {
    let mut following = Following::begin(with, allowed.tenant().clone(), job).await?;
    let job = job.to_string();
    let first = first(&mut following, &job).await?;
    let mut response = event_stream::response()?;
    for notice in allowed.duties().iter().filter_map(Duty::notice) {
        if let Ok(notice) = HeaderValue::from_str(notice) {
            response.append_header(("x-attribution", notice));
        }
    }
    let told = Told {
        id: id_of(&job),
        created: allowed.at().unix_timestamp(),
        model: allowed.model().clone(),
        usage,
    };
    let streaming = Streaming {
        following,
        next: Some(first),
        sent: Sent::default(),
        told,
        job,
        over: false,
    };
    Ok(response.streaming(streaming.events()))
}

/// The first step that something is sent for.
async fn first(following: &mut Following, job: &str) -> Result<Step, Problem> {
    loop {
        match following.next().await {
            Some(Step::State(_)) => {}
            Some(Step::Stopped(problem)) => return Err(problem),
            Some(Step::Verdict(view)) if view.answer().is_none() => return Err(unanswered::problem(&view)),
            Some(step) => return Ok(step),
            None => return Err(unanswered::broken_off(job)),
        }
    }
}

impl Streaming {
    fn events(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        let begin = self.told.chunk(&[Choice::of(Delta {
            role: Some("assistant"),
            content: Some(""),
        })]);
        let begin = stream::iter([Ok(Bytes::from(begin))]);
        let rest = stream::unfold(self, |mut streaming| async move {
            let text = streaming.more().await?;
            Some((Ok(text), streaming))
        });
        begin.chain(rest)
    }

    /// What is sent next; nothing after the last event.
    async fn more(&mut self) -> Option<Bytes> {
        while !self.over {
            let step = match self.next.take() {
                Some(step) => Some(step),
                None => self.following.next().await,
            };
            let text = match step {
                Some(Step::State(_)) => continue,
                Some(Step::Silence) => return Some(SIGN_OF_LIFE),
                Some(Step::Text { attempt, text }) => self.go_on(attempt, &text),
                Some(Step::Verdict(view)) => self.end(&view),
                Some(Step::Stopped(problem)) => self.break_off(&problem),
                None => self.break_off(&unanswered::broken_off(&self.job)),
            };
            if !text.is_empty() {
                return Some(text.into());
            }
        }
        None
    }

    fn go_on(&mut self, attempt: u32, piece: &str) -> String {
        match self.sent.go_on(attempt, piece) {
            Ok("") => String::new(),
            Ok(new) => self.told.content(new),
            Err(Departed) => self.break_off(&unanswered::departed(&self.job)),
        }
    }

    /// The end of the answer, why it ends, what it took, and the last line.
    fn end(&mut self, view: &JobView) -> String {
        let Some(answer) = view.answer() else {
            return self.break_off(&unanswered::problem(view));
        };
        let Ok(rest) = self.sent.rest(&answer.text) else {
            return self.break_off(&unanswered::departed(&self.job));
        };
        self.over = true;
        let mut text = match rest {
            "" => String::new(),
            rest => self.told.content(rest),
        };
        let mut last = Choice::of(Delta::default());
        last.finish_reason = Some(answer.finish_reason);
        text += &self
            .told
            .chunk_about(&[last], Some(About::of(view, answer)), None);
        if self.told.usage {
            text += &self.told.chunk_about(&[], None, Some(Usage::of(answer)));
        }
        text + DONE
    }

    fn break_off(&mut self, problem: &Problem) -> String {
        self.over = true;
        event(&errors::body(problem))
    }
}

impl Told {
    fn content(&self, content: &str) -> String {
        self.chunk(&[Choice::of(Delta {
            role: None,
            content: Some(content),
        })])
    }

    fn chunk(&self, choices: &[Choice<'_>]) -> String {
        self.chunk_about(choices, None, None)
    }

    fn chunk_about(&self, choices: &[Choice<'_>], about: Option<About<'_>>, usage: Option<Usage>) -> String {
        event(&Chunk {
            id: &self.id,
            object: "chat.completion.chunk",
            created: self.created,
            model: &self.model,
            choices,
            usage: self.usage.then_some(usage),
            about,
        })
    }
}

impl<'a> Choice<'a> {
    fn of(delta: Delta<'a>) -> Self {
        Self {
            index: 0,
            delta,
            logprobs: None,
            finish_reason: None,
        }
    }
}

/// An event without a name, whose data is JSON, which has no line breaks.
fn event(data: &impl Serialize) -> String {
    // Chunks are of strings and numbers: they can always be written.
    let data = serde_json::to_string(data).unwrap_or_default();
    format!("data: {data}\n\n")
}
