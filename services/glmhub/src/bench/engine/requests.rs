//! Measures one part of a model after another, as it is asked, so that another program can be measured in between.

use anyhow::{Context as _, bail};
use engine::{Engine, cache::Cache, limits, parts};
use std::{
    collections::BTreeMap,
    io::{self, Write as _},
};

/// What may be asked.
const PARTS: &str =
    "tower, prefill ROWS, decode CONTEXT TOKENS, together CONTEXT TOKENS ANSWERS, read, int8 or bf16";

/// Answers each line of standard input with a line of seconds, or of a limit in bytes or operations a second.
pub(super) fn serve(engine: &Engine) -> anyhow::Result<()> {
    let mut parts = Parts {
        engine,
        memories: BTreeMap::new(),
    };
    let mut stdout = io::stdout().lock();
    for line in io::stdin().lines() {
        let line = line?;
        let measured = parts.measure(&line).with_context(|| format!("{line:?}"))?;
        writeln!(stdout, "{measured}")?;
        stdout.flush()?;
    }
    Ok(())
}

struct Parts<'a> {
    engine: &'a Engine,
    /// By their rows, so that each is made once.
    memories: BTreeMap<usize, Cache>,
}

impl Parts<'_> {
    fn measure(&mut self, asked: &str) -> anyhow::Result<f64> {
        let mut words = asked.split_whitespace();
        let name = words.next().unwrap_or_default();
        let numbers: Vec<usize> = words.map(str::parse).collect::<Result<_, _>>()?;
        let engine = self.engine;
        Ok(match (name, &numbers[..]) {
            ("tower", []) => parts::tower_block(engine)?.context("the tower has less than two blocks")?,
            ("prefill", &[rows]) => parts::prefill(engine, rows)?,
            ("decode", &[context, tokens]) => parts::decode(engine, self.memory(context)?, tokens)?,
            ("together", &[context, tokens, answers]) => {
                parts::decode_together(engine, self.memory(context)?, answers, tokens)?
            }
            ("read", []) => limits::read_bandwidth(),
            ("int8", []) => limits::products_of_bytes().unwrap_or_default(),
            ("bf16", []) => limits::products_of_halves().unwrap_or_default(),
            _ => bail!("what can be asked for is {PARTS}"),
        })
    }

    fn memory(&mut self, rows: usize) -> anyhow::Result<&Cache> {
        Ok(match self.memories.entry(rows) {
            std::collections::btree_map::Entry::Occupied(kept) => kept.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(parts::memory(self.engine, rows)?)
            }
        })
    }
}
