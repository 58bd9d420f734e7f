//! Settings: the compiled-in `config.default.toml`, then a file, then the environment, then the command line.
//!
//! The default file names every setting there is, so a name that it does not have is refused, with where it
//! was found. This is the only module that reads the environment.

mod blobs;
mod layers;
mod sections;
pub mod show;
mod telemetry;
mod worker;

pub use sections::{LogFormat, LogSettings, RecordsSettings, Settings};
pub use telemetry::TelemetrySettings;
pub use worker::WorkerSettings;

use crate::misuse::Misuse;
use clap::Args;
use figment::{Error, Figment, error::Kind};
use std::{env, path::PathBuf};

/// Where the hub keeps its data and what configures it: options that most commands take.
#[derive(Args, Debug, Clone)]
pub struct Place {
    /// The data folder: database, blobs, keys
    #[arg(long, value_name = "DIR", env = "GLMHUB_DATA", default_value = "glmhub-data")]
    pub data: PathBuf,
    /// A file of settings [default: config.toml in the data folder, if there is one]
    #[arg(long, value_name = "FILE", env = "GLMHUB_CONFIG")]
    pub config: Option<PathBuf>,
}

/// Valid settings, and where each value comes from.
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    layers: Figment,
}

/// Settings for a command at `place`; `overrides` are settings from the command line, as `("server.listen", "…")`.
pub fn load(place: &Place, overrides: &[(&str, String)]) -> Result<Loaded, Misuse> {
    let environment = env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let file = match &place.config {
        Some(file) if !file.is_file() => {
            return Err(Misuse(format!(
                "there is no file {}: give --config a file of settings",
                file.display()
            )));
        }
        Some(file) => Some(file.clone()),
        None => Some(place.data.join("config.toml")).filter(|file| file.is_file()),
    };
    read(layers::all(file.as_deref(), environment, overrides)?)
}

fn read(layers: Figment) -> Result<Loaded, Misuse> {
    let settings: Settings = layers.extract().map_err(|error| Misuse(explain(error)))?;
    settings
        .check()
        .map_err(|reason| Misuse(format!("the settings do not fit together: {reason}")))?;
    Ok(Loaded { settings, layers })
}

/// Every fault that figment found, with the setting and where it stands.
fn explain(error: Error) -> String {
    let explain_one = |error: Error| {
        let key = error.path.join(".");
        let source = error
            .metadata
            .as_ref()
            .map_or("the settings".into(), |from| layers::source_of(from, &key));
        match &error.kind {
            Kind::Message(message) if key.is_empty() => format!("{source}: {message}"),
            kind => format!("`{key}` in {source}: {kind}"),
        }
    };
    error.into_iter().map(explain_one).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
