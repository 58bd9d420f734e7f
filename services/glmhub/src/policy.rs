//! `glmhub policy …`: what rules and licences say, tried out before they are in force.

mod check;
mod explain;
mod paths;
mod simulate;
mod test;

use clap::Subcommand;

pub const EXAMPLE: &str = "\
Examples:
  glmhub policy check rules/contracts.cedar
  glmhub policy test --folder glmhub-data/policies
  glmhub policy explain --model THUDM/glm-4v-9b --purpose commercial
  glmhub policy simulate --days 7 rules/contracts.cedar

`check` and `test` need no hub. The others ask a running one: --url and --token, or GLMHUB_URL and GLMHUB_TOKEN, say
which and for whom. To put files in force, send the hub SIGHUP or call POST /v1/policies/reload.";

/// The commands about policies.
#[derive(Subcommand, Debug)]
pub enum PolicyCommand {
    Check(check::CheckArgs),
    Test(test::TestArgs),
    Explain(explain::ExplainArgs),
    Simulate(simulate::SimulateArgs),
}

/// Does what the command says.
pub async fn run(command: PolicyCommand) -> anyhow::Result<()> {
    match command {
        PolicyCommand::Check(args) => check::run(&args),
        PolicyCommand::Test(args) => test::run(&args),
        PolicyCommand::Explain(args) => explain::run(args).await,
        PolicyCommand::Simulate(args) => simulate::run(args).await,
    }
}
