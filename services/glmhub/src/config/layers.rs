//! The layers that settings are read from.

use super::telemetry::STANDARD;
use crate::misuse::Misuse;
use figment::{
    Error, Figment, Metadata, Profile, Provider, Source,
    providers::{Format, Toml},
    value::{Dict, Map, Value},
};
use std::path::Path;

/// Every setting with its default; also the manual.
pub const DEFAULTS: &str = include_str!("../../../../config.default.toml");

const ENVIRONMENT: &str = "the environment";
const STANDARD_ENVIRONMENT: &str = "the environment of OpenTelemetry";
const COMMAND_LINE: &str = "the command line";
const PREFIX: &str = "GLMHUB_";
/// Stands between section and setting in a variable's name; a variable without it is no setting.
const SEPARATOR: &str = "__";

/// Values by dotted key, under the name of where they come from.
struct Named {
    name: &'static str,
    values: Vec<(String, Value)>,
}

impl Provider for Named {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        let mut tree = Dict::new();
        for (key, value) in &self.values {
            plant(&mut tree, key, value.clone());
        }
        Ok(Map::from([(Profile::Default, tree)]))
    }
}

/// Puts a value at its dotted key.
fn plant(tree: &mut Dict, key: &str, value: Value) {
    let Some((name, below)) = key.split_once('.') else {
        tree.insert(key.to_owned(), value);
        return;
    };
    let branch = tree
        .entry(name.to_owned())
        .or_insert_with(|| Value::from(Dict::new()));
    if let Value::Dict(_, inner) = branch {
        plant(inner, below, value);
    }
}

/// Defaults, file, environment, command line, each over the one before; refused if one names a setting that
/// the defaults do not have.
pub fn all(
    file: Option<&Path>,
    environment: Vec<(String, String)>,
    overrides: &[(&str, String)],
) -> Result<Figment, Misuse> {
    let mut layers = Figment::from(Toml::string(DEFAULTS));
    let known = tree_of(&layers)?;
    let upper: [Option<Figment>; 4] = [
        file.map(|file| Figment::from(Toml::file_exact(file))),
        Some(Figment::from(from_standard(&environment))),
        Some(Figment::from(from_environment(environment))),
        Some(Figment::from(from_command_line(overrides))),
    ];
    for layer in upper.into_iter().flatten() {
        let unknown = unknown_in(&tree_of(&layer)?, &known, "");
        if let Some(key) = unknown {
            let source = layer
                .find_metadata(&key)
                .map_or("the settings".into(), |from| source_of(from, &key));
            return Err(Misuse(format!(
                "`{key}` in {source} is no setting; `glmhub config show` lists those there are"
            )));
        }
        layers = layers.merge(layer);
    }
    Ok(layers)
}

fn tree_of(layer: &Figment) -> Result<Dict, Misuse> {
    layer.extract().map_err(|error| Misuse(super::explain(error)))
}

/// What variables say that OpenTelemetry has a name for.
fn from_standard(environment: &[(String, String)]) -> Named {
    let setting = |(variable, key): &(&str, &str)| {
        let said = |(name, text): &&(String, String)| name == variable && !text.is_empty();
        let (_, text) = environment.iter().find(said)?;
        Some((key.to_string(), Value::from(text.as_str())))
    };
    Named {
        name: STANDARD_ENVIRONMENT,
        values: STANDARD.iter().filter_map(setting).collect(),
    }
}

fn from_environment(environment: Vec<(String, String)>) -> Named {
    let setting = |(name, text): (String, String)| {
        let key = name.strip_prefix(PREFIX).filter(|key| key.contains(SEPARATOR))?;
        Some((key.replace(SEPARATOR, ".").to_ascii_lowercase(), value_of(&text)))
    };
    Named {
        name: ENVIRONMENT,
        values: environment.into_iter().filter_map(setting).collect(),
    }
}

/// A number, a list or a table where the text is one.
fn value_of(text: &str) -> Value {
    text.parse().unwrap_or(Value::from(text))
}

fn from_command_line(overrides: &[(&str, String)]) -> Named {
    let setting = |(key, text): &(&str, String)| (key.to_string(), value_of(text));
    Named {
        name: COMMAND_LINE,
        values: overrides.iter().map(setting).collect(),
    }
}

/// The first dotted key of `layer` that is not in `known`.
fn unknown_in(layer: &Dict, known: &Dict, above: &str) -> Option<String> {
    layer.iter().find_map(|(name, value)| {
        let key = if above.is_empty() {
            name.clone()
        } else {
            format!("{above}.{name}")
        };
        match (value, known.get(name)) {
            (_, None) => Some(key),
            (Value::Dict(_, inner), Some(Value::Dict(_, known))) => unknown_in(inner, known, &key),
            _ => None,
        }
    })
}

/// Where a value of `key` comes from, as one would look for it.
pub fn source_of(from: &Metadata, key: &str) -> String {
    match (&from.source, from.name.as_ref()) {
        (Some(Source::File(file)), _) => file.display().to_string(),
        (_, ENVIRONMENT) => {
            format!(
                "{ENVIRONMENT} ({PREFIX}{})",
                key.replace('.', SEPARATOR).to_ascii_uppercase()
            )
        }
        (_, STANDARD_ENVIRONMENT) => STANDARD_ENVIRONMENT.to_owned(),
        (_, COMMAND_LINE) => COMMAND_LINE.to_owned(),
        _ => "the defaults".to_owned(),
    }
}
