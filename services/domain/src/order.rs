//! A work order: one page with its pending questions, and what comes back.

use crate::{
    digest::Sha256,
    grant::Grant,
    hardware::Need,
    id::{JobId, OrderId, WorkerId},
    names::{ModelName, TenantName},
    trace::{self, Trace},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How an answer is to be generated. Absent fields take the engine's defaults (greedy decoding).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// The most tokens to generate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_new_tokens: Option<u32>,
    /// 0 or absent is greedy; else 0 < temperature <= 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Nucleus sampling: 0 < top_p <= 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Only the K likeliest tokens are drawn from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u32>,
    /// 1 or absent is none; 0 < penalty <= 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repetition_penalty: Option<f64>,
    /// Makes sampling repeatable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Texts that end the answer, which is cut before them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<Vec<String>>,
    /// Report the tokens of the answer with the logarithms of their probabilities, and so many alternatives to each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_logprobs: Option<u32>,
    /// The JSON schema that the answer keeps to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
}

impl Parameters {
    /// Whether the same question about the same page is answered with the same words each time: nothing is drawn, or it is
    /// drawn by a seed that was named.
    pub fn are_repeatable(&self) -> bool {
        self.seed.is_some() || self.temperature.is_none_or(|temperature| temperature == 0.0)
    }
}

/// A question of an order: the job that it belongs to, its text, how to answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderQuestion {
    /// The job that the answer is for.
    pub job: JobId,
    /// The question's text.
    pub text: String,
    /// How to generate the answer.
    pub parameters: Parameters,
}

/// The digest that binds a grant to the questions: SHA-256 of their JSON.
pub fn questions_digest(questions: &[OrderQuestion]) -> Sha256 {
    // Serialising plain structs of strings and numbers cannot fail; an empty digest would match nothing.
    Sha256::of(&serde_json::to_vec(questions).unwrap_or_default())
}

/// One page with its pending questions: the unit that travels to a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkOrder {
    /// The order's id; unique for each dispatch.
    pub id: OrderId,
    /// Which attempt at the jobs this is, from 1.
    pub attempt: u32,
    /// The page's bytes in the blobs.
    pub page_sha256: Sha256,
    /// The model that shall answer.
    pub model: ModelName,
    /// Its revision.
    pub revision_sha256: Sha256,
    /// The questions.
    pub questions: Vec<OrderQuestion>,
    /// The signed grant, a compact JWS.
    pub grant: String,
    /// What the revision takes in memory, if it is known. It decides who is asked, so no grant covers it.
    #[serde(default)]
    pub need: Option<Need>,
    /// The trace of whoever asked. It is only told, so no grant covers it.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "trace::if_readable"
    )]
    pub trace: Option<Trace>,
    /// Whose order it is, if that is known without its grant. A queue says it beside the order, and workers hold it against the
    /// grant.
    #[serde(skip)]
    pub tenant: Option<TenantName>,
}

impl WorkOrder {
    /// The order that `grant` allows, carrying its signed form. The only way to make one, so no
    /// order exists without a grant over exactly its contents.
    pub fn new(grant: &Grant, signed: String, questions: Vec<OrderQuestion>) -> Self {
        Self {
            id: grant.order,
            attempt: grant.attempt,
            page_sha256: grant.page_sha256,
            model: grant.model.clone(),
            revision_sha256: grant.revision_sha256,
            questions,
            grant: signed,
            need: None,
            trace: None,
            tenant: Some(grant.tenant.clone()),
        }
    }

    /// The same order, for workers that have room for `need`.
    pub fn with_need(self, need: Option<Need>) -> Self {
        Self { need, ..self }
    }

    /// The same order, in `trace`.
    pub fn with_trace(self, trace: Option<Trace>) -> Self {
        Self { trace, ..self }
    }
}

/// Why a job was not answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// A stable word, such as `page_unreadable` or `grant_expired`.
    pub code: String,
    /// What happened, for a person. Holds no text of documents or answers.
    pub message: String,
    /// Whether another attempt may succeed.
    pub may_pass: bool,
}

/// Why the engine stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model ended its answer, or a text came that ends it.
    Stop,
    /// The limit of tokens was reached.
    Length,
}

/// An answer as the worker reports it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnswerReport {
    /// The text.
    pub text: String,
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// Tokens of the question, the image counted in full.
    pub input_tokens: u32,
    /// Tokens of the answer.
    pub output_tokens: u32,
    /// Milliseconds that the engine worked on this question.
    pub compute_ms: u64,
    /// Name and version of the engine.
    pub engine: String,
    /// The tokens of the text, if they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<Vec<TokenLogprob>>,
}

/// A token with the natural logarithm of its probability, before temperature and penalties.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Logprob {
    /// The token as text; U+FFFD where it is a part of a character.
    pub token: String,
    /// The logarithm, at least [`Logprob::LEAST`].
    pub logprob: f32,
    /// What the token adds to the text.
    pub bytes: Vec<u8>,
}

impl Logprob {
    /// What stands for everything that is less likely, and for what cannot be.
    pub const LEAST: f32 = -9999.0;
}

/// A token of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenLogprob {
    /// The token that was chosen.
    #[serde(flatten)]
    pub chosen: Logprob,
    /// What was likely there, the likeliest first.
    pub top_logprobs: Vec<Logprob>,
}

/// What a worker tells the hub about an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ReportKind {
    /// The grant held and the work has begun.
    Started,
    /// One job has its answer.
    Answered {
        /// The job.
        job: JobId,
        /// Its answer.
        answer: AnswerReport,
    },
    /// One job has none.
    Failed {
        /// The job.
        job: JobId,
        /// Why.
        fault: Fault,
    },
    /// The worker hands the order back unfinished (it is leaving); unanswered jobs go on elsewhere.
    HandedBack,
}

impl ReportKind {
    /// The job that it tells the outcome of, if it tells one.
    pub fn job(&self) -> Option<JobId> {
        match self {
            ReportKind::Answered { job, .. } | ReportKind::Failed { job, .. } => Some(*job),
            ReportKind::Started | ReportKind::HandedBack => None,
        }
    }
}

/// A report: which order and attempt, from whom, what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The order.
    pub order: OrderId,
    /// The attempt that the report belongs to: the fence.
    pub attempt: u32,
    /// Who reports.
    pub worker: WorkerId,
    /// What.
    pub kind: ReportKind,
    /// The trace of the order, as far as the worker came with it. It is only told.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "trace::if_readable"
    )]
    pub trace: Option<Trace>,
}
