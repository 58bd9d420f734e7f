//! `glmhub token issue`: an access token for a member of a tenant.

use crate::{
    clock::SystemClock,
    config::{self, Place, Settings},
    data_folder::DataFolder,
    member_args::MemberArgs,
    misuse::Misuse,
    span::Span,
};
use clap::Args;
use domain::clock::Clock as _;
use hub::access_token;
use std::io::{self, Write as _};
use time::{Duration, format_description::well_known::Rfc3339};

pub const EXAMPLE: &str = "\
Examples:
  glmhub token issue --tenant acme --member li --role submitter --role signatory
  glmhub token issue --data /srv/glmhub --tenant acme --member ci --role submitter --expires-in 12h --json

Whoever can read the hub's key in the data folder can issue tokens; the hub need not be up.";

/// Prints an access token for a member of a tenant
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct IssueArgs {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    member: MemberArgs,
    /// How long the token is good for, such as 45s, 30m, 12h or 30d [default: access.token_days of the settings]
    #[arg(long, value_name = "SPAN")]
    expires_in: Option<Span>,
    /// Print a JSON object with the token and what it says
    #[arg(long)]
    json: bool,
}

/// Prints the token, and nothing else unless JSON is wanted.
pub fn issue(args: IssueArgs) -> anyhow::Result<()> {
    let settings = config::load(&args.place, &[])?.settings;
    let lifetime = lifetime(args.expires_in, &settings)?;
    let key = DataFolder::open(&args.place.data)?.key()?;
    let caller = args.member.into_caller();
    let now = SystemClock.now();
    let token = access_token::issue(&key, &caller, now, lifetime)?;
    let mut stdout = io::stdout().lock();
    if !args.json {
        writeln!(stdout, "{token}")?;
        return Ok(());
    }
    let object = serde_json::json!({
        "token": token,
        "tenant": caller.tenant,
        "member": caller.member,
        "roles": caller.roles,
        "expires_at": (now + lifetime).replace_nanosecond(0)?.format(&Rfc3339)?,
    });
    writeln!(stdout, "{object}")?;
    Ok(())
}

fn lifetime(wanted: Option<Span>, settings: &Settings) -> Result<Duration, Misuse> {
    let longest = settings.access.longest_token_days;
    let lifetime = wanted.map_or(Duration::days(settings.access.token_days.into()), |Span(span)| {
        span
    });
    if lifetime > Duration::days(longest.into()) {
        return Err(Misuse(format!(
            "a token is good for {longest} days at most: give a shorter --expires-in, or raise \
             access.longest_token_days in the settings"
        )));
    }
    Ok(lifetime)
}
