//! `glmhub retention …`: how long a tenant's documents and answers are kept.

use crate::remote::Remote;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    io::{self, Write as _},
    num::NonZeroU32,
    str::FromStr,
};

pub const EXAMPLE: &str = "\
Examples:
  glmhub retention show
  glmhub retention set --documents-days 30 --answers-days 365
  glmhub retention set --documents-days 30 --answers-days kept

Days are counted from the end of a batch. What is over is deleted within minutes; operators say what holds.";

/// The commands about what is kept.
#[derive(Subcommand, Debug)]
pub enum RetentionCommand {
    Show(ShowArgs),
    Set(SetArgs),
}

/// Tells how long documents and answers are kept
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct ShowArgs {
    #[command(flatten)]
    remote: Remote,
    /// Print the JSON object of the API
    #[arg(long)]
    json: bool,
}

/// Says how long documents and answers are kept
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct SetArgs {
    #[command(flatten)]
    remote: Remote,
    /// Days that documents and their pages are kept, or `kept`
    #[arg(long, value_name = "DAYS")]
    documents_days: Days,
    /// Days that answers are kept, or `kept`
    #[arg(long, value_name = "DAYS")]
    answers_days: Days,
    /// Print the JSON object of the API
    #[arg(long)]
    json: bool,
}

/// A number of days, or for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Days(Option<NonZeroU32>);

impl FromStr for Days {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "kept" => Ok(Days(None)),
            number => match number.parse() {
                Ok(days) => Ok(Days(Some(days))),
                Err(_) => Err("give a number of days from 1, or kept".into()),
            },
        }
    }
}

/// Does what the command says.
pub async fn run(command: RetentionCommand) -> anyhow::Result<()> {
    match command {
        RetentionCommand::Show(args) => print(&args.remote.get("/v1/retention").await?, args.json),
        RetentionCommand::Set(args) => {
            let wanted = json!({
                "documents_days": args.documents_days.0, "answers_days": args.answers_days.0,
            });
            let set = args
                .remote
                .json(Method::PUT, "/v1/retention", |request| request.json(&wanted));
            print(&set.await?, args.json)
        }
    }
}

fn print(told: &Value, as_json: bool) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    if as_json {
        return Ok(writeln!(out, "{told}")?);
    }
    for (what, field) in [("documents", "documents_days"), ("answers", "answers_days")] {
        let days = match told[field].as_u64() {
            Some(days) => format!("{days} days after the end of their batch"),
            None => "for ever".to_owned(),
        };
        writeln!(out, "{what} are kept {days}")?;
    }
    if told["is_default"] == true {
        writeln!(out, "the settings of the hub say it")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_a_number_from_one_or_for_ever() {
        assert_eq!("kept".parse(), Ok(Days(None)));
        assert_eq!("30".parse(), Ok(Days(NonZeroU32::new(30))));
        for wrong in ["0", "-1", "never", ""] {
            assert!(wrong.parse::<Days>().is_err(), "{wrong}");
        }
    }
}
