//! `glmhub policy explain`: how the gate comes to its answer, for a person to read.

use crate::remote::Remote;
use clap::Args;
use domain::{
    id::DecisionId,
    names::{ModelName, TenantName},
    purpose::Purpose,
    territory::Territories,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io::{self, Write},
};

const EXAMPLE: &str = "\
Examples:
  glmhub policy explain --model THUDM/glm-4v-9b --purpose commercial
  glmhub policy explain --tenant acme --model acme/reader --purpose evaluation --metadata kind=contract
  glmhub policy explain --decision dec_01jz…

An explanation is no decision: it allows nothing and is not recorded. A decision is explained under the policies of its
time and with the facts of today.";

/// Explains what the gate answers, or why it answered
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct ExplainArgs {
    #[command(flatten)]
    remote: Remote,
    /// The model
    #[arg(
        long,
        value_name = "MODEL",
        required_unless_present = "decision",
        requires = "purpose"
    )]
    model: Option<ModelName>,
    /// The purpose: research, evaluation or commercial
    #[arg(long, value_name = "PURPOSE", requires = "model")]
    purpose: Option<Purpose>,
    /// The tenant [default: that of the token]
    #[arg(long, value_name = "TENANT", requires = "model")]
    tenant: Option<TenantName>,
    /// An entry of the batch's metadata; may be given several times
    #[arg(long, value_name = "KEY=VALUE", requires = "model", value_parser = entry)]
    metadata: Vec<(String, String)>,
    /// A decision that was taken
    #[arg(long, value_name = "ID", conflicts_with = "model")]
    decision: Option<DecisionId>,
    /// Print the JSON object of the API
    #[arg(long)]
    json: bool,
}

fn entry(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').ok_or("write it as KEY=VALUE")?;
    Ok((parts.0.to_owned(), parts.1.to_owned()))
}

/// Prints the explanation.
pub async fn run(args: ExplainArgs) -> anyhow::Result<()> {
    let metadata: BTreeMap<_, _> = args.metadata.into_iter().collect();
    let body = match args.decision {
        Some(decision) => json!({ "decision_id": decision }),
        None => json!({
            "model": args.model, "purpose": args.purpose, "tenant": args.tenant, "metadata": metadata,
        }),
    };
    let explanation = args.remote.post("/v1/policies/explain", &body).await?;
    let mut stdout = io::stdout().lock();
    if args.json {
        writeln!(stdout, "{explanation}")?;
        return Ok(());
    }
    Ok(write(&mut stdout, &explanation)?)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("not known")
}

fn each(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn joined(value: &Value, between: &str) -> String {
    each(value).map(text).collect::<Vec<_>>().join(between)
}

fn write(out: &mut impl Write, told: &Value) -> io::Result<()> {
    writeln!(
        out,
        "{}: {} for {} with {}",
        text(&told["outcome"]),
        text(&told["purpose"]),
        text(&told["tenant"]),
        text(&told["model"])
    )?;
    if let Some(id) = told["decision"]["id"].as_str() {
        let time = match told["decision"]["policies_of_its_time"] == true {
            true => "under the policies of its time, with the facts of today",
            false => "under the policies in force: those of its time were not kept",
        };
        writeln!(
            out,
            "  decision    {id} was {}; explained {time}",
            text(&told["decision"]["outcome"])
        )?;
    }
    writeln!(out, "  policies    {}", text(&told["policies_sha256"]))?;
    writeln!(out, "  lineage permits: {}", text(&told["permission"]))?;
    for step in each(&told["lineage"]) {
        write_step(out, step)?;
    }
    for rule in each(&told["rules"]) {
        writeln!(
            out,
            "  rule        {} by {}",
            text(&rule["effect"]),
            text(&rule["rule"])
        )?;
    }
    for reason in each(&told["reasons"]) {
        writeln!(
            out,
            "  refused for {}: {}",
            text(&reason["code"]),
            text(&reason["message"])
        )?;
        writeln!(out, "    by way of {}", joined(&reason["path"], " < "))?;
        writeln!(out, "    cure      {}", text(&reason["cure"]))?;
    }
    for duty in each(&told["duties"]) {
        let what = &duty["duty"];
        let words = what["text"].as_str().or_else(|| what["prefix"].as_str());
        let words = words.map_or(String::new(), |words| format!(" {words:?}"));
        let way = joined(&duty["path"], " < ");
        writeln!(out, "  duty        {}{words}, from {way}", text(&what["kind"]))?;
    }
    Ok(())
}

fn write_step(out: &mut impl Write, step: &Value) -> io::Result<()> {
    let conditions = joined(&step["conditions"], ", ");
    let after = match conditions.is_empty() {
        true => String::new(),
        false => format!(" after {conditions}"),
    };
    let license = step["license"].as_str().unwrap_or("not registered");
    let place = serde_json::from_value::<Territories>(step["territories"].clone());
    let place = place.map_or_else(|_| String::new(), |these| format!(", {these}"));
    writeln!(
        out,
        "    {} ({license}): {}{after}{place}",
        text(&step["model"]),
        text(&step["permission"])
    )?;
    for held in each(&step["acceptances"]) {
        let other = match held["of_this_text"] == true {
            true => "",
            false => ", of another text",
        };
        let place = held["territory"].as_str();
        let place = place.map_or_else(String::new, |code| format!(", for {code}"));
        writeln!(
            out,
            "      {} is {}{other}{place}",
            text(&held["id"]),
            text(&held["state"])
        )?;
    }
    Ok(())
}
