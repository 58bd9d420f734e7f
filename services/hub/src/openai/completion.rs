//! Answers in OpenAI's form.

use crate::api::job_view::{AnswerView, JobView};
use actix_web::HttpResponse;
use domain::{digest::Sha256, id::DecisionId, names::ModelName, order::FinishReason};
use serde::Serialize;

/// A completion.
#[derive(Serialize)]
struct Completion<'a> {
    id: String,
    object: &'static str,
    created: i64,
    model: &'a ModelName,
    choices: [Choice<'a>; 1],
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
    index: u32,
    message: Message<'a>,
    logprobs: Option<()>,
    finish_reason: FinishReason,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
    refusal: Option<()>,
}

#[derive(Serialize)]
pub(super) struct Usage {
    prompt_tokens: u32,
    completion_tokens: u32,
    total_tokens: u32,
}

impl Usage {
    pub(super) fn of(answer: &AnswerView) -> Self {
        Self {
            prompt_tokens: answer.input_tokens,
            completion_tokens: answer.output_tokens,
            total_tokens: answer.input_tokens + answer.output_tokens,
        }
    }
}

/// The id of the completion that is a job's answer.
pub(super) fn id_of(job: &str) -> String {
    format!("chatcmpl-{job}")
}

/// The response that carries the answer of a job.
pub(super) fn respond(job: &JobView, answer: &AnswerView) -> HttpResponse {
    let message = Message {
        role: "assistant",
        content: &answer.text,
        refusal: None,
    };
    let choice = Choice {
        index: 0,
        message,
        logprobs: None,
        finish_reason: answer.finish_reason,
    };
    let completion = Completion {
        id: id_of(&job.id()),
        object: "chat.completion",
        created: answer.answered_at.unix_timestamp(),
        model: &answer.model,
        choices: [choice],
        usage: Usage::of(answer),
        about: About::of(job, answer),
    };
    let mut response = HttpResponse::Ok();
    answer.attribute(&mut response);
    response.json(completion)
}
