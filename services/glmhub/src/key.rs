//! `glmhub key …`: the keys that sign grants, access tokens, checkpoints and provenance.

use crate::{
    clock::SystemClock,
    config::{self, Place},
    data_folder::DataFolder,
    misuse::Misuse,
};
use anyhow::Context as _;
use clap::{Args, Subcommand};
use domain::{audit::NewAudit, clock::Clock as _, id::IdMaker, names::TenantName};
use exchange::key_folder::{RetireError, Standing};
use serde_json::{Value, json};
use std::{
    io::{self, Write as _},
    sync::Arc,
};

pub const EXAMPLE: &str = "\
Examples:
  glmhub key list
  glmhub key rotate
  glmhub key retire 3f1c9a0e55d2b871

To change keys without a gap: rotate; give workers of their own the new set (`glmhub key list --jwks`) and restart them;
restart the hubs, one after the other; retire the old key when its tokens and grants have run out.";

const LIST_EXAMPLE: &str = "\
Examples:
  glmhub key list --data /srv/glmhub
  glmhub key list --jwks > keys.json

With --jwks, the keys whose signatures hold, as workers and verifiers of grants take them.";

const ROTATE_EXAMPLE: &str = "\
Examples:
  glmhub key rotate --data /srv/glmhub

The new key signs from the next start of each hub on. What the old one has signed still holds until it is retired.";

const RETIRE_EXAMPLE: &str = "\
Examples:
  glmhub key retire 3f1c9a0e55d2b871

From the next start of hubs and workers on, tokens and grants of that key are refused. Checkpoints, provenance and
proofs from its time still verify.";

/// The commands about keys.
#[derive(Subcommand, Debug)]
pub enum KeyCommand {
    /// Lists the keys and what may be done with each
    #[command(after_help = LIST_EXAMPLE)]
    List(ListArgs),
    /// Makes a new key that signs; the old one is still accepted
    #[command(after_help = ROTATE_EXAMPLE)]
    Rotate(RotateArgs),
    /// Lets a replaced key's signatures allow nothing any more
    #[command(after_help = RETIRE_EXAMPLE)]
    Retire(RetireArgs),
}

/// Which keys to list.
#[derive(Args, Debug)]
pub struct ListArgs {
    #[command(flatten)]
    place: Place,
    /// Print a JSON Web Key Set of the keys whose signatures hold
    #[arg(long, conflicts_with = "json")]
    jwks: bool,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// Where to rotate.
#[derive(Args, Debug)]
pub struct RotateArgs {
    #[command(flatten)]
    place: Place,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// Which key to retire.
#[derive(Args, Debug)]
pub struct RetireArgs {
    #[command(flatten)]
    place: Place,
    /// The key's name, as `glmhub key list` tells it
    kid: String,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// Does what the command says.
pub async fn run(command: KeyCommand) -> anyhow::Result<()> {
    match command {
        KeyCommand::List(args) => list(&args),
        KeyCommand::Rotate(args) => rotate(args).await,
        KeyCommand::Retire(args) => retire(args).await,
    }
}

fn list(args: &ListArgs) -> anyhow::Result<()> {
    let keys = DataFolder::open(&args.place.data)?.keys()?;
    let mut out = io::stdout().lock();
    if args.jwks {
        writeln!(out, "{}", keys.load()?.public().jwks())?;
        return Ok(());
    }
    let listed = keys.list()?;
    if args.json {
        let one = |(kid, standing): &(String, Standing)| json!({ "kid": kid, "standing": standing.as_str() });
        let all: Vec<Value> = listed.iter().map(one).collect();
        writeln!(out, "{}", json!({ "keys": all }))?;
        return Ok(());
    }
    for (kid, standing) in listed {
        writeln!(out, "{kid}  {}", standing.as_str())?;
    }
    Ok(())
}

async fn rotate(args: RotateArgs) -> anyhow::Result<()> {
    let (old, new) = DataFolder::open(&args.place.data)?.keys()?.rotate()?;
    note(&args.place, "key.rotated", &new, json!({ "replaces": old })).await?;
    let told = match args.json {
        true => json!({ "signing": new, "accepted": old }).to_string(),
        false => format!(
            "{new} signs from the next start of each hub on; {old} is accepted until `glmhub key retire {old}`"
        ),
    };
    writeln!(io::stdout(), "{told}")?;
    Ok(())
}

async fn retire(args: RetireArgs) -> anyhow::Result<()> {
    let keys = DataFolder::open(&args.place.data)?.keys()?;
    match keys.retire(&args.kid) {
        Ok(()) => {}
        Err(RetireError::Key(error)) => return Err(error.into()),
        Err(misuse) => return Err(Misuse(misuse.to_string()).into()),
    }
    note(&args.place, "key.retired", &args.kid, json!({})).await?;
    let told = match args.json {
        true => json!({ "retired": args.kid }).to_string(),
        false => format!(
            "what {} has signed allows nothing from the next start of hubs and workers on",
            args.kid
        ),
    };
    writeln!(io::stdout(), "{told}")?;
    Ok(())
}

/// The audit log's entry about a change of keys.
async fn note(place: &Place, kind: &'static str, kid: &str, detail: Value) -> anyhow::Result<()> {
    let settings = config::load(place, &[])?.settings;
    let db = DataFolder::open(&place.data)?.records(&settings).await?;
    let clock = Arc::new(SystemClock);
    let entry = NewAudit {
        at: clock.now(),
        id: IdMaker::new(clock).make(),
        tenant: TenantName::of_operator(),
        member: None,
        kind,
        subject: kid.to_owned(),
        decision: None,
        detail,
    };
    records::audit::note(&db, &entry)
        .await
        .context("the keys are changed, and the audit log could not be told")
}
