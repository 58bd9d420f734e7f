//! What a preflight found, in JSON.

use super::new_batch::CheckedBatch;
use domain::{
    combining::Scope,
    digest::Sha256,
    estimate::{self, InputTokens, NoTime},
    gate::{Allowed, Duty},
    id::{DecisionId, DocumentId},
    names::ModelName,
    purpose::Purpose,
    question::{Question, USUAL_TOKENS},
    worker::Announcement,
};
use serde::Serialize;

/// A document that was looked at.
pub(super) struct LookedAt {
    /// Its id, if it was uploaded before.
    pub(super) document: Option<DocumentId>,
    pub(super) name: Option<String>,
    pub(super) media_type: String,
    pub(super) bytes: u64,
    /// How many pages it gives, or code and message of why it gives none.
    pub(super) pages: Result<u32, (String, String)>,
}

/// What tokens and pages take.
pub(super) struct Costs {
    /// Of each question about one page.
    pub(super) input: Vec<InputTokens>,
    /// The workers that are heard of.
    pub(super) workers: Vec<Announcement>,
}

/// See the module's text.
#[derive(Serialize)]
pub(super) struct PreflightView {
    model: ModelName,
    revision_sha256: Sha256,
    purpose: Purpose,
    decision_id: DecisionId,
    terms_sha256: Option<Sha256>,
    duties: Vec<Duty>,
    documents: Vec<DocumentView>,
    pages: u64,
    jobs: u64,
    questions: Vec<QuestionView>,
    tokens: TokensView,
    workers: usize,
    seconds: Option<f64>,
    seconds_unknown: Option<NoTime>,
}

#[derive(Serialize)]
struct DocumentView {
    document: Option<DocumentId>,
    name: Option<String>,
    media_type: String,
    bytes: u64,
    pages: Option<u32>,
    fault: Option<FaultView>,
}

#[derive(Serialize)]
struct FaultView {
    code: String,
    message: String,
}

/// What one page takes for a question.
#[derive(Serialize)]
struct QuestionView {
    input_tokens: Option<u64>,
    is_exact: bool,
    most_output_tokens: u64,
}

/// What all pages take for all questions.
#[derive(Serialize)]
struct TokensView {
    input: Option<u64>,
    is_exact: bool,
    most_output: u64,
}

/// The view of a batch that is allowed, of its documents and of what it costs.
pub(super) fn of(
    allowed: &Allowed,
    batch: &CheckedBatch,
    documents: Vec<LookedAt>,
    costs: &Costs,
) -> PreflightView {
    let pages = |one: &LookedAt| u64::from(*one.pages.as_ref().unwrap_or(&0));
    let readable = documents.iter().filter(|one| pages(one) > 0).count() as u64;
    let pages: u64 = documents.iter().map(pages).sum();
    let about_documents = |question: &&Question| question.scope() == Scope::Document;
    let combining = batch.questions.iter().filter(about_documents).count() as u64;
    let time = estimate::seconds(pages, &costs.workers, &batch.model, allowed.revision_sha256());
    let questions: Vec<QuestionView> = batch
        .questions
        .iter()
        .zip(&costs.input)
        .map(QuestionView::of)
        .collect();
    PreflightView {
        model: batch.model.clone(),
        revision_sha256: allowed.revision_sha256(),
        purpose: batch.purpose,
        decision_id: allowed.decision(),
        terms_sha256: allowed.terms_sha256(),
        duties: allowed.duties().to_vec(),
        documents: documents.into_iter().map(DocumentView::of).collect(),
        pages,
        jobs: pages * questions.len() as u64 + readable * combining,
        tokens: TokensView::of(pages, &questions),
        questions,
        workers: costs.workers.len(),
        seconds: time.ok(),
        seconds_unknown: time.err(),
    }
}

impl QuestionView {
    fn of((question, input): (&Question, &InputTokens)) -> Self {
        let most = question.parameters().max_new_tokens.unwrap_or(USUAL_TOKENS);
        Self {
            input_tokens: input.number(),
            is_exact: input.is_exact(),
            most_output_tokens: u64::from(most),
        }
    }
}

impl TokensView {
    fn of(pages: u64, questions: &[QuestionView]) -> Self {
        let input: Option<u64> = questions.iter().map(|question| question.input_tokens).sum();
        let output: u64 = questions.iter().map(|question| question.most_output_tokens).sum();
        Self {
            input: input.map(|of_page| of_page * pages),
            is_exact: questions.iter().all(|question| question.is_exact),
            most_output: output * pages,
        }
    }
}

impl DocumentView {
    fn of(one: LookedAt) -> Self {
        let (pages, fault) = match one.pages {
            Ok(pages) => (Some(pages), None),
            Err((code, message)) => (None, Some(FaultView { code, message })),
        };
        Self {
            document: one.document,
            name: one.name,
            media_type: one.media_type,
            bytes: one.bytes,
            pages,
            fault,
        }
    }
}
