//! Answers in OpenAI's form.

use crate::{
    api::job_view::{AnswerView, JobView},
    problem::Problem,
};
use actix_web::HttpResponse;
use domain::{
    digest::Sha256,
    id::DecisionId,
    names::ModelName,
    order::{FinishReason, TokenLogprob},
};
use serde::Serialize;

/// A completion.
#[derive(Serialize)]
pub(super) struct Completion<'a> {
    id: String,
    object: &'static str,
    created: i64,
    model: &'a ModelName,
    choices: Vec<Choice<'a>>,
    usage: Usage,
    #[serde(flatten)]
    about: About<'a>,
}

/// What is known of an answer beside it. Most of it are members of our own, which OpenAI's clients hand through.
#[derive(Serialize)]
pub(super) struct About<'a> {
    system_fingerprint: &'a str,
    job: String,
    decision_id: DecisionId,
    revision_sha256: Sha256,
    /// What must be shown with the answer.
    notices: &'a [String],
}

impl<'a> About<'a> {
    pub(super) fn of(job: &JobView, answer: &'a AnswerView) -> Self {
        Self {
            system_fingerprint: &answer.engine,
            job: job.id(),
            decision_id: answer.decision_id,
            revision_sha256: answer.revision_sha256,
            notices: &answer.notices,
        }
    }
}

#[derive(Serialize)]
struct Choice<'a> {
    index: usize,
    message: Message<'a>,
    logprobs: Option<Logprobs<'a>>,
    finish_reason: FinishReason,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
    refusal: Option<()>,
}

/// The tokens of an answer.
#[derive(Serialize)]
pub(super) struct Logprobs<'a> {
    content: &'a [TokenLogprob],
    refusal: Option<()>,
}

impl<'a> Logprobs<'a> {
    /// Those of an answer, if they were asked for.
    pub(super) fn of(answer: &'a AnswerView) -> Option<Self> {
        let content = answer.logprobs.as_deref()?;
        Some(Self {
            content,
            refusal: None,
        })
    }
}

#[derive(Serialize)]
pub(super) struct Usage {
    prompt_tokens: u32,
    completion_tokens: u32,
    total_tokens: u32,
}

impl Usage {
    /// What all answers to one question took: the question counts once.
    pub(super) fn of<'a>(answers: impl IntoIterator<Item = &'a AnswerView>) -> Self {
        let mut usage = Self {
            prompt_tokens: 0,
            completion_tokens: 0,
            total_tokens: 0,
        };
        for answer in answers {
            usage.prompt_tokens = answer.input_tokens;
            usage.completion_tokens += answer.output_tokens;
        }
        usage.total_tokens = usage.prompt_tokens + usage.completion_tokens;
        usage
    }
}

/// The id of the completion that is a job's answer.
pub(super) fn id_of(job: &str) -> String {
    format!("chatcmpl-{job}")
}

/// The completion that is the answers of jobs; nothing, if there is none.
pub(super) fn of(jobs: &[JobView]) -> Option<Completion<'_>> {
    let answered: Vec<_> = jobs.iter().filter_map(|job| Some((job, job.answer()?))).collect();
    let &(first, answer) = answered.first()?;
    let choices = answered.iter().enumerate();
    Some(Completion {
        id: id_of(&first.id()),
        object: "chat.completion",
        created: answer.answered_at.unix_timestamp(),
        model: &answer.model,
        choices: choices
            .map(|(index, (_, answer))| choice(index, answer))
            .collect(),
        usage: Usage::of(answered.iter().map(|(_, answer)| *answer)),
        about: About::of(first, answer),
    })
}

/// The response that carries the answers of jobs, of which each has one.
pub(super) fn respond(jobs: &[JobView]) -> Result<HttpResponse, Problem> {
    let mut response = HttpResponse::Ok();
    match (of(jobs), jobs.first().and_then(JobView::answer)) {
        (Some(completion), Some(answer)) => {
            answer.attribute(&mut response);
            Ok(response.json(completion))
        }
        _ => Err(Problem::internal(anyhow::anyhow!("jobs with answers have none"))),
    }
}

fn choice(index: usize, answer: &AnswerView) -> Choice<'_> {
    Choice {
        index,
        message: Message {
            role: "assistant",
            content: &answer.text,
            refusal: None,
        },
        logprobs: Logprobs::of(answer),
        finish_reason: answer.finish_reason,
    }
}
