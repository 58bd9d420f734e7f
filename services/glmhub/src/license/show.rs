//! `glmhub license show`: what a licence says, as facts; its exact texts, and how they differ; what the licences of a
//! model's lineage come to.

use super::effective;
use crate::{misuse::Misuse, remote::Remote};
use clap::Args;
use domain::{
    digest::Sha256,
    license::PurposeFacts,
    names::{LicenseName, ModelName},
    terms,
};
use reqwest::{Method, header::ACCEPT};
use serde_json::Value;
use std::io::{self, Write};

const EXAMPLE: &str = "\
Examples:
  glmhub license show glm-4
  glmhub license show --model THUDM/glm-4v-9b
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
    license: Option<LicenseName>,
    /// Show what the licences of this model and of all its ancestors come to, and where each word comes from
    #[arg(long, value_name = "MODEL", conflicts_with_all = ["license", "terms", "diff"])]
    model: Option<ModelName>,
    /// The revision of the model, if not the newest
    #[arg(long, value_name = "SHA256", requires = "model")]
    revision: Option<Sha256>,
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

/// Prints what is asked for.
pub async fn run(args: ShowArgs) -> anyhow::Result<()> {
    if let Some(model) = &args.model {
        let terms = effective::terms(&args.remote, model, args.revision).await?;
        return print(args.json, &terms, effective::write);
    }
    let name = "name a licence, or a model with --model";
    let license = args.license.as_ref().ok_or_else(|| Misuse(name.into()))?;
    if let Some(path) = path_of_text(&args, license) {
        let accept = if args.json {
            "application/json"
        } else {
            "text/plain"
        };
        let fill = |request: reqwest::RequestBuilder| request.header(ACCEPT, accept);
        let bytes = args.remote.bytes(Method::GET, &path, fill).await?;
        return Ok(io::stdout().lock().write_all(&bytes)?);
    }
    let facts = args.remote.get(&format!("/v1/licenses/{license}")).await?;
    print(args.json, &facts, write)
}

/// Where the text, or the difference, that is wanted is read.
fn path_of_text(args: &ShowArgs, license: &LicenseName) -> Option<String> {
    match (&args.terms, args.diff.as_deref()) {
        (Some(terms), _) => Some(format!("/v1/licenses/{license}/terms/{terms}")),
        (None, Some([old, new])) => Some(terms::diff_path(license, old, new)),
        _ => None,
    }
}

/// Writes `shown` as it is, or as `write` puts it for a person.
fn print(
    as_json: bool,
    shown: &Value,
    write: fn(&mut dyn Write, &Value) -> io::Result<()>,
) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match as_json {
        true => writeln!(stdout, "{shown}")?,
        false => write(&mut stdout, shown)?,
    }
    Ok(())
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

/// A duty with what it says, if it says something.
pub(super) fn duty_in_words(duty: &Value) -> String {
    let kind = duty["kind"].as_str().unwrap_or_default();
    let what = duty["text"].as_str().or_else(|| duty["prefix"].as_str());
    what.map_or_else(|| kind.to_owned(), |what| format!("{kind} {what:?}"))
}

fn write(out: &mut dyn Write, license: &Value) -> io::Result<()> {
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
        writeln!(out, "  duty           {}", duty_in_words(duty))?;
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
