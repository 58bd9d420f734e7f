//! `glmhub policy check`: whether policy files could be in force.

use super::paths::{self, Content, Given};
use clap::Args;
use domain::policy::{Policies, PolicyFault, cases::Cases};
use std::{
    io::{self, Write as _},
    path::PathBuf,
};

const EXAMPLE: &str = "\
Examples:
  glmhub policy check rules/contracts.cedar
  glmhub policy check rules/*.cedar licenses/*.toml cases/*.toml

Every fault is a line FILE:LINE:COLUMN: WHAT. Exit code 1 if there is one.";

/// Checks rules, licences and cases, each together with what comes with the hub
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct CheckArgs {
    /// Rules (.cedar), licences (.toml), and cases (.toml in a folder `cases`)
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

/// Prints every fault.
pub fn run(args: &CheckArgs) -> anyhow::Result<()> {
    let given = paths::read(&args.files)?;
    let faults = faults(&given);
    let mut stdout = io::stdout().lock();
    for fault in &faults {
        writeln!(stdout, "{fault}")?;
    }
    match faults.len() {
        0 => Ok(writeln!(stdout, "{} files are good", given.len())?),
        count => anyhow::bail!("{count} faults in {} files", given.len()),
    }
}

fn faults(given: &[Given]) -> Vec<PolicyFault> {
    let mut faults = match Policies::with_own(paths::own(given)) {
        Ok(_) => Vec::new(),
        Err(bad) => bad.0.iter().map(|fault| paths::at_path(given, fault)).collect(),
    };
    for file in given {
        if let Content::Cases(text) = &file.content {
            faults.extend(Cases::read(&file.path.display().to_string(), text).err());
        }
    }
    faults
}
