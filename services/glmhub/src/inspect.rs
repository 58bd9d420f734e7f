//! `glmhub model inspect`: what a GGUF file says, and the memory that it takes.

use crate::model_shape::shape_of;
use anyhow::Context as _;
use clap::Args;
use domain::hardware::{KvType, Memory, Usage};
use engine::{
    config::Config,
    gguf::{Header, Value, header_of},
    quantise::is_synthetic,
};
use serde_json::json;
use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    path::PathBuf,
};

pub const EXAMPLE: &str = "\
Examples:
  glmhub model inspect glm-4v-9b-q4_k_m.gguf
  glmhub model inspect glm-4v-9b-q4_k_m.gguf --plan --json";

/// Shows what a GGUF file holds, and what running it takes
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct InspectArgs {
    /// The file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Count the memory: weights, keys and values, vision tower
    #[arg(long)]
    plan: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// How many tensors of a type, and their bytes.
type Kinds = BTreeMap<&'static str, (usize, u64)>;

/// Tells what the file holds.
pub fn run(args: InspectArgs) -> anyhow::Result<()> {
    let about = || args.file.display().to_string();
    let (header, total) = header_of(&args.file).with_context(about)?;
    let mut kinds = Kinds::new();
    for place in header.tensors.values() {
        let (count, size) = kinds.entry(place.kind.name()).or_default();
        (*count, *size) = (*count + 1, *size + place.bytes.len() as u64);
    }
    let plan = match args.plan {
        true => Some(plan(&Config::load(&args.file)?, total)?),
        false => None,
    };
    let mut stdout = io::stdout().lock();
    if args.json {
        writeln!(stdout, "{}", object(&args, &header, total, &kinds, plan))?;
        return Ok(());
    }
    let said = |key: &str| header.text(key).unwrap_or("not said").to_owned();
    writeln!(
        stdout,
        "{}: {total} bytes, {} tensors",
        args.file.display(),
        header.tensors.len()
    )?;
    for (key, name) in [
        ("general.architecture", "architecture"),
        ("glmhub.mix", "type"),
        ("general.license", "license"),
        ("glmhub.terms.sha256", "terms"),
    ] {
        writeln!(stdout, "  {name:<13} {}", said(key))?;
    }
    if is_synthetic(&args.file) {
        writeln!(stdout, "  its weights are noise, made for measuring")?;
    }
    for (kind, (count, size)) in &kinds {
        writeln!(stdout, "  {kind:<13} {count} tensors, {size} bytes")?;
    }
    if let Some(plan) = plan {
        writeln!(
            stdout,
            "memory: {} bytes at once\n  weights       {}\n  cache         {} for a full context, {} a token\n  tower         {}",
            plan.peak, plan.weights, plan.cache, plan.cache_per_token, plan.tower
        )?;
    }
    Ok(())
}

/// What one page takes at a full context, with keys and values as the engine keeps them.
fn plan(config: &Config, weights: u64) -> anyhow::Result<Memory> {
    let usage = Usage {
        context: u32::try_from(config.context)?,
        images: 1,
        pages: 1,
        kv: KvType::F32,
    };
    Ok(shape_of(config)?.memory(weights, usage)?)
}

fn object(
    args: &InspectArgs,
    header: &Header,
    total: u64,
    kinds: &Kinds,
    plan: Option<Memory>,
) -> serde_json::Value {
    let kinds: BTreeMap<_, _> = kinds
        .iter()
        .map(|(kind, (tensors, bytes))| (*kind, json!({ "tensors": tensors, "bytes": bytes })))
        .collect();
    let plan = plan.map(|plan| {
        json!({
            "peak_bytes": plan.peak, "weights_bytes": plan.weights, "cache_bytes": plan.cache,
            "cache_bytes_per_token": plan.cache_per_token, "tower_bytes": plan.tower,
        })
    });
    json!({
        "file": args.file, "bytes": total, "architecture": header.text("general.architecture"),
        "type": header.text("glmhub.mix"), "license": header.text("general.license"),
        "terms_sha256": header.text("glmhub.terms.sha256"),
        "sources": header.values.get("glmhub.sources").and_then(Value::as_texts),
        "synthetic": is_synthetic(&args.file), "types": kinds, "memory": plan,
    })
}
