//! `glmhub license …`: licences and their acceptance, through the API of a hub.

mod accept;
mod acceptance;
mod acts;
mod effective;
mod list;
mod review;
mod show;

use clap::Subcommand;

pub const EXAMPLE: &str = "\
Examples:
  glmhub license show glm-4
  glmhub license accept --model THUDM/glm-4v-9b --current --purpose evaluation --signer-name NAME --signer-title CFO
  glmhub license list --state under_review
  glmhub license review acc_… --approve --valid-until 2027-12-31

These commands ask a running hub: --url and --token, or GLMHUB_URL and GLMHUB_TOKEN, say which and for whom.";

/// The commands about licences.
#[derive(Subcommand, Debug)]
pub enum LicenseCommand {
    Show(show::ShowArgs),
    Accept(accept::AcceptArgs),
    List(list::ListArgs),
    Review(review::ReviewArgs),
    Suspend(acts::SuspendArgs),
    Resume(acts::ResumeArgs),
    Revoke(acts::RevokeArgs),
}

/// Does what the command says.
pub async fn run(command: LicenseCommand) -> anyhow::Result<()> {
    match command {
        LicenseCommand::Show(args) => show::run(args).await,
        LicenseCommand::Accept(args) => accept::run(args).await,
        LicenseCommand::List(args) => list::run(args).await,
        LicenseCommand::Review(args) => review::run(args).await,
        LicenseCommand::Suspend(args) => acts::suspend(args).await,
        LicenseCommand::Resume(args) => acts::resume(args).await,
        LicenseCommand::Revoke(args) => acts::revoke(args).await,
    }
}
