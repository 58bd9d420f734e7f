//! The commands. Each has a file of its own with its options and its doing.

use crate::{
    admin, api_key, ask, audit, batch, bench, config, fit, import, inspect, key, license, migrate, policy,
    quantize, retention, serve, synthesize, token, up, upload, usage, worker,
};
use clap::{Parser, Subcommand};
use std::{future::Future, io, time::Duration};

const EXAMPLE: &str = "\
Examples:
  glmhub up
  glmhub ask --model glm-4v-9b --image invoice.png --question 'What is the total amount?'

Exit codes: 0 done, 1 a fault, 2 the command or its settings cannot be right.";

/// A licence-aware hub for GLM-4V 9B and its family
#[derive(Parser, Debug)]
#[command(name = "glmhub", version, after_help = EXAMPLE, propagate_version = false)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Up(up::UpArgs),
    Serve(serve::ServeArgs),
    Ask(ask::AskArgs),
    Model(ModelArgs),
    Batch(BatchArgs),
    License(LicenseArgs),
    Policy(PolicyArgs),
    Audit(AuditArgs),
    Key(KeyArgs),
    ApiKey(ApiKeyArgs),
    Admin(AdminArgs),
    Bench(BenchArgs),
    Token(TokenArgs),
    Usage(usage::UsageArgs),
    Retention(RetentionArgs),
    Worker(worker::WorkerArgs),
    Migrate(migrate::MigrateArgs),
    Config(ConfigArgs),
    /// What `hub` starts to split a document into pages, apart from everything else.
    #[command(name = pages::child::COMMAND, hide = true)]
    SplitPages,
    /// What `hub` starts to fork such children.
    #[cfg(target_os = "linux")]
    #[command(name = pages::child::NURSERY, hide = true)]
    SplitPagesNursery,
}

/// Brings models in, makes them smaller, tells where they fit
#[derive(clap::Args, Debug)]
#[command(after_help = import::EXAMPLE)]
struct ModelArgs {
    #[command(subcommand)]
    command: ModelCommand,
}

#[derive(Subcommand, Debug)]
enum ModelCommand {
    Import(import::ImportArgs),
    Fit(fit::FitArgs),
    Inspect(inspect::InspectArgs),
    Quantize(quantize::QuantizeArgs),
    Synthesize(synthesize::SynthesizeArgs),
    Upload(upload::UploadArgs),
}

/// Sends documents in, and gets the answers
#[derive(clap::Args, Debug)]
#[command(after_help = batch::EXAMPLE)]
struct BatchArgs {
    #[command(subcommand)]
    command: batch::BatchCommand,
}

/// Tells and says how long documents and answers are kept
#[derive(clap::Args, Debug)]
#[command(after_help = retention::EXAMPLE)]
struct RetentionArgs {
    #[command(subcommand)]
    command: retention::RetentionCommand,
}

/// Shows licences, accepts their terms, reviews acceptances
#[derive(clap::Args, Debug)]
#[command(after_help = license::EXAMPLE)]
struct LicenseArgs {
    #[command(subcommand)]
    command: license::LicenseCommand,
}

/// Tries out rules and licences, and explains decisions
#[derive(clap::Args, Debug)]
#[command(after_help = policy::EXAMPLE)]
struct PolicyArgs {
    #[command(subcommand)]
    command: policy::PolicyCommand,
}

/// Verifies and exports the audit log
#[derive(clap::Args, Debug)]
#[command(after_help = audit::EXAMPLE)]
struct AuditArgs {
    #[command(subcommand)]
    command: audit::AuditCommand,
}

/// Makes, lists, rotates and revokes keys for programs
#[derive(clap::Args, Debug)]
#[command(after_help = api_key::EXAMPLE)]
struct ApiKeyArgs {
    #[command(subcommand)]
    command: api_key::ApiKeyCommand,
}

/// Lists and changes the hub's keys
#[derive(clap::Args, Debug)]
#[command(after_help = key::EXAMPLE)]
struct KeyArgs {
    #[command(subcommand)]
    command: key::KeyCommand,
}

/// Lets people in to the dashboard
#[derive(clap::Args, Debug)]
#[command(after_help = admin::EXAMPLE)]
struct AdminArgs {
    #[command(subcommand)]
    command: admin::AdminCommand,
}

/// Measures on this machine what the hub promises
#[derive(clap::Args, Debug)]
#[command(after_help = bench::EXAMPLE)]
struct BenchArgs {
    #[command(subcommand)]
    command: bench::BenchCommand,
}

/// Makes access tokens
#[derive(clap::Args, Debug)]
#[command(after_help = token::EXAMPLE)]
struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Subcommand, Debug)]
enum TokenCommand {
    Issue(token::IssueArgs),
}

/// Shows the settings
#[derive(clap::Args, Debug)]
#[command(after_help = config::show::EXAMPLE)]
struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Subcommand, Debug)]
enum ConfigCommand {
    Show(config::show::ShowArgs),
}

impl Cli {
    /// Does what the command says.
    pub fn perform(self) -> anyhow::Result<()> {
        match self.command {
            Command::Up(args) => block_on(up::run(args)),
            Command::Serve(args) => block_on(serve::run(args)),
            Command::Ask(args) => ask::run(args),
            Command::Model(ModelArgs { command }) => match command {
                ModelCommand::Import(args) => block_on(import::run(args)),
                ModelCommand::Fit(args) => block_on(fit::run(args)),
                ModelCommand::Inspect(args) => inspect::run(args),
                ModelCommand::Quantize(args) => quantize::run(args),
                ModelCommand::Synthesize(args) => synthesize::run(args),
                ModelCommand::Upload(args) => block_on(upload::run(args)),
            },
            Command::Batch(BatchArgs { command }) => block_on(batch::run(command)),
            Command::ApiKey(ApiKeyArgs { command }) => block_on(api_key::run(command)),
            Command::License(LicenseArgs { command }) => block_on(license::run(command)),
            Command::Policy(PolicyArgs { command }) => block_on(policy::run(command)),
            Command::Audit(AuditArgs { command }) => block_on(audit::run(command)),
            Command::Key(KeyArgs { command }) => block_on(key::run(command)),
            Command::Admin(AdminArgs { command }) => admin::run(command),
            Command::Bench(BenchArgs { command }) => block_on(bench::run(command)),
            Command::Token(TokenArgs {
                command: TokenCommand::Issue(args),
            }) => token::issue(args),
            Command::Usage(args) => block_on(usage::run(args)),
            Command::Retention(RetentionArgs { command }) => block_on(retention::run(command)),
            Command::Worker(args) => block_on(worker::run(args)),
            Command::Migrate(args) => block_on(migrate::run(args)),
            Command::Config(ConfigArgs {
                command: ConfigCommand::Show(args),
            }) => config::show::run(args),
            // On the bare thread: the child limits its own memory before anything else starts.
            Command::SplitPages => Ok(pages::child::run_child(
                &mut io::stdin().lock(),
                &mut io::stdout().lock(),
            )?),
            #[cfg(target_os = "linux")]
            Command::SplitPagesNursery => Ok(pages::child::run_nursery()?),
        }
    }
}

/// How long threads that compute may take to notice that the command has ended. What they were at was handed back.
const LAST_THREADS: Duration = Duration::from_secs(1);

fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(work);
    runtime.shutdown_timeout(LAST_THREADS);
    ended
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_of_the_commands_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_an_example() {
        fn check(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            let help = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(
                help.contains(&format!("\n  {}", path.trim())),
                "{path} has no example of its own use"
            );
            command
                .get_subcommands()
                .filter(|below| !below.is_hide_set())
                .for_each(|below| check(below, &path));
        }
        check(&Cli::command(), "");
    }
}
