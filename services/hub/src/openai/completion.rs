//! Answers in OpenAI's form.

use crate::api::job_view::{AnswerView, JobView};
use actix_web::HttpResponse;
use domain::{digest::Sha256, id::DecisionId, names::ModelName, order::FinishReason};
use serde::Serialize;

/// A completion. Behind `usage` stand members of our own, which OpenAI's clients hand through.
#[derive(Serialize)]
struct Completion<'a> {
    id: String,
    object: &'static str,
    created: i64,
    model: &'a ModelName,
    system_fingerprint: &'a str,
    choices: [Choice<'a>; 1],
    usage: Usage,
    job: String,
    decision_id: DecisionId,
    revision_sha256: Sha256,
    /// What must be shown with the answer.
    notices: &'a [String],
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
struct Usage {
    prompt_tokens: u32,
    completion_tokens: u32,
    total_tokens: u32,
}

impl Usage {
    fn of(answer: &AnswerView) -> Self {
        Self {
            prompt_tokens: answer.input_tokens,
            completion_tokens: answer.output_tokens,
            total_tokens: answer.input_tokens + answer.output_tokens,
        }
    }
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
        id: format!("chatcmpl-{}", job.id()),
        object: "chat.completion",
        created: answer.answered_at.unix_timestamp(),
        model: &answer.model,
        system_fingerprint: &answer.engine,
        choices: [choice],
        usage: Usage::of(answer),
        job: job.id(),
        decision_id: answer.decision_id,
        revision_sha256: answer.revision_sha256,
        notices: &answer.notices,
    };
    let mut response = HttpResponse::Ok();
    answer.attribute(&mut response);
    response.json(completion)
}
