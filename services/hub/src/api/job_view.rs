//! Jobs and answers in JSON.

use actix_web::{HttpResponse, HttpResponseBuilder, http::header::HeaderValue};
use domain::{
    batch::StoredBatch,
    combining::SourcePage,
    digest::Sha256,
    document::Warning,
    id::{BatchId, DecisionId, DocumentId, JobId, WorkerId},
    job::{EXPIRED, Hold, JobPhase, JobState},
    names::ModelName,
    order::{FinishReason, TokenLogprob},
    question::Asked,
    rows::Verdict,
};
use records::{
    answers::Answer,
    jobs::{Job, JobFault, WholeJob},
};
use serde::Serialize;
use time::OffsetDateTime;

/// The questions of a batch, in their order.
pub(super) type Questions = [Asked];

/// A job in JSON. Lists leave out the question's text, the answer and the faults.
#[derive(Serialize)]
pub(crate) struct JobView {
    id: JobId,
    batch: BatchId,
    document: DocumentId,
    scope: &'static str,
    /// None for what is about more than one.
    page: Option<u32>,
    question: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    question_text: Option<String>,
    state: JobPhase,
    attempts_failed: u32,
    attempts_lost: u32,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    not_before: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    settled_at: Option<OffsetDateTime>,
    /// The end of its batch, if it has one. Told where one job is read.
    #[serde(
        skip_serializing_if = "Option::is_none",
        with = "time::serde::rfc3339::option"
    )]
    expires_at: Option<OffsetDateTime>,
    fault: Option<CodeView>,
    hold: Option<HoldView>,
    decision_id: Option<DecisionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    faults: Option<Vec<FaultView>>,
    /// What is amiss with its document.
    #[serde(skip_serializing_if = "Option::is_none")]
    warnings: Option<Vec<Warning>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<AnswerView>,
    /// The pages that it combines.
    #[serde(skip_serializing_if = "Option::is_none")]
    sources: Option<Vec<SourcePage>>,
}

/// Why a job is held, and since when.
#[derive(Serialize)]
struct HoldView {
    code: String,
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
}

/// A code and what it means here.
#[derive(Serialize)]
pub(crate) struct CodeView {
    pub(crate) code: String,
    pub(crate) message: String,
}

#[derive(Serialize)]
struct FaultView {
    attempt: u32,
    code: String,
    message: String,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
}

/// An answer in JSON.
#[derive(Serialize)]
pub(crate) struct AnswerView {
    pub(crate) text: String,
    pub(crate) finish_reason: FinishReason,
    pub(crate) input_tokens: u32,
    pub(crate) output_tokens: u32,
    compute_ms: u64,
    pub(crate) engine: String,
    worker: WorkerId,
    attempt: u32,
    pub(crate) model: ModelName,
    pub(crate) revision_sha256: Sha256,
    pub(crate) decision_id: DecisionId,
    /// What must be shown with the answer.
    pub(crate) notices: Vec<String>,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) answered_at: OffsetDateTime,
    /// The job for which it was computed, if that is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    shared_from: Option<JobId>,
    /// The tokens of the text, if they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) logprobs: Option<Vec<TokenLogprob>>,
}

/// A row of a batch's answers: one job and its verdict, if it has one.
#[derive(Serialize)]
pub(crate) struct RowView {
    pub(crate) job: JobId,
    pub(crate) document: DocumentId,
    pub(crate) scope: &'static str,
    pub(crate) page: Option<u32>,
    question: u32,
    pub(crate) question_text: String,
    pub(crate) verdict: Verdict,
    pub(crate) answer: Option<AnswerView>,
    pub(crate) fault: Option<CodeView>,
    pub(crate) decision_id: Option<DecisionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sources: Option<Vec<SourcePage>>,
}

impl JobView {
    /// A job in a list.
    pub(super) fn brief(job: &Job) -> Self {
        let (not_before, settled_at) = match job.state {
            JobState::Queued { not_before } => (Some(not_before), None),
            JobState::Waiting | JobState::Dispatched(_) | JobState::Running(_) | JobState::Held(_) => {
                (None, None)
            }
            JobState::Answered { at }
            | JobState::Failed { at, .. }
            | JobState::Cancelled { at }
            | JobState::Expired { at }
            | JobState::Refused { at, .. } => (None, Some(at)),
        };
        Self {
            id: job.id,
            batch: job.batch,
            document: job.document,
            scope: job.role.scope(),
            page: job.page(),
            question: job.question,
            question_text: None,
            state: job.state.phase(),
            attempts_failed: job.tries.faults,
            attempts_lost: job.tries.losses,
            created_at: job.created_at,
            not_before,
            settled_at,
            expires_at: None,
            fault: code_of(&job.state),
            hold: hold_of(&job.state),
            decision_id: stopped_by(&job.state),
            faults: None,
            warnings: None,
            answer: None,
            sources: None,
        }
    }

    /// A job by itself.
    pub(super) fn whole(batch: &StoredBatch, questions: &Questions, whole: &WholeJob) -> Self {
        Self {
            question_text: Some(text_of(questions, &whole.job)),
            expires_at: batch.expires_at,
            faults: Some(whole.faults.iter().map(FaultView::of).collect()),
            warnings: Some(whole.warnings.clone()),
            answer: whole.answer.as_ref().map(|answer| AnswerView::of(batch, answer)),
            ..Self::brief(&whole.job)
        }
    }

    /// The same with the pages that it combines.
    pub(super) fn of_pages(self, sources: Option<Vec<SourcePage>>) -> Self {
        Self { sources, ..self }
    }

    /// Its id.
    pub(crate) fn id(&self) -> String {
        self.id.to_string()
    }

    /// Its answer, if it has one.
    pub(crate) fn answer(&self) -> Option<&AnswerView> {
        self.answer.as_ref()
    }

    /// Code and message of why it has no answer, if it failed or has expired.
    pub(crate) fn failed_with(&self) -> Option<(&str, &str)> {
        let fault = self.fault.as_ref()?;
        Some((&fault.code, &fault.message))
    }

    /// Its state.
    pub(crate) fn state(&self) -> JobPhase {
        self.state
    }

    /// The decision that holds or refused it.
    pub(crate) fn stopped_by(&self) -> Option<DecisionId> {
        self.decision_id
    }

    /// Whether it has its verdict.
    pub(crate) fn is_settled(&self) -> bool {
        self.state.is_settled()
    }

    /// The response with this body, and with the notices that an answer must carry as a header too.
    pub(super) fn answer_with(&self, mut response: HttpResponseBuilder) -> HttpResponse {
        if let Some(answer) = &self.answer {
            answer.attribute(&mut response);
        }
        response.json(self)
    }
}

impl RowView {
    /// The row of `job`.
    pub(crate) fn of(batch: &StoredBatch, questions: &Questions, job: &Job, answer: Option<&Answer>) -> Self {
        Self {
            job: job.id,
            document: job.document,
            scope: job.role.scope(),
            page: job.page(),
            question: job.question,
            question_text: text_of(questions, job),
            verdict: job.state.phase().into(),
            answer: answer.map(|answer| AnswerView::of(batch, answer)),
            fault: code_of(&job.state),
            decision_id: stopped_by(&job.state),
            sources: None,
        }
    }

    /// The same with the pages that it combines.
    pub(super) fn of_pages(self, sources: Option<Vec<SourcePage>>) -> Self {
        Self { sources, ..self }
    }

    /// The id of its job.
    pub(crate) fn id(&self) -> String {
        self.job.to_string()
    }
}

impl AnswerView {
    /// Puts the notices that the answer must carry into a header of the response too.
    pub(crate) fn attribute(&self, response: &mut HttpResponseBuilder) {
        for notice in &self.notices {
            if let Ok(notice) = HeaderValue::from_str(notice) {
                response.append_header(("x-attribution", notice));
            }
        }
    }

    fn of(batch: &StoredBatch, answer: &Answer) -> Self {
        let report = &answer.report;
        Self {
            text: report.text.clone(),
            finish_reason: report.finish_reason,
            input_tokens: report.input_tokens,
            output_tokens: report.output_tokens,
            compute_ms: report.compute_ms,
            engine: report.engine.clone(),
            worker: answer.worker,
            attempt: answer.attempt,
            model: batch.license.model.clone(),
            revision_sha256: batch.license.revision_sha256,
            decision_id: answer.decision.unwrap_or(batch.license.decision),
            notices: batch.license.notices().map(str::to_owned).collect(),
            answered_at: answer.answered_at,
            shared_from: answer.shared_from,
            logprobs: report.logprobs.clone(),
        }
    }
}

impl FaultView {
    fn of(fault: &JobFault) -> Self {
        Self {
            attempt: fault.attempt,
            code: fault.code.clone(),
            message: fault.message.clone(),
            at: fault.at,
        }
    }
}

fn text_of(questions: &Questions, job: &Job) -> String {
    questions
        .get(job.question as usize)
        .map(|asked| asked.text.clone())
        .unwrap_or_default()
}

fn code_of(state: &JobState) -> Option<CodeView> {
    match state {
        JobState::Failed { code, message, .. } => Some(CodeView {
            code: code.clone(),
            message: message.clone(),
        }),
        JobState::Expired { .. } => Some(CodeView {
            code: EXPIRED.to_owned(),
            message: "the time of its batch was up before it was answered".to_owned(),
        }),
        _ => None,
    }
}

fn hold_of(state: &JobState) -> Option<HoldView> {
    match state {
        JobState::Held(hold) => Some(HoldView {
            code: hold.code.clone(),
            since: hold.since,
        }),
        _ => None,
    }
}

fn stopped_by(state: &JobState) -> Option<DecisionId> {
    match state {
        JobState::Held(Hold { decision, .. }) | JobState::Refused { decision, .. } => Some(*decision),
        _ => None,
    }
}
