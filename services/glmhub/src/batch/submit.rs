//! `glmhub batch submit`: files become a batch.

use super::{dry_run, following, questions, uploading};
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

A file of questions has one on each line, or is a JSON list of {\"text\": …, \"parameters\": {…}}.
With --dry-run everything is checked and counted by the hub, and nothing is stored or submitted.
The batch's id is printed before anything is uploaded. What was uploaded already is left out when it goes on.";

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
        conflicts_with_all = ["model", "purpose", "texts", "questions", "metadata", "priority", "expires_at", "expires_in"]
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
    if args.dry_run {
        return dry_run::run(&args.remote, &described(&args)?, &sources, args.json).await;
    }
    let batch = match args.batch {
        Some(batch) => batch,
        None => open(&args).await?,
    };
    if !args.json {
        eprintln!("{batch}");
    }
    let uploading = uploading::upload(&args.remote, batch, &sources).await;
    uploading.with_context(|| format!("it goes on with `glmhub batch submit --batch {batch} PATH…`"))?;
    let submitted = args
        .remote
        .post(&format!("/v1/batches/{batch}/submit"), &json!({}))
        .await?;
    match args.wait {
        true => following::until_done(&args.remote, batch, args.json).await,
        false => following::print(&submitted, args.json),
    }
}

async fn open(args: &SubmitArgs) -> anyhow::Result<BatchId> {
    let opened = args.remote.post("/v1/batches", &described(args)?).await?;
    let id = opened["id"].as_str().unwrap_or_default();
    id.parse().context("the hub told no id of a batch")
}

/// The batch as the API takes it.
fn described(args: &SubmitArgs) -> anyhow::Result<Value> {
    let mut body = json!({
        "model": args.model, "purpose": args.purpose, "metadata": metadata(&args.metadata)?,
        "questions": questions::read(&args.texts, args.questions.as_deref())?,
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
