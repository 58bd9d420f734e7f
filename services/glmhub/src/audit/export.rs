//! `glmhub audit export`: the sealed log as one file, for somebody who shall verify it elsewhere.

use super::Log;
use crate::config::Place;
use anyhow::Context as _;
use clap::Args;
use domain::audit::AuditEntry;
use records::audit::reading;
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    io::{self, BufWriter, Write as _},
    path::PathBuf,
};

const EXAMPLE: &str = "\
Examples:
  glmhub audit export --to audit.jsonl
  glmhub audit export --data /srv/glmhub --to audit.jsonl --json

`glmhub audit verify --file audit.jsonl --keys jwks.json` verifies the file without the hub's data.";

/// How many rows are read at a time.
const PORTION: u32 = 500;

/// Writes the sealed audit log into a file
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct ExportArgs {
    #[command(flatten)]
    place: Place,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// Print a JSON object with what was written
    #[arg(long)]
    json: bool,
}

/// A line of the file.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub enum Line {
    /// A signed note.
    Checkpoint {
        /// The note.
        checkpoint: String,
    },
    /// An entry at its place.
    Entry {
        /// From 0.
        place: u64,
        /// The entry: its canonical JSON is the leaf.
        entry: Box<AuditEntry>,
    },
}

/// Writes checkpoints first, then entries in their order.
pub async fn run(args: ExportArgs) -> anyhow::Result<()> {
    let log = Log::open(&args.place).await?;
    let file = File::create(&args.to).with_context(|| format!("the file {}", args.to.display()))?;
    let mut to = BufWriter::new(file);
    let (mut size, mut checkpoints) = (0, 0_u64);
    loop {
        let portion = reading::checkpoints(&log.db, size, PORTION).await?;
        let Some(last) = portion.last() else { break };
        size = last.size;
        for checkpoint in portion {
            checkpoints += 1;
            let line = Line::Checkpoint {
                checkpoint: checkpoint.note,
            };
            writeln!(to, "{}", serde_json::to_string(&line)?)?;
        }
    }
    let mut next = 0;
    while next < size {
        // What was sealed since the last checkpoint was read is for the next export.
        let most = u32::try_from(size - next).map_or(PORTION, |left| left.min(PORTION));
        let portion = reading::sealed(&log.db, next, most).await?;
        let Some(last) = portion.last().and_then(|last| last.place) else {
            break;
        };
        next = last + 1;
        for placed in portion {
            let line = Line::Entry {
                place: placed.place.unwrap_or_default(),
                entry: Box::new(placed.entry),
            };
            writeln!(to, "{}", serde_json::to_string(&line)?)?;
        }
    }
    to.into_inner().context("writing the file")?.sync_all()?;
    let told = match args.json {
        true => serde_json::json!({ "entries": next, "checkpoints": checkpoints }).to_string(),
        false => format!(
            "{next} entries and {checkpoints} checkpoints are in {}",
            args.to.display()
        ),
    };
    writeln!(io::stdout(), "{told}")?;
    Ok(())
}
