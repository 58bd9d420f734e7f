//! What a preflight found, in JSON.

use super::new_batch::CheckedBatch;
use domain::{
    combining::{Scope, runs},
    digest::Sha256,
    document::Warning,
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
    /// The places of the questions that it is asked, if not all.
    pub(super) questions: Option<Vec<u32>>,
    /// What is amiss with its pages.
    pub(super) warnings: Vec<Warning>,
    /// How many pages it gives, or code and message of why it gives none.
    pub(super) pages: Result<u32, (String, String)>,
}

/// What tokens and pages take.
pub(super) struct Costs {
    /// Of each question about one page.
    pub(super) input: Vec<InputTokens>,
    /// The workers that are heard of.
    pub(super) workers: Vec<Announcement>,
    /// What fits into the context in which answers are combined.
    pub(super) combine_context: u32,
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
    combining: CombiningView,
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
    questions: Option<Vec<u32>>,
    pages: Option<u32>,
    fault: Option<FaultView>,
    warnings: Vec<Warning>,
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

/// The runs that combine what pages answered into answers about their documents.
#[derive(Serialize)]
struct CombiningView {
    jobs: u64,
    is_exact: bool,
    most_input: u64,
    most_output: u64,
}

/// What everything takes.
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
    let questions: Vec<QuestionView> = batch
        .questions
        .iter()
        .zip(&costs.input)
        .map(QuestionView::of)
        .collect();
    let pages = documents.iter().map(LookedAt::number_of_pages).sum();
    let asked = pages_by_question(&documents, questions.len());
    let combining = CombiningView::of(&documents, &batch.questions, costs.combine_context);
    let runs = pages + combining.jobs;
    let time = estimate::seconds(runs, &costs.workers, &batch.model, allowed.revision_sha256());
    PreflightView {
        model: batch.model.clone(),
        revision_sha256: allowed.revision_sha256(),
        purpose: batch.purpose,
        decision_id: allowed.decision(),
        terms_sha256: allowed.terms_sha256(),
        duties: allowed.duties().to_vec(),
        documents: documents.into_iter().map(DocumentView::of).collect(),
        pages,
        jobs: asked.iter().sum::<u64>() + combining.jobs,
        tokens: TokensView::of(&asked, &questions, &combining),
        questions,
        combining,
        workers: costs.workers.len(),
        seconds: time.ok(),
        seconds_unknown: time.err(),
    }
}

/// How many pages each question is asked on.
fn pages_by_question(documents: &[LookedAt], questions: usize) -> Vec<u64> {
    let of = |place: usize| {
        let asked = documents.iter().filter(|one| one.is_asked(place));
        asked.map(LookedAt::number_of_pages).sum()
    };
    (0..questions).map(of).collect()
}

impl LookedAt {
    fn number_of_pages(&self) -> u64 {
        u64::from(*self.pages.as_ref().unwrap_or(&0))
    }

    /// Whether it is asked the question at `place`.
    fn is_asked(&self, place: usize) -> bool {
        let chosen = self.questions.as_ref();
        chosen.is_none_or(|chosen| chosen.iter().any(|one| *one as usize == place))
    }
}

impl QuestionView {
    fn of((question, input): (&Question, &InputTokens)) -> Self {
        Self {
            input_tokens: input.number(),
            is_exact: input.is_exact(),
            most_output_tokens: most_output(question),
        }
    }
}

/// The most tokens of an answer.
fn most_output(question: &Question) -> u64 {
    u64::from(question.parameters().max_new_tokens.unwrap_or(USUAL_TOKENS))
}

impl CombiningView {
    fn of(documents: &[LookedAt], questions: &[Question], context: u32) -> Self {
        let mut all = Self {
            jobs: 0,
            is_exact: true,
            most_input: 0,
            most_output: 0,
        };
        let about_documents = questions.iter().enumerate();
        for (place, question) in about_documents.filter(|(_, one)| one.scope() == Scope::Document) {
            for document in documents.iter().filter(|one| one.is_asked(place)) {
                let pages = *document.pages.as_ref().unwrap_or(&0);
                let runs = runs(pages, context, question.text(), question.parameters());
                all.jobs += runs.jobs;
                all.is_exact &= runs.is_exact;
                all.most_input += runs.most_input;
                all.most_output += runs.jobs * most_output(question);
            }
        }
        all
    }
}

impl TokensView {
    /// `asked` is how many pages each question is asked on.
    fn of(asked: &[u64], questions: &[QuestionView], combining: &CombiningView) -> Self {
        let on_pages = || asked.iter().zip(questions).filter(|(pages, _)| **pages > 0);
        let input: Option<u64> = on_pages()
            .map(|(pages, question)| Some(question.input_tokens? * pages))
            .sum();
        let output: u64 = on_pages()
            .map(|(pages, question)| question.most_output_tokens * pages)
            .sum();
        let are_exact = on_pages().all(|(_, question)| question.is_exact);
        Self {
            input: input.map(|input| input + combining.most_input),
            is_exact: are_exact && combining.jobs == 0,
            most_output: output + combining.most_output,
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
            questions: one.questions,
            pages,
            fault,
            warnings: one.warnings,
        }
    }
}
