//! `glmhub config show`: what holds, and where each value comes from.

use super::{Loaded, Place, layers};
use clap::Args;
use figment::value::{Dict, Value};
use std::io::{self, Write};

pub const EXAMPLE: &str = "\
Examples:
  glmhub config show
  glmhub config show --data /srv/glmhub --json
  GLMHUB_SERVER__LISTEN=0.0.0.0:8080 glmhub config show";

/// What is put in the place of a secret.
const REDACTED: &str = "(redacted)";

/// Shows the settings that hold and where each value comes from
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct ShowArgs {
    #[command(flatten)]
    place: Place,
    /// Print one JSON object: setting to value and source
    #[arg(long)]
    json: bool,
}

/// One setting as it is shown.
#[derive(Debug, PartialEq, serde::Serialize)]
pub struct Shown {
    #[serde(skip)]
    pub key: String,
    pub value: serde_json::Value,
    pub source: String,
}

/// Prints the settings.
pub fn run(args: ShowArgs) -> anyhow::Result<()> {
    let shown = super::load(&args.place, &[])?.shown()?;
    let mut stdout = io::stdout().lock();
    if args.json {
        let object: serde_json::Map<_, _> = shown
            .iter()
            .map(|setting| Ok((setting.key.clone(), serde_json::to_value(setting)?)))
            .collect::<serde_json::Result<_>>()?;
        serde_json::to_writer_pretty(&mut stdout, &object)?;
        writeln!(stdout)?;
        return Ok(());
    }
    let width = shown
        .iter()
        .map(|setting| setting.key.len() + setting.value.to_string().len())
        .max()
        .unwrap_or(0);
    for Shown { key, value, source } in &shown {
        let value = value.to_string();
        let space = " ".repeat(width - key.len() - value.len());
        writeln!(stdout, "{key} = {value}{space}  # {source}")?;
    }
    Ok(())
}

impl Loaded {
    /// Every setting, by key.
    pub fn shown(&self) -> anyhow::Result<Vec<Shown>> {
        let tree: Dict = self.layers.extract()?;
        let mut leaves = Vec::new();
        collect_leaves(&tree, "", &mut leaves);
        let shown = |(key, value): (String, &Value)| {
            let from = self.layers.find_metadata(&key);
            let source = from.map_or("the defaults".into(), |from| layers::source_of(from, &key));
            Ok(Shown {
                value: redacted(&key, serde_json::to_value(value)?),
                source,
                key,
            })
        };
        leaves.into_iter().map(shown).collect()
    }
}

fn collect_leaves<'a>(tree: &'a Dict, above: &str, leaves: &mut Vec<(String, &'a Value)>) {
    for (name, value) in tree {
        let key = if above.is_empty() {
            name.clone()
        } else {
            format!("{above}.{name}")
        };
        match value {
            Value::Dict(_, inner) => collect_leaves(inner, &key, leaves),
            leaf => leaves.push((key, leaf)),
        }
    }
}

/// The value, unless its name or form says that it is secret: better one too many than one too few.
fn redacted(key: &str, value: serde_json::Value) -> serde_json::Value {
    let name = key.rsplit('.').next().unwrap_or(key);
    let secret_name = ["secret", "password", "private"]
        .iter()
        .any(|word| name.contains(word));
    // A URL such as postgres://name:password@host carries its password with it.
    let secret_form = value
        .as_str()
        .is_some_and(|text| text.contains("://") && text.contains('@'));
    if secret_name || secret_form {
        REDACTED.into()
    } else {
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        for (key, value) in [
            ("a.secret", "x"),
            ("a.admin_password", "x"),
            ("a.url", "postgres://me:pw@db/hub"),
        ] {
            assert_eq!(redacted(key, value.into()), REDACTED, "{key}");
        }
        assert_eq!(redacted("server.listen", "127.0.0.1:1".into()), "127.0.0.1:1");
    }
}
