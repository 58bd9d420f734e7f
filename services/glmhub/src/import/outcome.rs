//! What an import says when it is done.

use super::PRESUMED;
use domain::{digest::Sha256, names::LicenseName};
use records::models::{Imported, NewRevision};
use serde_json::json;
use std::io::{self, Write as _};

/// The license that a model stands under.
#[derive(Debug, Clone)]
pub struct Licensing {
    /// Which.
    pub license: LicenseName,
    /// How that is known.
    pub grounds: Grounds,
}

/// How a model's license is known.
#[derive(Debug, Clone)]
pub enum Grounds {
    /// The model was registered with it, from this source.
    Registered(String),
    /// Whoever imports says so.
    Given,
    /// Nobody has said it.
    Presumed,
}

impl Grounds {
    /// What the registry keeps as the source.
    pub fn source(&self) -> &str {
        match self {
            Grounds::Registered(source) => source,
            Grounds::Given => "given with --license at the first import",
            Grounds::Presumed => "presumed: this architecture is only published under it",
        }
    }
}

/// The warning about weights without terms.
pub const NO_TERMS: &str =
    "warning: the folder has no LICENSE, so this revision brings no terms that a tenant could accept";

/// The note about what is there and does not go along, if there is any.
pub fn left_out(ignored: &[String]) -> Option<String> {
    let names = ignored.join(", ");
    (!ignored.is_empty()).then(|| format!("note: left out, as it is no part of a model: {names}"))
}

/// What came of an import.
pub struct Outcome {
    /// The revision.
    pub revision: NewRevision,
    /// Whether it is new.
    pub imported: Imported,
    /// The revision that new batches are answered with.
    pub current: Option<Sha256>,
    /// Its license.
    pub licensing: Licensing,
    /// How many bytes had to be copied.
    pub copied_bytes: u64,
    /// What was left where it is.
    pub ignored: Vec<String>,
}

impl Outcome {
    /// Warns on standard error, then tells on standard output: for people, or as one JSON object.
    pub fn print(&self, as_json: bool) -> anyhow::Result<()> {
        let mut stderr = io::stderr().lock();
        for warning in self.warnings() {
            writeln!(stderr, "glmhub: {warning}")?;
        }
        let mut stdout = io::stdout().lock();
        if as_json {
            writeln!(stdout, "{}", self.object())?;
        } else {
            write!(stdout, "{}", self.text())?;
        }
        Ok(())
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let (model, license) = (&self.revision.model.name, &self.licensing.license);
        match self.licensing.grounds {
            Grounds::Registered(_) => {}
            Grounds::Given if license.as_str() == PRESUMED => {}
            Grounds::Given => warnings.push(format!(
                "warning: this architecture is only published under {PRESUMED}; that {model} is under {license} is \
                 recorded as the word of whoever imports it"
            )),
            Grounds::Presumed => warnings.push(format!(
                "warning: nobody has said under which license {model} stands; {license} is presumed, because this \
                 architecture is only published under it"
            )),
        }
        if self.revision.terms.is_none() {
            warnings.push(format!(
                "{NO_TERMS}; put the text of {license} there and import again"
            ));
        }
        warnings.extend(left_out(&self.ignored));
        let already = self.imported == Imported::Already;
        if already && self.current != Some(self.revision.sha256) {
            warnings.push(format!(
                "note: {model} has a newer revision, which stays the current one"
            ));
        }
        warnings
    }

    fn terms_sha256(&self) -> Option<Sha256> {
        self.revision
            .terms
            .as_ref()
            .map(|text| Sha256::of(text.as_bytes()))
    }

    fn bytes(&self) -> u64 {
        self.revision
            .artifacts
            .iter()
            .map(|artifact| artifact.bytes)
            .sum()
    }

    fn outcome(&self) -> &'static str {
        match self.imported {
            Imported::New => "new",
            Imported::Already => "already",
        }
    }

    fn object(&self) -> serde_json::Value {
        json!({
            "outcome": self.outcome(),
            "model": self.revision.model.name,
            "revision_sha256": self.revision.sha256,
            "current_revision_sha256": self.current,
            "license": self.licensing.license,
            "license_source": self.licensing.grounds.source(),
            "terms_sha256": self.terms_sha256(),
            "artifacts": self.revision.artifacts,
            "bytes": self.bytes(),
            "copied_bytes": self.copied_bytes,
            "ignored": self.ignored,
        })
    }

    fn text(&self) -> String {
        let model = &self.revision.model.name;
        let first = match self.imported {
            Imported::New => format!("imported {model}"),
            Imported::Already => format!("{model} has this revision already: nothing changed"),
        };
        let terms = self
            .terms_sha256()
            .map_or("none".to_owned(), |sha256| sha256.to_string());
        format!(
            "{first}\n  revision  {}\n  license   {} ({})\n  terms     {terms}\n  files     {} with {} ({} copied)\n",
            self.revision.sha256,
            self.licensing.license,
            self.licensing.grounds.source(),
            self.revision.artifacts.len(),
            indicatif::HumanBytes(self.bytes()),
            indicatif::HumanBytes(self.copied_bytes),
        )
    }
}
