//! `glmhub batch results`: what came out, row by row.

use super::following::{ALL_FAILED, outcome};
use crate::remote::Remote;
use clap::{Args, ValueEnum};
use domain::{id::BatchId, rows::runs};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    io::{self, Write},
};

const EXAMPLE: &str = "\
Examples:
  glmhub batch results bat_01jd9z5m2k7q8r3s4t5v6w7x8y
  glmhub batch results bat_01jd9z5m2k7q8r3s4t5v6w7x8y --format csv --bom > answers.csv
  glmhub batch results bat_01jd9z5m2k7q8r3s4t5v6w7x8y --format jsonl | jq .answer.text

Rows are in the order of documents, pages and questions, also while the batch runs; what has no verdict yet is pending.
An answer about a document comes after those of its pages, and names the pages that it is from, such as 1-3 5.
Documents that have become no pages are rows without a page. In CSV a cell that a spreadsheet would take for a formula begins
with an apostrophe; JSON tells every text as it is. If every row failed, the last line says so and the exit code is 1.";

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// One JSON list
    Json,
    /// The JSON objects of the API, one a line
    Jsonl,
    /// Comma separated, with a line of names
    Csv,
}

/// Prints the answers of a batch, and why some are missing
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct ResultsArgs {
    #[command(flatten)]
    remote: Remote,
    /// The batch
    #[arg(value_name = "ID")]
    batch: BatchId,
    /// How rows are written
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// Begin CSV with a byte order mark, which some spreadsheets need to read it as UTF-8
    #[arg(long)]
    bom: bool,
}

/// Prints all rows. It is an error if every one of them failed.
pub async fn run(args: ResultsArgs) -> anyhow::Result<()> {
    let (remote, place) = (&args.remote, format!("/v1/batches/{}", args.batch));
    let (rows, mut out) = (format!("{place}/results"), io::stdout().lock());
    match args.format {
        Format::Text => {
            let mut warnings = BTreeSet::new();
            remote
                .each(&rows, |row| {
                    warnings.extend(warnings_of(&row));
                    Ok(writeln!(out, "{}", line(&row))?)
                })
                .await?;
            warnings.iter().for_each(|warning| eprintln!("{warning}"));
        }
        Format::Json => list(remote, &rows, &mut out).await?,
        Format::Jsonl => remote.copy(&format!("{rows}?format=jsonl"), &mut out).await?,
        Format::Csv => {
            remote
                .copy(&format!("{rows}?format=csv&bom={}", args.bom), &mut out)
                .await?;
        }
    }
    out.flush()?;
    match outcome(&remote.get(&place).await?) {
        Some(ALL_FAILED) => Err(anyhow::anyhow!("every row failed")),
        _ => Ok(()),
    }
}

/// One list of all rows, each on a line of its own.
async fn list(remote: &Remote, rows: &str, out: &mut impl Write) -> anyhow::Result<()> {
    let mut before = "[";
    remote
        .each(rows, |row| {
            write!(out, "{before}\n{row}")?;
            before = ",";
            Ok(())
        })
        .await?;
    let end = if before == "[" { "[]" } else { "\n]" };
    Ok(writeln!(out, "{end}")?)
}

/// What is amiss with the document of a row, for a person.
fn warnings_of(row: &Value) -> Vec<String> {
    let warnings = row["warnings"].as_array().into_iter().flatten();
    let told = |warning: &Value| {
        let message = warning["message"].as_str().unwrap_or_default();
        format!("warning: {}: {message}", name(row))
    };
    warnings.map(told).collect()
}

/// The name of a row's document, or its id.
fn name(row: &Value) -> String {
    let named = row["document_name"].as_str().or(row["document"].as_str());
    named.unwrap_or_default().to_owned()
}

/// A row for a person.
fn line(row: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let came = match row["answer"]["text"].as_str() {
        Some(answer) => answer.to_owned(),
        None => format!("({}) {}", text(&row["verdict"]), text(&row["fault"]["message"])),
    };
    let came = came.trim_end().replace('\n', "\n\t");
    format!(
        "{} {}\t{}\t{came}",
        name(row),
        pages(row),
        text(&row["question_text"])
    )
}

/// The page that a row is about, or those that its answer is from: `2`, or `1-3 5`.
fn pages(row: &Value) -> String {
    let sources = row["sources"].as_array().into_iter().flatten();
    let answered = sources.filter(|source| source["verdict"] == "answered");
    let numbers = answered.map(|source| &source["page"]).chain([&row["page"]]);
    runs(numbers.filter_map(|number| u32::try_from(number.as_u64()?).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_row_is_a_line_with_what_came_out_or_why_nothing_did() {
        let mut row = json!({
            "document_name": "a, b.pdf", "document": "doc_1", "page": 2, "question_text": "who?",
            "verdict": "answered", "answer": { "text": "\"a\"\nb" }, "fault": null,
        });
        assert_eq!(line(&row), "a, b.pdf 2\twho?\t\"a\"\n\tb");
        row["document_name"] = Value::Null;
        row["answer"] = Value::Null;
        row["verdict"] = "pending".into();
        assert_eq!(line(&row), "doc_1 2\twho?\t(pending)");
        let source =
            |page: u64| json!({ "page": page, "verdict": if page == 3 { "failed" } else { "answered" } });
        row["page"] = Value::Null;
        row["sources"] = (1..=5).map(source).collect();
        assert_eq!(line(&row), "doc_1 1-2 4-5\twho?\t(pending)");
        let document = json!({
            "document_name": "a.pdf", "document": "doc_1", "page": null, "question_text": null, "verdict": "failed",
            "answer": null, "fault": { "code": "encrypted", "message": "encrypted" },
        });
        assert_eq!(line(&document), "a.pdf \t\t(failed) encrypted");
    }
}
