//! `glmhub admin link`: a link that signs somebody in to the dashboard, once.

use crate::{
    clock::SystemClock,
    config::{self, Place},
    data_folder::DataFolder,
    member_args::MemberArgs,
};
use clap::{Args, Subcommand};
use domain::clock::Clock as _;
use hub::{randomness::Randomness, sign_in_link};
use std::io::{self, Write as _};

pub const EXAMPLE: &str = "\
Examples:
  glmhub admin link --tenant zhipu --member li --role reviewer";

const LINK_EXAMPLE: &str = "\
Examples:
  glmhub admin link --tenant zhipu --member li --role reviewer

The link is good for some minutes (dashboard.link_seconds) and opens one session. Whoever has it is let in: give it only
to the member that it names.";

#[derive(Subcommand, Debug)]
pub enum AdminCommand {
    Link(LinkArgs),
}

/// Prints a link that signs a member in to the dashboard, once
#[derive(Args, Debug)]
#[command(after_help = LINK_EXAMPLE)]
pub struct LinkArgs {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    member: MemberArgs,
}

/// Prints the link, and nothing else.
pub fn run(command: AdminCommand) -> anyhow::Result<()> {
    let AdminCommand::Link(args) = command;
    let settings = config::load(&args.place, &[])?.settings;
    let key = DataFolder::open(&args.place.data)?.key()?;
    let caller = args.member.into_caller();
    let dashboard = &settings.dashboard;
    let link = sign_in_link::issue(
        &key,
        &caller,
        SystemClock.now(),
        dashboard.link(),
        &Randomness::default(),
    )?;
    let url = match dashboard.url.trim_end_matches('/') {
        "" => format!("http://{}", settings.server.listen),
        url => url.to_owned(),
    };
    writeln!(io::stdout().lock(), "{url}/admin/sign-in?link={link}")?;
    Ok(())
}
