//! `glmhub bench …`: measures on this machine what the hub promises.

mod caller;
mod engine;
mod figures;
mod own_hub;
mod revocation;
mod trial;

use clap::Subcommand;

pub const EXAMPLE: &str = "\
Examples:
  glmhub bench engine --model noise.gguf
  glmhub bench revocation --model ./tiny
  glmhub bench revocation --model ./tiny --repetitions 100 --json";

/// The commands that measure.
#[derive(Subcommand, Debug)]
pub enum BenchCommand {
    Engine(engine::EngineArgs),
    Revocation(revocation::RevocationArgs),
}

/// Does what the command says.
pub async fn run(command: BenchCommand) -> anyhow::Result<()> {
    match command {
        BenchCommand::Engine(args) => engine::run(&args),
        BenchCommand::Revocation(args) => revocation::run(args).await,
    }
}
