//! `glmhub audit verify`: computes the whole log anew and says what is not as it was signed.

use super::{Log, deletion_file, export::Line, proof_file};
use crate::{
    config::{self, Place},
    misuse::Misuse,
    public_keys,
};
use anyhow::{Context as _, bail};
use clap::Args;
use domain::{
    audit::check::{Checker, SignedRoot},
    digest::Sha256,
};
use exchange::{checkpoint, signing::VerifyingKeys};
use records::audit::checking::{self, Checked};
use std::{
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
};

const EXAMPLE: &str = "\
Examples:
  glmhub audit verify
  glmhub audit verify --data /srv/glmhub --checkpoint kept.txt
  glmhub audit verify --file audit.jsonl --keys jwks.json --json
  glmhub audit verify --proof proof.zip --keys jwks.json
  glmhub audit verify --deletion deletion.json --keys jwks.json

Nothing is asked of a hub, and one may be up meanwhile. Exit code 1 if anything is not as it was signed.";

/// Verifies the audit log, and the rows that it vouches for
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct VerifyArgs {
    #[command(flatten)]
    place: Place,
    /// Verify an exported file instead of the data folder's database
    #[arg(long, value_name = "FILE", requires = "keys")]
    file: Option<PathBuf>,
    /// Verify the proof of one answer, as `glmhub audit prove` writes it
    #[arg(long, value_name = "ZIP", requires = "keys", conflicts_with_all = ["file", "checkpoints"])]
    proof: Option<PathBuf>,
    /// Verify the record of a deletion, as `glmhub batch delete --record` writes it
    #[arg(long, value_name = "FILE", requires = "keys", conflicts_with_all = ["file", "checkpoints", "proof"])]
    deletion: Option<PathBuf>,
    /// The public keys to believe, a JSON Web Key Set [default: the key of the data folder]
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// A checkpoint that was kept elsewhere and must be part of this log; may be repeated
    #[arg(long = "checkpoint", value_name = "FILE")]
    checkpoints: Vec<PathBuf>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// Prints what was verified; fails if something was found.
pub async fn run(args: VerifyArgs) -> anyhow::Result<()> {
    let given = args.keys.as_deref().map(public_keys::read).transpose()?;
    if let (Some(proof), Some(keys)) = (&args.proof, &given) {
        let origin = config::load(&args.place, &[])?.settings.audit.origin;
        return proof_file::verify(proof, keys, &origin, args.json);
    }
    if let (Some(deletion), Some(keys)) = (&args.deletion, &given) {
        return deletion_file::verify(deletion, keys, args.json);
    }
    let checked = match (&args.file, given) {
        (Some(file), Some(keys)) => {
            let origin = config::load(&args.place, &[])?.settings.audit.origin;
            check_file(file, &keys, &origin, &args.checkpoints)?
        }
        (_, given) => {
            let log = Log::open(&args.place).await?;
            let (keys, origin) = (
                given.unwrap_or_else(|| log.key.every()),
                &log.settings.audit.origin,
            );
            let kept = kept(&keys, origin, &args.checkpoints)?;
            checking::check(&log.db, kept, |note| believe(&keys, origin, note)).await?
        }
    };
    tell(&checked, args.json)?;
    match checked.findings.len() {
        0 => Ok(()),
        count => bail!("{count} things are not as they were signed"),
    }
}

fn believe(keys: &VerifyingKeys, origin: &str, note: &str) -> Result<(u64, Sha256), String> {
    let believed = checkpoint::verify(keys, Some(origin), note).map_err(|error| error.to_string())?;
    Ok((believed.size, believed.root))
}

fn kept(keys: &VerifyingKeys, origin: &str, files: &[PathBuf]) -> anyhow::Result<Vec<SignedRoot>> {
    let read = |file: &PathBuf| {
        let note = fs::read_to_string(file).with_context(|| format!("the checkpoint {}", file.display()))?;
        let (size, root) = believe(keys, origin, &note)
            .map_err(|why| Misuse(format!("the checkpoint {}: {why}", file.display())))?;
        let whence = file.display().to_string();
        Ok(SignedRoot { size, root, whence })
    };
    files.iter().map(read).collect()
}

fn check_file(
    file: &Path,
    keys: &VerifyingKeys,
    origin: &str,
    checkpoints: &[PathBuf],
) -> anyhow::Result<Checked> {
    let about = || format!("the file {}", file.display());
    let lines = BufReader::new(File::open(file).with_context(about)?).lines();
    let (mut roots, mut unbelieved) = (kept(keys, origin, checkpoints)?, Vec::new());
    let mut checked = Checked::default();
    let mut checker = None;
    for (number, line) in (1_u64..).zip(lines) {
        let line: Line = serde_json::from_str(&line.with_context(about)?)
            .with_context(|| format!("line {number} of {}", file.display()))?;
        match line {
            Line::Checkpoint { checkpoint } => match believe(keys, origin, &checkpoint) {
                Ok((size, root)) => {
                    checked.checkpoints += 1;
                    let whence = format!("the checkpoint of line {number}");
                    roots.push(SignedRoot { size, root, whence });
                }
                Err(why) => unbelieved.push((number, why)),
            },
            Line::Entry { place, entry } => {
                let checker = checker.get_or_insert_with(|| Checker::new(std::mem::take(&mut roots)));
                checker.entry(place, &entry.id, &entry.leaf())?;
            }
        }
    }
    let mut checker = checker.unwrap_or_else(|| Checker::new(roots));
    for (number, why) in unbelieved {
        checker.report(None, "checkpoint", &format!("of line {number}"), why);
    }
    checked.entries = checker.size();
    checked.findings = checker.finish();
    Ok(checked)
}

fn tell(checked: &Checked, json: bool) -> anyhow::Result<()> {
    let Checked {
        entries,
        pending,
        checkpoints,
        rows,
        findings,
    } = checked;
    let mut out = io::stdout().lock();
    if json {
        let told = serde_json::json!({
            "entries": entries, "pending": pending, "checkpoints": checkpoints, "rows": rows, "findings": findings,
        });
        writeln!(out, "{told}")?;
        return Ok(());
    }
    for finding in findings {
        writeln!(out, "FOUND {finding}")?;
    }
    writeln!(
        out,
        "{entries} entries under {checkpoints} signed checkpoints, {pending} not sealed yet, {rows} rows that they \
         vouch for"
    )?;
    if findings.is_empty() {
        writeln!(out, "all is as it was signed")?;
    }
    Ok(())
}
