//! `glmhub batch results`: what came out, row by row.

use crate::remote::Remote;
use clap::{Args, ValueEnum};
use domain::id::BatchId;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    io::{self, Write},
};

const EXAMPLE: &str = "\
Examples:
  glmhub batch results bat_01jd9z5m2k7q8r3s4t5v6w7x8y
  glmhub batch results bat_01jd9z5m2k7q8r3s4t5v6w7x8y --format csv > answers.csv
  glmhub batch results bat_01jd9z5m2k7q8r3s4t5v6w7x8y --format jsonl | jq .answer.text

Rows are in the order of documents, pages and questions, also while the batch runs; what has no verdict yet is pending.
An answer about a document comes after those of its pages, and names the pages that it is from, such as 1-3 5.
Documents that could not be read are rows without a page. Answers stand in the CSV as they are: import it as text.";

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
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
}

/// Prints all rows, page by page.
pub async fn run(args: ResultsArgs) -> anyhow::Result<()> {
    let place = format!("/v1/batches/{}", args.batch);
    let mut names = HashMap::new();
    let mut out = Out::new(args.format, io::stdout().lock())?;
    for document in args.remote.all(&format!("{place}/documents")).await? {
        names.insert(
            text(&document["id"]),
            document["name"].as_str().unwrap_or("-").to_owned(),
        );
        if document["state"] == "failed" {
            let row = json!({
                "document": document["id"], "verdict": "failed", "fault": document["fault"],
            });
            out.write(&names, &row)?;
        }
    }
    for row in args.remote.all(&format!("{place}/answers")).await? {
        out.write(&names, &row)?;
    }
    Ok(out.finish()?)
}

/// The page that a row is about, or those that its answer is from: `2`, or `1-3 5`.
fn pages(row: &Value) -> String {
    let sources = row["sources"].as_array().into_iter().flatten();
    let answered = sources.filter(|source| source["verdict"] == "answered");
    let numbers = answered
        .map(|source| &source["page"])
        .chain([&row["page"]])
        .filter_map(Value::as_u64);
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => runs.push((number, number)),
        }
    }
    let run = |(first, last): (u64, u64)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    runs.into_iter().map(run).collect::<Vec<_>>().join(" ")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Rows on their way out.
enum Out<W: Write> {
    Text(W),
    Jsonl(W),
    Csv(Box<csv::Writer<W>>),
}

impl<W: Write> Out<W> {
    fn new(format: Format, out: W) -> io::Result<Self> {
        Ok(match format {
            Format::Text => Out::Text(out),
            Format::Jsonl => Out::Jsonl(out),
            Format::Csv => {
                let mut csv = csv::Writer::from_writer(out);
                csv.write_record([
                    "document", "page", "question", "verdict", "answer", "fault", "job", "decision", "scope",
                ])?;
                Out::Csv(Box::new(csv))
            }
        })
    }

    fn write(&mut self, names: &HashMap<String, String>, row: &Value) -> io::Result<()> {
        let document = text(&row["document"]);
        let name = names.get(&document).unwrap_or(&document);
        let page = pages(row);
        let (question, verdict) = (text(&row["question_text"]), text(&row["verdict"]));
        let answer = text(&row["answer"]["text"]);
        let fault = text(&row["fault"]["message"]);
        match self {
            Out::Jsonl(out) => writeln!(out, "{row}"),
            Out::Text(out) => {
                let came = if row["answer"].is_object() {
                    answer
                } else {
                    format!("({verdict}) {fault}")
                };
                writeln!(
                    out,
                    "{name} {page}\t{question}\t{}",
                    came.trim_end().replace('\n', "\n\t")
                )
            }
            Out::Csv(csv) => {
                let [job, decision, scope] = ["job", "decision_id", "scope"].map(|field| text(&row[field]));
                csv.write_record([
                    name, &page, &question, &verdict, &answer, &fault, &job, &decision, &scope,
                ])
                .map_err(io::Error::from)
            }
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Out::Text(mut out) | Out::Jsonl(mut out) => out.flush(),
            Out::Csv(mut csv) => csv.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: Format, rows: &[Value]) -> String {
        let names = HashMap::from([("doc_1".to_owned(), "a, b.pdf".to_owned())]);
        let mut bytes = Vec::new();
        let mut out = Out::new(format, &mut bytes).unwrap();
        rows.iter().for_each(|row| out.write(&names, row).unwrap());
        out.finish().unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn rows_are_written_as_wished_for() {
        let source = |page: u64| {
            let verdict = if page == 3 { "failed" } else { "answered" };
            json!({ "page": page, "job": "job_1", "verdict": verdict, "cut": false })
        };
        let sources: Vec<Value> = (1..=5).map(source).collect();
        let rows = [
            json!({
                "job": "job_1", "document": "doc_1", "scope": "page", "page": 2, "question_text": "who?", "verdict": "answered",
                "answer": { "text": "\"a\"\nb" }, "fault": null, "decision_id": "dec_1",
            }),
            json!({
                "job": "job_2", "document": "doc_1", "scope": "document", "page": null, "question_text": "who?", "verdict": "answered",
                "answer": { "text": "a" }, "fault": null, "decision_id": null,
                "sources": sources,
            }),
            json!({ "document": "doc_1", "verdict": "failed", "fault": { "message": "encrypted" } }),
        ];
        assert_eq!(
            written(Format::Text, &rows),
            "a, b.pdf 2\twho?\t\"a\"\n\tb\na, b.pdf 1-2 4-5\twho?\ta\na, b.pdf \t\t(failed) encrypted\n"
        );
        assert_eq!(
            written(Format::Csv, &rows),
            "document,page,question,verdict,answer,fault,job,decision,scope\n\
             \"a, b.pdf\",2,who?,answered,\"\"\"a\"\"\nb\",,job_1,dec_1,page\n\
             \"a, b.pdf\",1-2 4-5,who?,answered,a,,job_2,,document\n\
             \"a, b.pdf\",,,failed,,encrypted,,,\n"
        );
        let lines = written(Format::Jsonl, &rows);
        assert_eq!(
            lines
                .lines()
                .map(serde_json::from_str::<Value>)
                .next()
                .unwrap()
                .unwrap(),
            rows[0]
        );
    }
}
