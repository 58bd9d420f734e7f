//! `glmhub model inspect`: what a GGUF file says, and the memory that it takes.

use crate::model_shape::shape_of;
use anyhow::Context as _;
use clap::Args;
use domain::hardware::{KvType, Memory, Place, Plan, Usage, Verdict};
use engine::{
    config::Config,
    gguf::{Header, Value, header_of},
    quantise::is_synthetic,
};
use runner::MOST_ORDERS;
use serde_json::json;
use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    path::PathBuf,
};

pub const EXAMPLE: &str = "\
Examples:
  glmhub model inspect glm-4v-9b-q4_k_m.gguf
  glmhub model inspect glm-4v-9b-q4_k_m.gguf --plan --json
  glmhub model inspect glm-4v-9b-q4_k_m.gguf --plan --orders-at-once 2 --card-gb 10
  glmhub model inspect glm-4v-9b-q4_k_m.gguf --plan --kv-cache-type f16";

/// What a card's worker keeps in the machine's memory: of the words' rows few are taken at a time.
const TABLE: &str = "transformer.embedding.word_embeddings.weight";

/// Shows what a GGUF file holds, and what running it takes
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct InspectArgs {
    /// The file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Count the memory: weights, keys and values, vision tower; for one page, and for a worker on the processor or on a card
    #[arg(long)]
    plan: bool,
    /// With --plan: how many pages a worker has in work at once, as worker.orders_at_once
    #[arg(long, value_name = "NUMBER", default_value_t = most_orders(), requires = "plan",
          value_parser = clap::value_parser!(u32).range(1..=i64::from(most_orders())))]
    orders_at_once: u32,
    /// With --plan: the memory of the card, in gigabytes of 10^9 bytes
    #[arg(long, value_name = "GB", default_value_t = 12, requires = "plan", value_parser = clap::value_parser!(u32).range(1..))]
    card_gb: u32,
    /// With --plan: what keys and values are kept in, as worker.kv_cache_type: f32, f16 or q8_0. A card keeps no q8_0: its plan
    /// stays as without [default: f32 on the processor, f16 on a card]
    #[arg(long, value_name = "TYPE", requires = "plan")]
    kv_cache_type: Option<KvType>,
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
    let plans = match args.plan {
        true => Some(Plans::of(&args, &header, total)?),
        false => None,
    };
    let mut stdout = io::stdout().lock();
    if args.json {
        writeln!(
            stdout,
            "{}",
            object(&args, &header, total, &kinds, plans.as_ref())
        )?;
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
    if let Some(plans) = plans {
        plans.write(&mut stdout)?;
    }
    Ok(())
}

/// The most pages that a worker has in work.
fn most_orders() -> u32 {
    MOST_ORDERS as u32
}

/// What running the file takes.
struct Plans {
    /// One page at a full context, with keys and values as the engine keeps them on the processor.
    page: Memory,
    /// A worker with several pages in work.
    processor: Plan,
    /// The same on a card.
    card: Plan,
    card_bytes: u64,
}

impl Plans {
    fn of(args: &InspectArgs, header: &Header, weights: u64) -> anyhow::Result<Self> {
        let config = Config::load(&args.file)?;
        let (shape, context) = (shape_of(&config)?, u32::try_from(config.context)?);
        let usage = Usage {
            context,
            images: 1,
            pages: 1,
            kv: Place::Processor.keeps(args.kv_cache_type),
        };
        let stays = header
            .tensors
            .get(TABLE)
            .map_or(0, |table| table.bytes.len() as u64);
        let plan = |place: Place, weights| {
            let kv = place.keeps(args.kv_cache_type);
            shape.plan(place, kv, weights, context, args.orders_at_once)
        };
        Ok(Self {
            page: shape.memory(weights, usage)?,
            processor: plan(Place::Processor, weights),
            card: plan(Place::Card, weights.saturating_sub(stays)),
            card_bytes: u64::from(args.card_gb) * 1_000_000_000,
        })
    }

    fn write(&self, out: &mut impl io::Write) -> io::Result<()> {
        let Self {
            page,
            processor,
            card,
            ..
        } = self;
        writeln!(
            out,
            "memory: {} bytes at once\n  weights       {}\n  cache         {} for a full context, {} a token\n  tower         {}",
            page.peak, page.weights, page.cache, page.cache_per_token, page.tower
        )?;
        writeln!(
            out,
            "a worker on the processor: {} bytes with {}",
            processor.total,
            of_orders(processor.orders)
        )?;
        write_plan(out, processor)?;
        let verdict = match card.verdict(self.card_bytes) {
            Verdict::Runs => "runs",
            Verdict::Tight => "is tight, with less than a tenth left",
            Verdict::DoesNotRun => "does not fit",
        };
        writeln!(
            out,
            "a worker on a card: {} bytes with {}; with {} GB it {verdict}, {} would fit",
            card.total,
            of_orders(card.orders),
            self.card_bytes / 1_000_000_000,
            card.most_orders(self.card_bytes),
        )?;
        write_plan(out, card)?;
        writeln!(
            out,
            "  the table of words stays in the machine's memory; what the card's driver takes is not counted"
        )
    }

    fn object(&self) -> serde_json::Value {
        let most = self.card.most_orders(self.card_bytes);
        json!({
            "processor": self.processor, "card": self.card, "card_bytes": self.card_bytes,
            "card_verdict": self.card.verdict(self.card_bytes), "card_most_orders": most,
        })
    }
}

fn of_orders(orders: u32) -> String {
    match orders {
        1 => "one order in work".to_owned(),
        orders => format!("{orders} orders in work"),
    }
}

fn write_plan(out: &mut impl io::Write, plan: &Plan) -> io::Result<()> {
    writeln!(
        out,
        "  weights       {}\n  cache         {} x {} in {}, {} a token\n  tower         {}",
        plan.weights,
        plan.orders,
        plan.cache,
        plan.kv.as_str(),
        plan.cache_per_token,
        plan.tower
    )
}

fn object(
    args: &InspectArgs,
    header: &Header,
    total: u64,
    kinds: &Kinds,
    plans: Option<&Plans>,
) -> serde_json::Value {
    let kinds: BTreeMap<_, _> = kinds
        .iter()
        .map(|(kind, (tensors, bytes))| (*kind, json!({ "tensors": tensors, "bytes": bytes })))
        .collect();
    let memory = plans.map(|Plans { page: plan, .. }| {
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
        "synthetic": is_synthetic(&args.file), "types": kinds, "memory": memory,
        "plan": plans.map(Plans::object),
    })
}
