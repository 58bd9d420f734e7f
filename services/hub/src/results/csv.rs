//! Rows as RFC 4180 wants them: UTF-8, lines that end with CR LF, cells in quotes where they must be.
//!
//! Spreadsheets take a cell that begins with certain characters for a formula, and texts of answers are whatever a page
//! says. Such a cell begins with an apostrophe instead, which spreadsheets do not show. The other forms tell texts as they are.

use crate::api::{
    job_view::{AnswerView, CodeView, RowView},
    row_view::{ResultOf, ResultView},
};
use csv::{Terminator, WriterBuilder};
use domain::{job::JobPhase, order::FinishReason, rows::runs};
use std::{borrow::Cow, collections::BTreeSet, io};

/// The names of the columns, as the first line.
pub(super) const HEAD: &str = "document,page,question,verdict,answer,fault,job,decision,scope,document_id,fault_code,\
    finish_reason,input_tokens,output_tokens,warnings\r\n";

/// How many columns there are.
const COLUMNS: usize = 15;

/// What a spreadsheet takes for the beginning of a formula, also in the width of Chinese characters.
const OF_FORMULAS: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// The rows as lines.
pub(super) fn write(rows: &[ResultView]) -> io::Result<Vec<u8>> {
    let mut out = WriterBuilder::new()
        .terminator(Terminator::CRLF)
        .from_writer(Vec::new());
    for row in rows {
        out.write_record(cells(row).iter().map(|cell| harmless(cell).into_owned()))?;
    }
    out.into_inner()
        .map_err(|error| io::Error::other(error.to_string()))
}

/// The text, which no spreadsheet takes for a formula.
fn harmless(text: &str) -> Cow<'_, str> {
    match text.starts_with(OF_FORMULAS) {
        true => format!("'{text}").into(),
        false => text.into(),
    }
}

fn cells(row: &ResultView) -> [String; COLUMNS] {
    let name = row.document_name.clone();
    match &row.of {
        ResultOf::Document(document) => {
            let [fault, code] = of_fault(document.fault.as_ref());
            let id = document.document.to_string();
            let mut cells = <[String; COLUMNS]>::default();
            cells[0] = name.unwrap_or_else(|| id.clone());
            cells[3] = document.verdict.as_str().to_owned();
            (cells[5], cells[9], cells[10]) = (fault, id, code);
            cells[14] = warnings(row);
            cells
        }
        ResultOf::Job(job) => {
            let [fault, code] = of_fault(job.fault.as_ref());
            let [text, reason, input, output, decision] = of_answer(job.answer.as_ref());
            let id = job.document.to_string();
            let stopped_by = job.decision_id.map(|decision| decision.to_string());
            [
                name.unwrap_or_else(|| id.clone()),
                pages(job),
                job.question_text.clone(),
                job.verdict.as_str().to_owned(),
                text,
                fault,
                job.job.to_string(),
                stopped_by.unwrap_or(decision),
                job.scope.to_owned(),
                id,
                code,
                reason,
                input,
                output,
                warnings(row),
            ]
        }
    }
}

/// The codes of what is amiss with the row's document, each once.
fn warnings(row: &ResultView) -> String {
    let codes: BTreeSet<&str> = row.warnings.iter().map(|warning| warning.code.as_str()).collect();
    codes.into_iter().collect::<Vec<_>>().join(" ")
}

/// The page that a row is about, or those that its answer is from.
fn pages(row: &RowView) -> String {
    let sources = row.sources.iter().flatten();
    let answered = sources.filter(|source| source.verdict == JobPhase::Answered);
    runs(answered.map(|source| source.page).chain(row.page))
}

fn of_fault(fault: Option<&CodeView>) -> [String; 2] {
    fault
        .map(|fault| [fault.message.clone(), fault.code.clone()])
        .unwrap_or_default()
}

/// Text, why it ended, tokens in, tokens out, decision.
fn of_answer(answer: Option<&AnswerView>) -> [String; 5] {
    let Some(answer) = answer else {
        return Default::default();
    };
    let reason = match answer.finish_reason {
        FinishReason::Stop => "stop",
        FinishReason::Length => "length",
    };
    [
        answer.text.clone(),
        reason.to_owned(),
        answer.input_tokens.to_string(),
        answer.output_tokens.to_string(),
        answer.decision_id.to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_taken_for_a_formula() {
        for text in [
            "=1+1", "+1", "-5", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠a",
        ] {
            assert_eq!(harmless(text), format!("'{text}"));
        }
        for text in ["", "5-3", "a=b", "买方", "'=1"] {
            assert_eq!(harmless(text), text);
        }
    }

    #[test]
    fn there_is_a_name_for_every_column() {
        assert_eq!(HEAD.trim_end().split(',').count(), COLUMNS);
    }
}
