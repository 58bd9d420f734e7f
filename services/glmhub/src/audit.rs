//! `glmhub audit …`: the audit log of a data folder, verified and exported. No hub is asked; one may be up.

mod deletion_file;
mod export;
mod proof_file;
mod prove;
mod verify;

use crate::{
    config::{self, Place, Settings},
    data_folder::DataFolder,
    misuse::Misuse,
};
use anyhow::Context as _;
use clap::{Args, Subcommand};
use exchange::{checkpoint, signing::SigningKey};
use records::{Db, audit::reading};
use std::io::{self, Write as _};

pub const EXAMPLE: &str = "\
Examples:
  glmhub audit verify --data /srv/glmhub
  glmhub audit checkpoint > checkpoint.txt
  glmhub audit prove --job job_06f40d6xj4a3vbyhswd5t7gk1e --to proof.zip

Keep a checkpoint elsewhere now and then: whoever holds both database and key could write another history, and only
a checkpoint from before it tells.";

const CHECKPOINT_EXAMPLE: &str = "\
Examples:
  glmhub audit checkpoint
  glmhub audit checkpoint --data /srv/glmhub --json

The note is in the form of c2sp.org/tlog-checkpoint. With --json, the key that verifies it comes along.";

/// The commands about the audit log.
#[derive(Subcommand, Debug)]
pub enum AuditCommand {
    Verify(verify::VerifyArgs),
    Export(export::ExportArgs),
    Prove(prove::ProveArgs),
    Checkpoint(CheckpointArgs),
}

/// Prints the newest signed checkpoint of the audit log
#[derive(Args, Debug)]
#[command(after_help = CHECKPOINT_EXAMPLE)]
pub struct CheckpointArgs {
    #[command(flatten)]
    place: Place,
    /// Print a JSON object with the note and the key that verifies it
    #[arg(long)]
    json: bool,
}

/// Does what the command says.
pub async fn run(command: AuditCommand) -> anyhow::Result<()> {
    match command {
        AuditCommand::Verify(args) => verify::run(args).await,
        AuditCommand::Export(args) => export::run(args).await,
        AuditCommand::Prove(args) => prove::run(args).await,
        AuditCommand::Checkpoint(args) => newest(args).await,
    }
}

/// A log that is to be read, and the hub's key and settings.
struct Log {
    db: Db,
    key: SigningKey,
    folder: DataFolder,
    settings: Settings,
}

impl Log {
    async fn open(place: &Place) -> anyhow::Result<Self> {
        let settings = config::load(place, &[])?.settings;
        if settings.records.in_file() && !place.data.join("hub.db").is_file() {
            return Err(Misuse(format!(
                "there is no hub.db in {}: give --data the data folder of a hub",
                place.data.display()
            ))
            .into());
        }
        let folder = DataFolder::open(&place.data)?;
        Ok(Self {
            db: folder.records_to_read(&settings).await?,
            key: folder.key()?,
            folder,
            settings,
        })
    }
}

async fn newest(args: CheckpointArgs) -> anyhow::Result<()> {
    let log = Log::open(&args.place).await?;
    let newest = reading::newest_checkpoint(&log.db).await?;
    let newest =
        newest.context("nothing was sealed yet: a hub signs the first checkpoint soon after its start")?;
    let mut out = io::stdout().lock();
    if args.json {
        let keys: Vec<String> = log
            .key
            .every()
            .each()
            .map(|(_, public)| checkpoint::note_key(&log.settings.audit.origin, public))
            .collect();
        let told = serde_json::json!({ "size": newest.size, "note": newest.note, "keys": keys });
        writeln!(out, "{told}")?;
    } else {
        write!(out, "{}", newest.note)?;
    }
    Ok(())
}
