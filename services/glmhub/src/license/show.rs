//! `glmhub license show`: what a licence says, as facts; its exact texts, and how they differ.

use crate::remote::Remote;
use clap::Args;
use domain::{digest::Sha256, license::PurposeFacts, names::LicenseName, terms};
use reqwest::{Method, header::ACCEPT};
use serde_json::Value;
use std::io::{self, Write};

const EXAMPLE: &str = "\
Examples:
  glmhub license show glm-4
  glmhub license show glm-4 --terms SHA256 > terms.txt
  glmhub license show glm-4 --diff OLD NEW
  glmhub license show glm-4 --json";

/// Shows what a licence permits, asks for and obliges to, and the texts of it that the hub has
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct ShowArgs {
    #[command(flatten)]
    remote: Remote,
    /// The licence
    #[arg(value_name = "LICENSE")]
    license: LicenseName,
    /// Print the exact text that has this digest
    #[arg(long, value_name = "SHA256", conflicts_with = "diff")]
    terms: Option<Sha256>,
    /// Print what the text NEW changed in the text OLD, both by digest
    #[arg(long, value_names = ["OLD", "NEW"], num_args = 2)]
    diff: Option<Vec<Sha256>>,
    /// Print the JSON object of the API
    #[arg(long)]
    json: bool,
}

/// Prints the facts.
pub async fn run(args: ShowArgs) -> anyhow::Result<()> {
    if let Some(path) = path_of_text(&args) {
        let accept = if args.json {
            "application/json"
        } else {
            "text/plain"
        };
        let fill = |request: reqwest::RequestBuilder| request.header(ACCEPT, accept);
        let bytes = args.remote.bytes(Method::GET, &path, fill).await?;
        return Ok(io::stdout().lock().write_all(&bytes)?);
    }
    let license = args.remote.get(&format!("/v1/licenses/{}", args.license)).await?;
    let mut stdout = io::stdout().lock();
    if args.json {
        writeln!(stdout, "{license}")?;
        return Ok(());
    }
    Ok(write(&mut stdout, &license)?)
}

/// Where the text, or the difference, that is wanted is read.
fn path_of_text(args: &ShowArgs) -> Option<String> {
    match (&args.terms, args.diff.as_deref()) {
        (Some(terms), _) => Some(format!("/v1/licenses/{}/terms/{terms}", args.license)),
        (None, Some([old, new])) => Some(terms::diff_path(&args.license, old, new)),
        _ => None,
    }
}

/// Until when a purpose is permitted, if there is an end.
fn until(facts: &Value) -> String {
    let until = facts["until"].as_str();
    until.map_or_else(String::new, |until| format!(", until {until}"))
}

/// Where a purpose is permitted, if that is limited.
fn territories(facts: &Value) -> String {
    let facts: Option<PurposeFacts> = serde_json::from_value(facts.clone()).ok();
    let these = facts.and_then(|facts| facts.territories());
    these.map_or_else(String::new, |these| format!(", {these}"))
}

fn write(out: &mut impl Write, license: &Value) -> io::Result<()> {
    let text = |value: &Value| value.as_str().unwrap_or("not known").to_owned();
    writeln!(out, "{}: {}", text(&license["id"]), text(&license["title"]))?;
    writeln!(out, "  published at   {}", text(&license["source"]))?;
    writeln!(out, "  governing law  {}", text(&license["governing_law"]))?;
    let revocable = if license["revocable"] == true { "yes" } else { "no" };
    writeln!(out, "  revocable      {revocable}")?;
    for (purpose, facts) in license["purposes"].as_object().into_iter().flatten() {
        let conditions: Vec<String> = facts["conditions"]
            .as_array()
            .into_iter()
            .flatten()
            .map(text)
            .collect();
        let after = match conditions.is_empty() {
            true => String::new(),
            false => format!(" after {}", conditions.join(", ")),
        };
        let (end, place) = (until(facts), territories(facts));
        writeln!(
            out,
            "  {purpose:<14} {}{after}{end}{place}",
            text(&facts["permission"])
        )?;
    }
    for duty in license["duties"].as_array().into_iter().flatten() {
        let what = duty["text"].as_str().or_else(|| duty["prefix"].as_str());
        let what = what.map_or(String::new(), |what| format!(" {what:?}"));
        writeln!(out, "  duty           {}{what}", text(&duty["kind"]))?;
    }
    for prohibition in license["prohibitions"].as_array().into_iter().flatten() {
        writeln!(out, "  prohibited     {}", text(prohibition))?;
    }
    for terms in license["terms"].as_array().into_iter().flatten() {
        let (sha256, seen) = (text(&terms["sha256"]), text(&terms["seen_at"]));
        let published = match terms["published_at"].as_str() {
            Some(place) => format!("as published at {place}"),
            None => "not known as a published text: compare it".to_owned(),
        };
        writeln!(out, "  terms          {sha256}, here since {seen}, {published}")?;
    }
    for text_there in license["published"].as_array().into_iter().flatten() {
        let (sha256, source) = (text(&text_there["sha256"]), text(&text_there["source"]));
        writeln!(out, "  published      {sha256} at {source}")?;
    }
    Ok(())
}
