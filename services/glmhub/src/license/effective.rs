//! What the licences of a model's whole lineage come to, as `glmhub license show --model` prints it.

use super::show::duty_in_words;
use crate::remote::Remote;
use domain::{digest::Sha256, names::ModelName, territory::Territories};
use serde_json::Value;
use std::io::{self, Write};

/// The effective terms of a revision of a model, of its newest one unless another is named.
pub async fn terms(remote: &Remote, model: &ModelName, revision: Option<Sha256>) -> anyhow::Result<Value> {
    let sha256 = match revision {
        Some(sha256) => sha256.to_string(),
        None => newest(remote, model).await?,
    };
    remote
        .get(&format!("/v1/models/{model}/revisions/{sha256}/terms"))
        .await
}

async fn newest(remote: &Remote, model: &ModelName) -> anyhow::Result<String> {
    let shown = remote.get(&format!("/v1/models/{model}")).await?;
    let sha256 = shown["revision"]["sha256"].as_str();
    let none = || {
        anyhow::anyhow!("{model} has no revision yet, and terms are those of one: import its weights first")
    };
    sha256.map(str::to_owned).ok_or_else(none)
}

/// Writes the terms for a person.
pub fn write(out: &mut dyn Write, terms: &Value) -> io::Result<()> {
    writeln!(
        out,
        "{}, revision {}",
        text(&terms["model"]),
        text(&terms["revision_sha256"])
    )?;
    for (purpose, said) in terms["purposes"].as_object().into_iter().flatten() {
        write_purpose(out, purpose, said)?;
    }
    for duty in each(&terms["duties"]) {
        writeln!(out, "  duty           {}{}", duty_in_words(duty), cause(duty))?;
    }
    for forbidden in each(&terms["prohibitions"]) {
        writeln!(
            out,
            "  prohibited     {}{}",
            text(&forbidden["prohibition"]),
            cause(forbidden)
        )?;
    }
    if terms["revocable"].is_object() {
        writeln!(out, "  revocable      yes{}", cause(&terms["revocable"]))?;
    }
    for model in each(&terms["lineage"]) {
        let (license, sha256) = (text(&model["license"]), text(&model["terms_sha256"]));
        writeln!(
            out,
            "  bears on it    {} under {license}, its text {sha256}",
            text(&model["model"])
        )?;
    }
    Ok(())
}

fn write_purpose(out: &mut dyn Write, purpose: &str, said: &Value) -> io::Result<()> {
    writeln!(
        out,
        "  {purpose:<14} {}{}",
        text(&said["permission"]),
        cause(&said["because"])
    )?;
    for asked in each(&said["conditions"]) {
        writeln!(
            out,
            "                 after {}{}",
            text(&asked["condition"]),
            cause(asked)
        )?;
    }
    if let Some(until) = said["ends"]["until"].as_str() {
        writeln!(out, "                 until {until}{}", cause(&said["ends"]))?;
    }
    if let Ok(territories) = serde_json::from_value::<Territories>(said["territories"].clone()) {
        writeln!(out, "                 {territories}")?;
    }
    Ok(())
}

fn each(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("not known")
}

/// By which licence, and over which models it comes here.
fn cause(caused: &Value) -> String {
    let path: Vec<&str> = each(&caused["path"]).filter_map(Value::as_str).collect();
    match path.as_slice() {
        [] => String::new(),
        path => format!(" ({}, by way of {})", text(&caused["license"]), path.join(" > ")),
    }
}
