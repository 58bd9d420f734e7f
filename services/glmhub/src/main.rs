//! The one binary: commands, configuration, telemetry, and the composition of hub and worker.

mod admin;
mod api_key;
mod ask;
mod audit;
mod batch;
mod bench;
mod cli;
mod clock;
mod composition;
mod config;
mod data_folder;
mod fit;
mod import;
mod inspect;
mod key;
mod license;
mod machine_memory;
mod member_args;
mod migrate;
mod misuse;
mod model_shape;
mod open_files;
mod policy;
mod public_keys;
mod quantize;
mod remote;
mod retention;
mod secrets;
mod serve;
mod span;
mod synthesize;
mod telemetry;
mod token;
mod up;
mod upload;
mod usage;
mod worker;

use clap::Parser as _;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match cli::Cli::parse().perform() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("glmhub: {error:#}");
            misuse::exit_code(&error)
        }
    }
}
