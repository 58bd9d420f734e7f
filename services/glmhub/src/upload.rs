//! `glmhub model upload`: a folder of weights, or a GGUF file, becomes a revision of a model at a hub elsewhere.
//!
//! The parts go to the hub's bucket at links that the hub gives out. The hub knows an upload by its files, so that the
//! command, begun again, goes on with what is missing.

mod sending;

use crate::{
    import::{
        layout::Layout,
        outcome::{NO_TERMS, left_out},
        storing::{bar, hash},
    },
    misuse::Misuse,
    remote::Remote,
};
use anyhow::Context as _;
use clap::Args;
use domain::{digest::Sha256, names::ModelName};
use sending::Sending;
use serde_json::{Value, json};
use std::{
    io::{self, Write as _},
    path::PathBuf,
    time::Duration,
};

pub const EXAMPLE: &str = "\
Examples:
  glmhub model upload --model acme/glm-4-reader --from ./reader --url https://hub.example.com
  glmhub model upload --model acme/glm-4-reader --from reader-q4_k_m.gguf --at-once 8 --json

Takes what `glmhub model import` takes. The token is of a registrar of the tenant that registered the model; the hub must
give out upload links. Interrupted, run it again: it goes on where it was.
The hub reads all that was put before it counts, which takes a while for large weights; the command waits for it.";

/// How long until the hub is asked again whether it has read everything.
const PAUSE: Duration = Duration::from_secs(1);

/// Makes a revision of a model at a hub elsewhere, from a folder of weights or a GGUF file
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct UploadArgs {
    #[command(flatten)]
    remote: Remote,
    /// The model that the weights are of, which is registered at the hub
    #[arg(long, value_name = "OWNER/NAME")]
    model: ModelName,
    /// The folder that holds the weights, in the layout of Hugging Face; or a GGUF file
    #[arg(long, value_name = "DIR|FILE.gguf")]
    from: PathBuf,
    /// How many parts are put at once
    #[arg(long, value_name = "NUMBER", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=32))]
    at_once: u8,
    /// Print the JSON object of the API
    #[arg(long)]
    json: bool,
}

/// Hashes, opens, puts what is missing, completes, and waits for what the hub says.
pub async fn run(args: UploadArgs) -> anyhow::Result<()> {
    let layout = Layout::inspect(&args.from)?;
    warn(&layout)?;
    let opened = open(&args, &layout).await?;
    let id = text(&opened, "id").to_owned();
    if !args.json {
        eprintln!("{id}");
    }
    // The hub may be reading it already, for a command that was interrupted then.
    if opened["state"] == "open" {
        let sending = Sending::new(&args.remote, &id, args.at_once.into(), layout.total_bytes())?;
        sending
            .send_all(&layout.files)
            .await
            .context("run the same command again, and it goes on where it was")?;
        layout.check_unchanged()?;
    }
    let path = format!("/v1/model-uploads/{id}");
    let mut seen = args.remote.post(&format!("{path}/complete"), &json!({})).await?;
    while seen["state"] == "checking" {
        tokio::time::sleep(PAUSE).await;
        seen = args.remote.get(&path).await?;
    }
    tell(&args, &seen)
}

fn warn(layout: &Layout) -> anyhow::Result<()> {
    let mut stderr = io::stderr().lock();
    let no_terms = layout.terms.is_none().then(|| NO_TERMS.to_owned());
    for warning in no_terms.into_iter().chain(left_out(&layout.ignored)) {
        writeln!(stderr, "glmhub: {warning}")?;
    }
    Ok(())
}

/// The upload of these files; the hub may know it from before.
async fn open(args: &UploadArgs, layout: &Layout) -> anyhow::Result<Value> {
    let (bar, mut files) = (bar(layout.total_bytes()), Vec::new());
    for file in &layout.files {
        bar.set_message(format!("hashing {}", file.name));
        let about = || format!("{} could not be read", file.path.display());
        let sha256: Sha256 = hash(file, &bar).await.with_context(about)?;
        files.push(json!({ "path": file.name, "sha256": sha256, "bytes": file.state.bytes }));
    }
    bar.finish_and_clear();
    layout.check_unchanged()?;
    let body = json!({ "model": args.model, "files": files });
    args.remote.post("/v1/model-uploads", &body).await
}

fn tell(args: &UploadArgs, seen: &Value) -> anyhow::Result<()> {
    let (state, model) = (text(seen, "state"), &args.model);
    if state != "completed" {
        let why = seen["refusal"]
            .as_str()
            .unwrap_or("open it again with the same command");
        return Err(Misuse(format!("the upload was {state}: {why}")).into());
    }
    let mut stdout = io::stdout().lock();
    if args.json {
        writeln!(stdout, "{seen}")?;
        return Ok(());
    }
    let files = seen["files"].as_array().map_or(&[][..], Vec::as_slice);
    let put = files.iter().filter(|file| file["parts"] != 0).count();
    let (revision, bytes) = (text(seen, "revision_sha256"), &seen["bytes"]);
    writeln!(stdout, "{model}, revision {revision}")?;
    writeln!(
        stdout,
        "  {} files, {bytes} bytes; {put} were not at the hub",
        files.len()
    )?;
    Ok(())
}

fn text<'a>(seen: &'a Value, name: &str) -> &'a str {
    seen[name].as_str().unwrap_or_default()
}
