//! `glmhub batch delete`: deletes documents and answers of a batch, and gets the record of it.

use crate::remote::Remote;
use anyhow::Context as _;
use clap::Args;
use domain::id::BatchId;
use reqwest::Method;
use serde_json::Value;
use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
    time::Duration,
};

const EXAMPLE: &str = "\
Examples:
  glmhub batch delete bat_01jd9z5m2k7q8r3s4t5v6w7x8y
  glmhub batch delete bat_01jd9z5m2k7q8r3s4t5v6w7x8y --wait --record deletion.json
  glmhub audit verify --deletion deletion.json --keys jwks.json

Documents, pages, answers, texts of questions and metadata are deleted; the batch and its counts stay. A batch that is not
over is cancelled first, with `glmhub batch cancel`. Asked again, it tells how far the deletion is.";

/// How often it is asked whether all is gone.
const PAUSE: Duration = Duration::from_millis(500);

/// Deletes what a batch holds, and tells of it
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct DeleteArgs {
    #[command(flatten)]
    remote: Remote,
    /// The batch
    #[arg(value_name = "ID")]
    batch: BatchId,
    /// Wait until all is gone
    #[arg(long)]
    wait: bool,
    /// Write the signed record into a file
    #[arg(long, value_name = "FILE", requires = "wait")]
    record: Option<PathBuf>,
    /// Print the JSON object of the API
    #[arg(long)]
    json: bool,
}

/// Deletes, and prints what is gone.
pub async fn run(args: DeleteArgs) -> anyhow::Result<()> {
    let path = format!("/v1/batches/{}", args.batch);
    let mut told = args.remote.json(Method::DELETE, &path, |request| request).await?;
    while args.wait && told["record"].is_null() {
        tokio::time::sleep(PAUSE).await;
        told = args.remote.json(Method::DELETE, &path, |request| request).await?;
    }
    if let Some(file) = &args.record {
        let record = serde_json::to_string_pretty(&told["record"])?;
        fs::write(file, record).with_context(|| format!("{} cannot be written", file.display()))?;
    }
    print(&told, args.json)
}

fn print(told: &Value, as_json: bool) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    if as_json {
        return Ok(writeln!(out, "{told}")?);
    }
    let (text, counts) = (
        |field: &str| told[field].as_str().unwrap_or_default(),
        &told["counts"],
    );
    let state = match told["record"].is_null() {
        true => "is being deleted",
        false => "is deleted",
    };
    writeln!(
        out,
        "{} {state} ({}): {} documents, {} pages, {} answers; {} files removed, {} shared with others",
        text("batch"),
        text("id"),
        counts["documents"],
        counts["pages"],
        counts["answers"],
        counts["files"],
        counts["shared"]
    )?;
    Ok(())
}
