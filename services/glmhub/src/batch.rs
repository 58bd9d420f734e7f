//! `glmhub batch …`: batches of documents, through the API of a hub.

mod acts;
mod delete;
mod dry_run;
mod following;
mod questions;
mod rows;
mod submit;
mod uploading;

use clap::Subcommand;

pub const EXAMPLE: &str = "\
Examples:
  glmhub batch submit --model THUDM/glm-4v-9b --purpose research --question '买方是谁？' --wait invoices/
  glmhub batch status bat_01jd9z5m2k7q8r3s4t5v6w7x8y
  glmhub batch results bat_01jd9z5m2k7q8r3s4t5v6w7x8y --format csv > answers.csv

These commands ask a running hub: --url and --token, or GLMHUB_URL and GLMHUB_TOKEN, say which and for whom.";

/// The commands about batches.
#[derive(Subcommand, Debug)]
pub enum BatchCommand {
    Submit(submit::SubmitArgs),
    Status(acts::StatusArgs),
    Results(rows::ResultsArgs),
    Cancel(acts::CancelArgs),
    Requeue(acts::RequeueArgs),
    Delete(delete::DeleteArgs),
}

/// Does what the command says.
pub async fn run(command: BatchCommand) -> anyhow::Result<()> {
    match command {
        BatchCommand::Submit(args) => submit::run(args).await,
        BatchCommand::Status(args) => acts::status(args).await,
        BatchCommand::Results(args) => rows::run(args).await,
        BatchCommand::Cancel(args) => acts::cancel(args).await,
        BatchCommand::Requeue(args) => acts::requeue(args).await,
        BatchCommand::Delete(args) => delete::run(args).await,
    }
}
