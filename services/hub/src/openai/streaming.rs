//! A completion that comes while it is being written, as events of OpenAI's form.
//!
//! Nothing is sent before there is something to send, or for so long that a sign of life is due: until then a refusal or
//! a fault is answered with its status. Later it is an event with `error`, and the last one. All texts of a
//! choice together are exactly the answer of the records, or the stream ends with an error.

use super::{
    completion::{About, Logprobs, Usage, id_of},
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
use futures_util::{
    Stream, StreamExt as _,
    stream::{self, LocalBoxStream, SelectAll},
};
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
    index: usize,
    delta: Delta<'a>,
    /// Of the whole answer, with its end.
    logprobs: Option<Logprobs<'a>>,
    finish_reason: Option<FinishReason>,
}

#[derive(Default, Serialize)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
}

/// What happened to the choice of that place.
type Happened = (usize, Step);

/// A completion on its way.
pub(super) struct Streaming {
    steps: SelectAll<LocalBoxStream<'static, Happened>>,
    /// What happened and is to be told.
    next: Option<Happened>,
    choices: Vec<Line>,
    told: Told,
    over: bool,
}

/// A choice on its way.
struct Line {
    job: String,
    sent: Sent,
    /// Its job, when it has its answer.
    answered: Option<Box<JobView>>,
}

impl Line {
    fn of(job: &JobId) -> Self {
        Self {
            job: job.to_string(),
            sent: Sent::default(),
            answered: None,
        }
    }
}

/// What all chunks of a completion have in common.
struct Told {
    id: String,
    created: i64,
    model: ModelName,
    usage: bool,
}

fn steps_of(place: usize, following: Following) -> LocalBoxStream<'static, Happened> {
    let steps = stream::unfold(following, |mut following| async move {
        let step = following.next().await?;
        Some((step, following))
    });
    steps.map(move |step| (place, step)).boxed_local()
}

fn job_of(choices: &[Line], place: usize) -> String {
    choices
        .get(place)
        .map(|line| line.job.clone())
        .unwrap_or_default()
}

impl Streaming {
    /// Follows `jobs`, which were made under `allowed`, from now on.
    pub(super) async fn begin(
        with: Followed,
        allowed: &Allowed,
        jobs: Vec<JobId>,
        usage: bool,
    ) -> Result<Self, Problem> {
        let mut steps = SelectAll::new();
        for (place, job) in jobs.iter().enumerate() {
            let following = Following::begin(with.clone(), allowed.tenant().clone(), *job).await?;
            steps.push(steps_of(place, following));
        }
        let choices: Vec<Line> = jobs.iter().map(Line::of).collect();
        let told = Told {
            id: id_of(&job_of(&choices, 0)),
            created: allowed.at().unix_timestamp(),
            model: allowed.model().clone(),
            usage,
        };
        Ok(Self {
            steps,
            next: None,
            choices,
            told,
            over: false,
        })
    }

    /// The response that streams the answers.
    ///
    /// Problems, as long as nothing was sent: the refusal of the decision that stopped one, and those of [`unanswered`].
    pub(super) async fn respond(mut self, allowed: &Allowed) -> Result<HttpResponse, Problem> {
        self.next = Some(self.first().await?);
        let mut response = event_stream::response()?;
        for notice in allowed.duties().iter().filter_map(Duty::notice) {
            if let Ok(notice) = HeaderValue::from_str(notice) {
                response.append_header(("x-attribution", notice));
            }
        }
        Ok(response.streaming(self.events()))
    }

    /// The first step that something is sent for.
    async fn first(&mut self) -> Result<Happened, Problem> {
        loop {
            match self.steps.next().await {
                Some((_, Step::State(_))) => {}
                Some((_, Step::Stopped(problem))) => return Err(problem),
                Some((_, Step::Verdict(view))) if view.answer().is_none() => {
                    return Err(unanswered::problem(&view));
                }
                Some(happened) => return Ok(happened),
                None => return Err(unanswered::broken_off(&job_of(&self.choices, 0))),
            }
        }
    }

    fn events(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        let begin = |place| {
            self.told.chunk(&[Choice::of(
                place,
                Delta {
                    role: Some("assistant"),
                    content: Some(""),
                },
            )])
        };
        let begin: String = (0..self.choices.len()).map(begin).collect();
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
            let happened = match self.next.take() {
                Some(happened) => Some(happened),
                None => self.steps.next().await,
            };
            let text = match happened {
                Some((_, Step::State(_))) => continue,
                Some((_, Step::Silence)) => return Some(SIGN_OF_LIFE),
                Some((place, Step::Text { attempt, text })) => self.go_on(place, attempt, &text),
                Some((place, Step::Verdict(view))) => self.end(place, view),
                Some((_, Step::Stopped(problem))) => self.break_off(&problem),
                None => self.break_off(&unanswered::broken_off(&job_of(&self.choices, 0))),
            };
            if !text.is_empty() {
                return Some(text.into());
            }
        }
        None
    }

    fn go_on(&mut self, place: usize, attempt: u32, piece: &str) -> String {
        match self.choices[place].sent.go_on(attempt, piece) {
            Ok("") => String::new(),
            Ok(new) => self.told.content(place, new),
            Err(Departed) => self.break_off(&unanswered::departed(&job_of(&self.choices, place))),
        }
    }

    /// The end of an answer, and why it ends; after the last one what all took, and the last line.
    fn end(&mut self, place: usize, view: Box<JobView>) -> String {
        let Some(answer) = view.answer() else {
            return self.break_off(&unanswered::problem(&view));
        };
        let Ok(rest) = self.choices[place].sent.rest(&answer.text) else {
            return self.break_off(&unanswered::departed(&job_of(&self.choices, place)));
        };
        let mut text = match rest {
            "" => String::new(),
            rest => self.told.content(place, rest),
        };
        let mut last = Choice::of(place, Delta::default());
        last.finish_reason = Some(answer.finish_reason);
        last.logprobs = Logprobs::of(answer);
        text += &self
            .told
            .chunk_about(&[last], Some(About::of(&view, answer)), None);
        self.choices[place].answered = Some(view);
        text + &self.end_of_all()
    }

    /// Nothing, as long as an answer is on its way.
    fn end_of_all(&mut self) -> String {
        let answered = self.choices.iter().map(|line| line.answered.as_ref()?.answer());
        let Some(answers) = answered.collect::<Option<Vec<_>>>() else {
            return String::new();
        };
        self.over = true;
        let usage = match self.told.usage {
            true => self.told.chunk_about(&[], None, Some(Usage::of(answers))),
            false => String::new(),
        };
        usage + DONE
    }

    fn break_off(&mut self, problem: &Problem) -> String {
        self.over = true;
        event(&errors::body(problem))
    }
}

impl Told {
    fn content(&self, place: usize, content: &str) -> String {
        let delta = Delta {
            role: None,
            content: Some(content),
        };
        self.chunk(&[Choice::of(place, delta)])
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
    fn of(place: usize, delta: Delta<'a>) -> Self {
        Self {
            index: place,
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
