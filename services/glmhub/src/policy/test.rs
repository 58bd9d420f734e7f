//! `glmhub policy test`: whether every case is decided as it says.

use anyhow::Context as _;
use clap::Args;
use domain::policy::{
    PolicyFile,
    cases::{Cases, shipped_cases},
};
use hub::policy_folder::{PolicyFolder, listed, text};
use std::{
    io::{self, StdoutLock, Write as _},
    path::PathBuf,
};

const EXAMPLE: &str = "\
Examples:
  glmhub policy test
  glmhub policy test --folder glmhub-data/policies

The cases that come with the hub are decided under the rules that come with it; those in DIR/cases under the rules
and licences in DIR as well. Exit code 1 if one comes out differently.";

/// Decides the cases of the policies and tells which come out differently
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct TestArgs {
    /// A folder of own policies with rules, licenses and cases
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// Plays every file of cases.
pub fn run(args: &TestArgs) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    let mut failed = 0;
    for (name, text) in shipped_cases() {
        failed += play(&mut stdout, &Cases::read(name, text)?, &[])?;
    }
    if let Some(folder) = &args.folder {
        let own = PolicyFolder::new(folder).files()?;
        let files = listed(&folder.join("cases"))?;
        for path in files {
            let cases = Cases::read(&path.display().to_string(), &text(&path)?)?;
            failed += play(&mut stdout, &cases, &own)?;
        }
    }
    match failed {
        0 => Ok(()),
        failed => anyhow::bail!("{failed} cases came out differently"),
    }
}

fn play(out: &mut StdoutLock<'_>, cases: &Cases, own: &[PolicyFile]) -> anyhow::Result<usize> {
    let played = cases
        .play(own)
        .with_context(|| format!("the rules for {}", cases.name()))?;
    writeln!(
        out,
        "{}: {} held, {} did not",
        cases.name(),
        played.held,
        played.failed.len()
    )?;
    for fault in &played.failed {
        writeln!(out, "{fault}")?;
    }
    Ok(played.failed.len())
}
