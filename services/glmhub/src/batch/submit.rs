//! `glmhub batch submit`: files become a batch.

use super::{
    dry_run, following,
    questions::{self, Questions},
    uploading::{self, Source},
};
use crate::{clock::SystemClock, misuse::Misuse, remote::Remote, span::Span};
use anyhow::Context as _;
use clap::Args;
use domain::{clock::Clock as _, id::BatchId, names::ModelName, purpose::Purpose, turn::Priority};
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

const EXAMPLE: &str = "\
Examples:
  glmhub batch submit --model THUDM/glm-4v-9b --purpose research --question '买方是谁？' --wait invoices/
  glmhub batch submit --model THUDM/glm-4v-9b --purpose commercial --questions questions.json \\
      --metadata kind=contract --priority high --expires-in 12h contract-*.pdf
  glmhub batch submit --model THUDM/glm-4v-9b --purpose research --questions questions.txt --dry-run invoices/
  glmhub batch submit --batch bat_01jd9z5m2k7q8r3s4t5v6w7x8y invoices/    # goes on where it was cut off

A file of questions has one on each line, or is a JSON list of {\"text\": …, \"parameters\": {…}, \"scope\": …}.
With \"documents\": [\"*.pdf\", \"invoices/*\"] a question is asked of the documents alone whose path ends so.
With --dry-run everything is checked and counted by the hub, and nothing is stored or submitted.
The batch's id is printed before anything is uploaded. What was uploaded already is left out when it goes on; if its questions
name documents, give their file again.";

/// Opens a batch, uploads files and folders, and submits it
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct SubmitArgs {
    #[command(flatten)]
    remote: Remote,
    /// Images, PDF and ZIP files, or folders of them
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// The model that answers
    #[arg(long, value_name = "MODEL", required_unless_present = "batch")]
    model: Option<ModelName>,
    /// For what: research, evaluation or commercial
    #[arg(long, value_name = "PURPOSE", required_unless_present = "batch")]
    purpose: Option<Purpose>,
    /// A question that every page is asked; may be given several times
    #[arg(long = "question", value_name = "TEXT")]
    texts: Vec<String>,
    /// A file with questions
    #[arg(long, value_name = "FILE")]
    questions: Option<PathBuf>,
    /// What the batch holds, as KEY=VALUE, for rules and for you; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    metadata: Vec<String>,
    /// Before or after your other batches: high, normal, low
    #[arg(long, value_name = "PRIORITY")]
    priority: Option<Priority>,
    /// What has no answer by then expires: a moment such as 2026-07-01T18:00:00Z
    #[arg(long, value_name = "MOMENT", value_parser = moment)]
    expires_at: Option<OffsetDateTime>,
    /// The same from now on, such as 45s, 30m, 12h or 30d
    #[arg(long, value_name = "SPAN", conflicts_with = "expires_at")]
    expires_in: Option<Span>,
    /// Go on with this batch, which is still open
    #[arg(
        long,
        value_name = "ID",
        conflicts_with_all = ["model", "purpose", "texts", "metadata", "priority", "expires_at", "expires_in"]
    )]
    batch: Option<BatchId>,
    /// Wait until every page has its answers
    #[arg(long)]
    wait: bool,
    /// Tell what it would be and take, and submit nothing
    #[arg(long, visible_alias = "preflight", conflicts_with_all = ["batch", "wait"])]
    dry_run: bool,
    /// Print the JSON object of the API
    #[arg(long)]
    json: bool,
}

/// Opens, uploads, submits, and waits if that is wished for.
pub async fn run(args: SubmitArgs) -> anyhow::Result<()> {
    let sources = uploading::sources(&args.paths)?;
    let (batch, asked) = match args.batch {
        Some(batch) => (batch, again(&args, batch, &sources).await?),
        None => {
            let questions = questions::read(&args.texts, args.questions.as_deref())?;
            let asked = questions.of_each(&sources, 0)?;
            let described = described(&args, &questions)?;
            if args.dry_run {
                return dry_run::run(&args.remote, &described, &sources, &asked, args.json).await;
            }
            (open(&args.remote, &described).await?, asked)
        }
    };
    if !args.json {
        eprintln!("{batch}");
    }
    let uploading = uploading::upload(&args.remote, batch, &sources, &asked).await;
    uploading.with_context(|| match asked.iter().any(Option::is_some) {
        true => format!("it goes on with `glmhub batch submit --batch {batch} --questions FILE PATH…`"),
        false => format!("it goes on with `glmhub batch submit --batch {batch} PATH…`"),
    })?;
    let submitted = args
        .remote
        .post(&format!("/v1/batches/{batch}/submit"), &json!({}))
        .await?;
    match args.wait {
        true => following::until_done(&args.remote, batch, args.json).await,
        false => following::print(&submitted, args.json),
    }
}

async fn open(remote: &Remote, described: &Value) -> anyhow::Result<BatchId> {
    let opened = remote.post("/v1/batches", described).await?;
    let id = opened["id"].as_str().unwrap_or_default();
    id.parse().context("the hub told no id of a batch")
}

/// The places of the questions that each source is asked in a batch that was begun before.
async fn again(
    args: &SubmitArgs,
    batch: BatchId,
    sources: &[Source],
) -> anyhow::Result<Vec<Option<Vec<u32>>>> {
    let path = format!("/v1/batches/{batch}");
    if let Some(file) = args.questions.as_deref() {
        let questions = questions::read(&[], Some(file))?;
        let seen = args.remote.get(&path).await?;
        let before = questions.before_in(seen["questions"].as_array().map_or(&[], Vec::as_slice))?;
        return Ok(questions.of_each(sources, before)?);
    }
    let there = args.remote.all(&format!("{path}/documents")).await?;
    match there.iter().all(|document| document["questions"].is_null()) {
        true => Ok(vec![None; sources.len()]),
        false => {
            let told = "documents of this batch are asked some of its questions alone: give --questions FILE, as when it was begun";
            Err(Misuse(told.into()).into())
        }
    }
}

/// The batch as the API takes it.
fn described(args: &SubmitArgs, questions: &Questions) -> anyhow::Result<Value> {
    let mut body = json!({
        "model": args.model, "purpose": args.purpose, "metadata": metadata(&args.metadata)?,
        "questions": questions.list(),
    });
    if let Some(priority) = args.priority {
        body["priority"] = json!(priority);
    }
    if let Some(end) = args.end() {
        body["expires_at"] = end.format(&Rfc3339)?.into();
    }
    Ok(body)
}

impl SubmitArgs {
    fn end(&self) -> Option<OffsetDateTime> {
        let from_now = self.expires_in.map(|Span(span)| SystemClock.now() + span);
        self.expires_at.or(from_now)
    }
}

fn moment(text: &str) -> Result<OffsetDateTime, String> {
    let read = OffsetDateTime::parse(text, &Rfc3339);
    read.map_err(|_| "write a moment such as 2026-07-01T18:00:00Z, with its offset from UTC".to_owned())
}

fn metadata(pairs: &[String]) -> Result<Map<String, Value>, Misuse> {
    let pair = |pair: &String| {
        let (key, value) = pair
            .split_once('=')
            .ok_or_else(|| Misuse(format!("--metadata {pair}: write KEY=VALUE")))?;
        Ok((key.to_owned(), Value::from(value)))
    };
    pairs.iter().map(pair).collect()
}
