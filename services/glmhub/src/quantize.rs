//! `glmhub model quantize`: one file in few bits from a checkpoint.

use crate::misuse::Misuse;
use anyhow::Context as _;
use clap::Args;
use domain::names::LicenseName;
use engine::{
    gguf::{Array, Value},
    quantise::{Mix, quantise},
};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

pub const EXAMPLE: &str = "\
Examples:
  glmhub model quantize --from ./glm-4v-9b --to glm-4v-9b-q4_k_m.gguf --type q4_k_m
  glmhub model quantize --from glm-4v-9b-bf16.gguf --to glm-4v-9b-q8_0.gguf --type q8_0 --json

Interrupted, run it again: it goes on after the last tensor that it had finished. The file is written as FILE.part
until it is whole.";

/// Bytes that are hashed at one time.
const PORTION: usize = 1 << 20;

/// Makes one GGUF file in few bits from a checkpoint
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct QuantizeArgs {
    /// The checkpoint: a folder with safetensors, or a GGUF file
    #[arg(long, value_name = "DIR|FILE")]
    from: PathBuf,
    /// The file to make
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// How the matrices are kept: q4_k_m, q5_k_m, q6_k, q8_0 or bf16
    #[arg(long = "type", value_name = "TYPE")]
    mix: Mix,
    /// The license that the file names; its terms are those of the checkpoint's LICENSE
    #[arg(long, value_name = "ID", default_value = "glm-4")]
    license: LicenseName,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Makes the file, and tells its size and digest.
pub fn run(args: QuantizeArgs) -> anyhow::Result<()> {
    if args.to.is_dir() {
        return Err(Misuse(format!(
            "--to names a file, and {} is a folder",
            args.to.display()
        ))
        .into());
    }
    let more = about(&args)?;
    let bar = bar("quantising");
    let bytes = quantise(&args.from, &args.to, args.mix, more, &mut |progress| {
        bar.set_length(progress.total);
        bar.set_position(progress.written);
        ControlFlow::Continue(())
    })?;
    bar.finish_and_clear();
    let sha256 = digest(&args.to, "hashing")?;
    let mut stdout = io::stdout().lock();
    if args.json {
        let told = json!({ "file": args.to, "type": args.mix.name(), "bytes": bytes, "sha256": sha256 });
        writeln!(stdout, "{told}")?;
    } else {
        writeln!(
            stdout,
            "{}: {} bytes in {}\nsha256 {sha256}",
            args.to.display(),
            bytes,
            args.mix
        )?;
    }
    Ok(())
}

/// Under which license, and from which bytes.
fn about(args: &QuantizeArgs) -> anyhow::Result<Vec<(String, Value)>> {
    let mut values = vec![(
        "general.license".to_owned(),
        Value::Text(args.license.to_string()),
    )];
    let mut sources = Vec::new();
    for file in source_files(&args.from)? {
        let name = file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let sha256 = digest(&file, &format!("hashing {name}"))?;
        if name == "LICENSE" {
            values.push(("glmhub.terms.sha256".to_owned(), Value::Text(sha256.clone())));
        }
        sources.push(format!("{sha256}  {name}"));
    }
    values.push(("glmhub.sources".to_owned(), Value::Array(Array::Texts(sources))));
    Ok(values)
}

/// The checkpoint's own files, by name.
fn source_files(from: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if from.is_file() {
        return Ok(vec![from.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(from).with_context(|| format!("the checkpoint {}", from.display()))? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let ours = name.ends_with(".safetensors")
            || name == "LICENSE"
            || engine::texts::NAMES.contains(&name.as_str());
        if ours && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn digest(path: &Path, message: &str) -> anyhow::Result<String> {
    let about = || path.display().to_string();
    let mut file = File::open(path).with_context(about)?;
    let bar = bar(message);
    bar.set_length(file.metadata().with_context(about)?.len());
    let (mut hasher, mut portion) = (Sha256::new(), vec![0; PORTION]);
    loop {
        let count = file.read(&mut portion).with_context(about)?;
        if count == 0 {
            break;
        }
        hasher.update(&portion[..count]);
        bar.inc(count as u64);
    }
    bar.finish_and_clear();
    Ok(hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

fn bar(message: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {eta}");
    let bar = ProgressBar::new(0).with_message(message.to_owned());
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
