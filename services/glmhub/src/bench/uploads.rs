//! `glmhub bench uploads`: the memory that many uploads at once take.

use super::{caller::BenchCaller, own_hub::OwnHub};
use crate::{misuse::Misuse, open_files};
use anyhow::{Context as _, ensure};
use bytes::Bytes;
use clap::Args;
use domain::{access::Role, names::ModelName};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, future, stream};
use reqwest::{Body, Method};
use serde_json::{Value, json};
use std::{
    io::{self, Write as _},
    path::PathBuf,
    sync::Arc,
};
use tokio::{sync::Barrier, time::Instant};

const EXAMPLE: &str = "\
Examples:
  glmhub bench uploads --model ./tiny
  glmhub bench uploads --model ./tiny --connections 200 --bytes 16777216 --json

Starts a hub of its own on a folder that goes with it. So many connections each send the first half of a document; only
when all of them have done so the second halves follow. Measured is the most memory that the hub's process ever had
(VmHWM), before and after. Exit code 1 if they took more than 512 KiB each and 64 MiB for all.";

/// The most memory that each upload may take, in bytes, however large its document is.
const MOST_EACH: u64 = 512 * 1024;
/// The most that all may take beside this: threads, and what they keep at hand.
const MOST_BESIDE: u64 = 64 * 1024 * 1024;
/// Bytes that are sent in one piece.
const PIECE: u64 = 64 * 1024;
/// The measured hub waits until all connections have come half way, and each of them until the records have time for it.
const SETTINGS: [(&str, &str); 2] = [
    ("GLMHUB_CONNECTIONS__BODY_SECONDS", "3600"),
    ("GLMHUB_RECORDS__CONNECTION_SECONDS", "3600"),
];

/// Measures the memory that many uploads at once take
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct UploadsArgs {
    /// A folder of weights, which are imported and not asked
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// The model that the weights are of; its licence must let everybody use it for research
    #[arg(long, value_name = "OWNER/NAME", default_value = "THUDM/glm-4v-9b")]
    name: ModelName,
    /// Uploads at once, each over a connection of its own
    #[arg(long, value_name = "N", default_value_t = 1000)]
    connections: u32,
    /// Bytes of each document
    #[arg(long, value_name = "N", default_value_t = 4 * 1024 * 1024)]
    bytes: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Measures, and prints the figures.
pub async fn run(args: UploadsArgs) -> anyhow::Result<()> {
    if args.connections == 0 || args.bytes < 2 * PIECE {
        let message = format!(
            "--connections must be at least 1, and --bytes at least {}",
            2 * PIECE
        );
        return Err(Misuse(message).into());
    }
    open_files::raise();
    let settings = SETTINGS.map(|(name, value)| (name, value.to_owned()));
    let hub = OwnHub::start(&args.name, &args.model, &settings).await?;
    let caller = hub.caller("bench", Role::Submitter)?;
    let question = json!({ "text": "What is it?" });
    let new = json!({ "model": args.name, "purpose": "research", "questions": [question] });
    let opened = caller.post("/v1/batches", &new).await?;
    let id = opened["id"].as_str().context("the hub left out an id")?;
    let path = format!("/v1/batches/{id}/documents");
    let before = hub.most_memory()?;
    let (begun, half) = (Instant::now(), Arc::new(Barrier::new(args.connections as usize)));
    let uploads = (0..args.connections).map(|number| upload(&caller, &path, content(&args, number, &half)));
    // The first that fails ends all: the others would wait for its first half.
    let at_once = stream::iter(uploads).buffer_unordered(args.connections as usize);
    at_once.try_for_each(|_| future::ok(())).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let taken = hub.most_memory()?.saturating_sub(before);
    let most = MOST_BESIDE + MOST_EACH * u64::from(args.connections);
    tell(&args, [before, taken, most], seconds)?;
    ensure!(
        taken <= most,
        "the uploads took {taken} bytes of memory, and {most} are promised"
    );
    Ok(())
}

async fn upload(
    caller: &BenchCaller,
    path: &str,
    content: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
) -> anyhow::Result<Value> {
    let body = Body::wrap_stream(content);
    let fill = |request: reqwest::RequestBuilder| request.header("content-type", "image/png").body(body);
    let response = caller.send(Method::POST, path, fill).await?;
    response.json().await.context("the hub did not answer with JSON")
}

/// A document like no other. Its second half comes when those of all the others have come half way too.
fn content(
    args: &UploadsArgs,
    number: u32,
    half: &Arc<Barrier>,
) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
    let (pieces, last) = (args.bytes / PIECE, args.bytes % PIECE);
    let mut first = vec![0x5a; PIECE as usize];
    first[..4].copy_from_slice(&number.to_le_bytes());
    let piece = Bytes::from(first);
    let (half, middle) = (half.clone(), pieces / 2);
    let sizes = stream::iter((0..=pieces).map(move |place| if place < pieces { PIECE } else { last }));
    sizes.enumerate().then(move |(place, bytes)| {
        let (half, piece) = (half.clone(), piece.slice(..bytes as usize));
        async move {
            if place as u64 == middle {
                half.wait().await;
            }
            Ok(piece)
        }
    })
}

fn tell(args: &UploadsArgs, [before, taken, most]: [u64; 3], seconds: f64) -> anyhow::Result<()> {
    let (connections, bytes) = (args.connections, args.bytes);
    let mut stdout = io::stdout().lock();
    if args.json {
        let object = json!({
            "connections": connections, "bytes": bytes, "seconds": seconds, "memory_before_bytes": before,
            "memory_taken_bytes": taken, "bound_bytes": most,
        });
        return Ok(writeln!(stdout, "{object}")?);
    }
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    writeln!(
        stdout,
        "{connections} uploads at once of {:.1} MiB each, in {seconds:.1} s\n\
         the hub's memory: at most {:.1} MiB before, {:.1} MiB more with them; {:.1} MiB are promised",
        mebibytes(bytes),
        mebibytes(before),
        mebibytes(taken),
        mebibytes(most)
    )?;
    Ok(())
}
