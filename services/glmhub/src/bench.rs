//! `glmhub bench …`: measures on this machine what the hub promises.

mod caller;
mod catalogue;
mod document;
mod engine;
mod figures;
mod noop_worker;
mod own_hub;
mod queue;
mod revocation;
mod trial;
mod uploads;

use clap::Subcommand;

pub const EXAMPLE: &str = "\
Examples:
  glmhub bench engine --model noise.gguf
  glmhub bench revocation --model ./tiny
  glmhub bench revocation --model ./tiny --repetitions 100 --json
  glmhub bench uploads --model ./tiny
  glmhub bench catalogue
  glmhub bench queue --model ./tiny --postgres postgres://app@127.0.0.1/bench --redis redis://127.0.0.1:6379";

/// The commands that measure.
#[derive(Subcommand, Debug)]
pub enum BenchCommand {
    Engine(engine::EngineArgs),
    Revocation(revocation::RevocationArgs),
    Uploads(uploads::UploadsArgs),
    Catalogue(catalogue::CatalogueArgs),
    Queue(Box<queue::QueueArgs>),
    NoopWorker(noop_worker::NoopWorkerArgs),
}

/// Does what the command says.
pub async fn run(command: BenchCommand) -> anyhow::Result<()> {
    match command {
        BenchCommand::Engine(args) => engine::run(&args),
        BenchCommand::Revocation(args) => revocation::run(args).await,
        BenchCommand::Uploads(args) => uploads::run(args).await,
        BenchCommand::Catalogue(args) => catalogue::run(args).await,
        BenchCommand::Queue(args) => queue::run(*args).await,
        BenchCommand::NoopWorker(args) => noop_worker::run(args).await,
    }
}
