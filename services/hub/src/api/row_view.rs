//! Rows of a batch in JSON.

use super::job_view::{CodeView, Questions, RowView};
use domain::{
    batch::StoredBatch,
    document::{Document, DocumentState, Warning},
    id::DocumentId,
    rows::{Outcome, RowCounts, Verdict},
};
use records::rows::{Row, RowOf};
use serde::Serialize;

/// How many rows have each verdict, and what they came to.
#[derive(Serialize)]
pub(super) struct CountsView {
    rows: RowCounts,
    outcome: Option<Outcome>,
}

impl CountsView {
    pub(super) fn of(rows: RowCounts) -> Self {
        Self {
            rows,
            outcome: rows.outcome(),
        }
    }
}

/// A row of a batch: a page with a question, or a document that has become no pages.
#[derive(Serialize)]
pub(crate) struct ResultView {
    pub(crate) document_name: Option<String>,
    pub(crate) warnings: Vec<Warning>,
    #[serde(flatten)]
    pub(crate) of: ResultOf,
}

/// What a row tells of.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum ResultOf {
    /// A page with a question.
    Job(Box<RowView>),
    /// A document without pages.
    Document(Box<DocumentRowView>),
}

/// A document without pages: the row of a job with everything left empty that it lacks.
#[derive(Serialize)]
pub(crate) struct DocumentRowView {
    job: (),
    pub(crate) document: DocumentId,
    scope: (),
    page: (),
    question: (),
    question_text: (),
    pub(crate) verdict: Verdict,
    answer: (),
    pub(crate) fault: Option<CodeView>,
    decision_id: (),
}

impl ResultView {
    /// The row in JSON.
    pub(crate) fn of(batch: &StoredBatch, questions: &Questions, row: Row) -> Self {
        Self {
            document_name: row.document_name,
            warnings: row.warnings,
            of: match row.of {
                RowOf::Job(row) => {
                    let view = RowView::of(batch, questions, &row.job, row.answer.as_ref());
                    ResultOf::Job(Box::new(view.of_pages(row.sources)))
                }
                RowOf::Document(document) => ResultOf::Document(Box::new(DocumentRowView::of(*document))),
            },
        }
    }

    /// What names it.
    pub(crate) fn id(&self) -> String {
        match &self.of {
            ResultOf::Job(row) => row.id(),
            ResultOf::Document(row) => row.document.to_string(),
        }
    }
}

impl DocumentRowView {
    fn of(document: Document) -> Self {
        let verdict = Verdict::of_document(&document.state);
        let fault = match document.state {
            DocumentState::Failed { code, message, .. } => Some(CodeView { code, message }),
            _ => None,
        };
        Self {
            job: (),
            document: document.id,
            scope: (),
            page: (),
            question: (),
            question_text: (),
            verdict,
            answer: (),
            fault,
            decision_id: (),
        }
    }
}
