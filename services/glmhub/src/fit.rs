//! `glmhub model fit`: the memory that a model takes, and the machines that have it.

use crate::remote::Remote;
use anyhow::Context as _;
use clap::Args;
use domain::{hardware::KvType, names::ModelName};
use reqwest::Url;
use serde_json::Value;
use std::io::{self, Write};

pub const EXAMPLE: &str = "\
Examples:
  glmhub model fit THUDM/glm-4v-9b
  glmhub model fit THUDM/glm-4v-9b --variant bf16 --context 4096 --pages 4 --kv f16
  glmhub model fit THUDM/glm-4v-9b --on geforce-rtx-3060 --json";

/// Tells what memory a model takes for a use, and which machines have it
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct FitArgs {
    #[command(flatten)]
    remote: Remote,
    /// The model
    #[arg(value_name = "OWNER/NAME")]
    model: ModelName,
    /// The variant; the usual one unless it is given
    #[arg(long)]
    variant: Option<String>,
    /// Tokens of each conversation; the model's full context unless it is given
    #[arg(long, value_name = "TOKENS")]
    context: Option<u32>,
    /// Images of each conversation
    #[arg(long)]
    images: Option<u32>,
    /// Conversations that are in work at once
    #[arg(long)]
    pages: Option<u32>,
    /// What keys and values are kept in: f32, f16 or q8_0
    #[arg(long, value_name = "TYPE")]
    kv: Option<KvType>,
    /// One machine by its id
    #[arg(long, value_name = "MACHINE")]
    on: Option<String>,
    /// Print the JSON object of the API
    #[arg(long)]
    json: bool,
}

/// Prints what the hub computes.
pub async fn run(args: FitArgs) -> anyhow::Result<()> {
    let path = format!("/v1/models/{}/hardware{}", args.model, query(&args)?);
    let fit = args.remote.get(&path).await?;
    let mut stdout = io::stdout().lock();
    match args.json {
        true => writeln!(stdout, "{fit}")?,
        false => write(&mut stdout, &fit)?,
    }
    Ok(())
}

/// What is asked, as it follows the path.
fn query(args: &FitArgs) -> anyhow::Result<String> {
    let number = |number: Option<u32>| number.map(|number| number.to_string());
    let asked = [
        ("variant", args.variant.clone()),
        ("context", number(args.context)),
        ("images", number(args.images)),
        ("pages", number(args.pages)),
        ("kv", args.kv.map(|kv| kv.as_str().to_owned())),
        ("machine", args.on.clone()),
    ];
    let given = asked.into_iter().filter_map(|(name, value)| Some((name, value?)));
    // The host is never asked: only what follows it is taken.
    let url = Url::parse_with_params("http://hub/", given).context("the query")?;
    Ok(url.query().map_or(String::new(), |query| format!("?{query}")))
}

fn write(out: &mut impl Write, fit: &Value) -> io::Result<()> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let gigabytes = |value: &Value| value.as_f64().unwrap_or_default() / 1e9;
    let memory = &fit["memory"];
    writeln!(
        out,
        "{} as {}: {:.2} GB at once, for {} of {} tokens with {} images, keys and values in {}",
        text(&fit["model"]),
        text(&fit["variant"]),
        gigabytes(&memory["peak_bytes"]),
        if fit["pages"] == 1 {
            "one page".to_owned()
        } else {
            format!("{} pages", fit["pages"])
        },
        fit["context_tokens"],
        fit["images"],
        text(&fit["kv"]),
    )?;
    writeln!(
        out,
        "  weights {:.2} GB, keys and values {:.2} GB a page, vision tower {:.2} GB",
        gigabytes(&memory["weights_bytes"]),
        gigabytes(&memory["cache_bytes"]),
        gigabytes(&memory["tower_bytes"]),
    )?;
    for measured in fit["measurements"].as_array().into_iter().flatten() {
        writeln!(
            out,
            "  measured: {} at {} tokens took {:.2} GB on {}, by {}",
            text(&measured["variant"]),
            measured["context_tokens"],
            gigabytes(&measured["memory_bytes"]),
            text(&measured["on"]),
            text(&measured["by"]),
        )?;
    }
    for machine in fit["data"].as_array().into_iter().flatten() {
        let longest = match machine["largest_context_tokens"].as_u64() {
            Some(tokens) => format!("up to {tokens} tokens"),
            None => "with no context".to_owned(),
        };
        let verdict = text(&machine["verdict"]).replace('_', " ");
        writeln!(
            out,
            "{verdict:<13} {:<38} {:>4} GB  {longest}",
            text(&machine["name"]),
            machine["memory_gb"],
        )?;
    }
    Ok(())
}
