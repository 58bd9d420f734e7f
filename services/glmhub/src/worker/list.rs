//! `glmhub worker list`: the workers that a hub hears of.

use crate::remote::Remote;
use clap::Args;
use serde_json::Value;
use std::io::{self, Write};

const EXAMPLE: &str = "\
Examples:
  glmhub worker list
  glmhub worker list --json

Orders that wait although no worker has room for their model are told on stderr.
One line each: id, version, device, the memory that a model may take there, the model that it has loaded, how fast it has
been with it. A worker that has been silent for worker_gone_seconds of [work] is not there. For operators and auditors.";

/// Lists the workers that a hub hears of
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct ListArgs {
    #[command(flatten)]
    remote: Remote,
    /// Print the JSON objects of the API, one a line
    #[arg(long)]
    json: bool,
}

/// Prints all of them.
pub async fn run(args: ListArgs) -> anyhow::Result<()> {
    let workers = args.remote.get("/v1/workers").await?;
    let lacking = workers["lacking"].as_array().into_iter().flatten();
    let mut stderr = io::stderr().lock();
    for lacking in lacking {
        writeln!(stderr, "{}", told(lacking))?;
    }
    let mut stdout = io::stdout().lock();
    for worker in workers["data"].as_array().into_iter().flatten() {
        match args.json {
            true => writeln!(stdout, "{worker}")?,
            false => write(&mut stdout, worker)?,
        }
    }
    Ok(())
}

/// That orders wait and no worker has room for them.
fn told(lacking: &Value) -> String {
    let gigabytes = |value: &Value| value.as_f64().unwrap_or_default() / 1e9;
    let need = &lacking["need"];
    let why = match need.is_null() {
        true => "there is no worker".to_owned(),
        false => format!(
            "no worker has room for it: it takes {:.2} GB in bf16, {:.2} GB in f32",
            gigabytes(&need["bf16_bytes"]),
            gigabytes(&need["f32_bytes"])
        ),
    };
    let model = lacking["model"].as_str().unwrap_or_default();
    format!("{} orders of {model} wait, and {why}", lacking["orders"])
}

fn write(out: &mut impl Write, worker: &Value) -> io::Result<()> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let memory = match worker["memory_bytes"].as_f64() {
        Some(bytes) => format!("{:.1} GB", bytes / 1e9),
        None => "memory unknown".to_owned(),
    };
    let loaded = worker["loaded"].as_array().into_iter().flatten();
    let models: Vec<String> = loaded.map(|loaded| text(&loaded["model"])).collect();
    let models = match models.is_empty() {
        true => "nothing loaded".to_owned(),
        false => models.join(", "),
    };
    let speeds = worker["speeds"].as_array().into_iter().flatten();
    let speeds = speeds.map(|speed| {
        format!(
            "  {}: {:.2} pages a minute, {:.2} tokens a second",
            text(&speed["model"]),
            speed["pages_per_minute"].as_f64().unwrap_or_default(),
            speed["tokens_per_second"].as_f64().unwrap_or_default()
        )
    });
    writeln!(
        out,
        "{}  {}  {}  {memory}  {models}{}",
        text(&worker["id"]),
        text(&worker["version"]),
        text(&worker["device"]),
        speeds.collect::<String>()
    )
}
