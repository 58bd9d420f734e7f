//! `glmhub license …`: licences and their acceptance, through the API of a hub.

mod show;

use clap::Subcommand;

pub const EXAMPLE: &str = "\
Examples:
  glmhub license show glm-4

These commands ask a running hub: --url and --token, or GLMHUB_URL and GLMHUB_TOKEN, say which and for whom.";

/// The commands about licences.
#[derive(Subcommand, Debug)]
pub enum LicenseCommand {
    Show(show::ShowArgs),
}

/// Does what the command says.
pub async fn run(command: LicenseCommand) -> anyhow::Result<()> {
    match command {
        LicenseCommand::Show(args) => show::run(args).await,
    }
}
