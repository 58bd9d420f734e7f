//! `glmhub api-key …`: API keys of a tenant, through the API of a hub.

use crate::remote::Remote;
use clap::{Args, Subcommand};
use domain::{access::Role, id::ApiKeyId, limits::Limits, purpose::Purpose};
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    io::{self, Write},
    num::{NonZeroU32, NonZeroU64},
};

pub const EXAMPLE: &str = "\
Examples:
  glmhub api-key create --name 'scan station' --role submitter --purpose commercial
  glmhub api-key list
  glmhub api-key rotate key_01jd9z5m2k7q8r3s4t5v6w7x8y --overlap-hours 24
  glmhub api-key revoke key_01jd9z5m2k7q8r3s4t5v6w7x8y

A key stands for the member that makes it and never has more roles than that. Programs send it where others send an
access token: as `Authorization: Bearer`, as OPENAI_API_KEY, as HF_TOKEN.";

const CREATE: &str = "\
Examples:
  glmhub api-key create --name 'scan station' --role submitter --purpose commercial
  glmhub api-key create --name intern --role submitter --requests-per-minute 60 --pages-per-day 500
  OPENAI_API_KEY=$(glmhub api-key create --name notebook --role submitter --expires-in-days 7)";

const LIST: &str = "\
Examples:
  glmhub api-key list
  glmhub api-key list --json

One line each: id, state, member, roles, end, last use, name.";

const ROTATE: &str = "\
Examples:
  glmhub api-key rotate key_01jd9z5m2k7q8r3s4t5v6w7x8y
  glmhub api-key rotate key_01jd9z5m2k7q8r3s4t5v6w7x8y --overlap-hours 24";

const REVOKE: &str = "\
Examples:
  glmhub api-key revoke key_01jd9z5m2k7q8r3s4t5v6w7x8y

Anybody of the tenant may, whoever made it. What was begun with it goes on.";

/// The commands about API keys.
#[derive(Subcommand, Debug)]
pub enum ApiKeyCommand {
    Create(CreateArgs),
    List(ListArgs),
    Rotate(RotateArgs),
    Revoke(RevokeArgs),
}

/// Makes a key and prints it, this once
#[derive(Args, Debug)]
#[command(after_help = CREATE)]
pub struct CreateArgs {
    #[command(flatten)]
    remote: Remote,
    /// What the key is called, for people
    #[arg(long, value_name = "NAME")]
    name: String,
    /// What it may do; may be repeated. Only roles that you hold
    #[arg(long = "role", value_name = "ROLE", required = true, num_args = 1..)]
    roles: Vec<Role>,
    /// What requests are for that do not say it, as those of OpenAI's and Hugging Face's programs
    #[arg(long, value_name = "PURPOSE")]
    purpose: Option<Purpose>,
    /// After how many days it is good for nothing [default: api_keys.usual_days of the hub's settings]
    #[arg(long, value_name = "DAYS")]
    expires_in_days: Option<u32>,
    /// How many requests it may make in a minute [default: as the hub's settings say, as for all below]
    #[arg(long, value_name = "N")]
    requests_per_minute: Option<NonZeroU32>,
    /// How many pages may be asked about with it in a day
    #[arg(long, value_name = "N")]
    pages_per_day: Option<NonZeroU64>,
    /// How many tokens may be read and written for it in a day
    #[arg(long, value_name = "N")]
    tokens_per_day: Option<NonZeroU64>,
    /// Print the JSON object of the API
    #[arg(long)]
    json: bool,
}

/// Lists the tenant's keys, newest first
#[derive(Args, Debug)]
#[command(after_help = LIST)]
pub struct ListArgs {
    #[command(flatten)]
    remote: Remote,
    /// Print the JSON objects of the API, one a line
    #[arg(long)]
    json: bool,
}

/// Gives a key another secret and prints it, this once
#[derive(Args, Debug)]
#[command(after_help = ROTATE)]
pub struct RotateArgs {
    #[command(flatten)]
    remote: Remote,
    /// The key
    #[arg(value_name = "ID")]
    key: ApiKeyId,
    /// For how many hours the old secret stays good beside the new one
    #[arg(long, value_name = "HOURS", default_value_t = 0)]
    overlap_hours: u32,
    /// Print the JSON object of the API
    #[arg(long)]
    json: bool,
}

/// Revokes a key at once
#[derive(Args, Debug)]
#[command(after_help = REVOKE)]
pub struct RevokeArgs {
    #[command(flatten)]
    remote: Remote,
    /// The key
    #[arg(value_name = "ID")]
    key: ApiKeyId,
}

/// Does what the command says.
pub async fn run(command: ApiKeyCommand) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match command {
        ApiKeyCommand::Create(args) => {
            let limits = Limits {
                requests_per_minute: args.requests_per_minute,
                pages_per_day: args.pages_per_day,
                tokens_per_day: args.tokens_per_day,
            };
            let body = json!({
                "name": args.name, "roles": args.roles, "purpose": args.purpose,
                "expires_in_days": args.expires_in_days, "limits": limits,
            });
            let made = args.remote.post("/v1/api-keys", &body).await?;
            Ok(reveal(&mut stdout, &made, args.json)?)
        }
        ApiKeyCommand::List(args) => {
            for key in args.remote.all("/v1/api-keys").await? {
                print(&mut stdout, &key, args.json)?;
            }
            Ok(())
        }
        ApiKeyCommand::Rotate(args) => {
            let path = format!("/v1/api-keys/{}/rotate", args.key);
            let body = json!({ "overlap_hours": args.overlap_hours });
            Ok(reveal(
                &mut stdout,
                &args.remote.post(&path, &body).await?,
                args.json,
            )?)
        }
        ApiKeyCommand::Revoke(args) => {
            let path = format!("/v1/api-keys/{}", args.key);
            args.remote
                .bytes(Method::DELETE, &path, |request| request)
                .await?;
            Ok(writeln!(stdout, "{} is revoked", args.key)?)
        }
    }
}

/// The secret alone to the output, so that a script can take it, and what it is beside it.
fn reveal(out: &mut dyn Write, made: &Value, json: bool) -> io::Result<()> {
    if json {
        return writeln!(out, "{made}");
    }
    writeln!(
        io::stderr(),
        "{}, good until {}. It is shown this once:",
        text(&made["id"]),
        text(&made["expires_at"])
    )?;
    writeln!(out, "{}", text(&made["key"]))
}

fn print(out: &mut dyn Write, key: &Value, json: bool) -> io::Result<()> {
    if json {
        return writeln!(out, "{key}");
    }
    let roles: Vec<&str> = key["roles"].as_array().into_iter().flatten().map(text).collect();
    writeln!(
        out,
        "{}  {:<7}  {}  {}  until {}  last used {}  {}",
        text(&key["id"]),
        text(&key["state"]),
        text(&key["member"]),
        roles.join(","),
        text(&key["expires_at"]),
        key["last_used_at"].as_str().unwrap_or("never"),
        text(&key["name"])
    )
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
