//! `glmhub audit prove`: everything that proves one answer, in a ZIP archive that verifies without the hub.

use super::Log;
use crate::{composition::backends, config::Place, misuse::Misuse};
use anyhow::Context as _;
use clap::Args;
use domain::id::JobId;
use futures_util::StreamExt as _;
use hub::{
    archive,
    proving::{self, ProvingError},
};
use records::proofs;
use std::{
    fs::File,
    io::{self, Write as _},
    path::PathBuf,
};

const EXAMPLE: &str = "\
Examples:
  glmhub audit prove --job job_06f40d6xj4a3vbyhswd5t7gk1e --to proof.zip
  glmhub audit verify --proof proof.zip --keys jwks.json

The archive holds the terms, the acceptances, the decision, the signed grant, the answer, where it came from, and what
the audit log says of them under a signed checkpoint. The same archive is at /v1/jobs/{job}/proof.";

/// Writes the proof of a job's answer into a ZIP archive
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct ProveArgs {
    #[command(flatten)]
    place: Place,
    /// The job whose answer is to be proven
    #[arg(long)]
    job: JobId,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// Print a JSON object with what was written
    #[arg(long)]
    json: bool,
}

/// Writes the archive; no file is left if something is missing.
pub async fn run(args: ProveArgs) -> anyhow::Result<()> {
    let log = Log::open(&args.place).await?;
    let tenant = proofs::tenant_of(&log.db, args.job).await?;
    let tenant = tenant.ok_or_else(|| Misuse(format!("there is no job {}", args.job)))?;
    let members = match proving::bundle(&log.db, &log.key, &tenant, args.job).await {
        Ok(members) => members,
        Err(error @ (ProvingError::NoAnswer | ProvingError::GrantNotKept)) => {
            return Err(Misuse(error.to_string()).into());
        }
        Err(error) => return Err(error.into()),
    };
    let files = members.len();
    let blobs = backends::blobs(&log.folder, &log.settings).await?;
    let mut pieces = archive::stream(members, blobs);
    let about = || format!("the file {}", args.to.display());
    let folder = args.to.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut draft = tempfile::NamedTempFile::new_in(folder.unwrap_or(".".as_ref())).with_context(about)?;
    while let Some(piece) = pieces.next().await {
        draft.write_all(&piece?).with_context(about)?;
    }
    let written: File = draft.persist(&args.to).with_context(about)?;
    written.sync_all()?;
    let told = match args.json {
        true => serde_json::json!({ "job": args.job, "files": files, "file": args.to }).to_string(),
        false => format!(
            "the proof of {} is in {} ({files} files)",
            args.job,
            args.to.display()
        ),
    };
    writeln!(io::stdout(), "{told}")?;
    Ok(())
}
