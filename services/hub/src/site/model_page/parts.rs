//! What a model's page is put together from.

use crate::site::figures;
use domain::hardware::Memory;

/// A word that says at a glance what the model is.
pub struct Badge {
    pub text: &'static str,
    /// The style's name.
    pub kind: &'static str,
}

/// A fact with where it was read.
#[derive(Default)]
pub struct Fact {
    pub label: String,
    pub value: String,
    pub source: String,
    pub seen: String,
    pub reviewed_by: String,
    pub stale: bool,
}

/// The license and what the whole lineage comes to.
#[derive(Default)]
pub struct LicencePart {
    pub id: String,
    pub title: String,
    pub source: String,
    pub registration: String,
    pub law: String,
    pub purposes: Vec<(String, String)>,
    pub duties: Vec<String>,
    pub prohibitions: Vec<String>,
    pub revocable: bool,
}

/// A variant.
pub struct Shown {
    pub name: String,
    pub size: String,
    pub memory: String,
    pub note: String,
    pub usual: bool,
}

/// A measurement.
pub struct Measured {
    pub variant: String,
    pub context: String,
    pub memory: String,
    pub speed: String,
    pub on: String,
    pub by: String,
    pub source: String,
}

/// A machine's verdict.
pub struct Fitting {
    pub name: String,
    pub kind: &'static str,
    pub memory: String,
    pub verdict: &'static str,
    /// The style's name.
    pub class: &'static str,
    pub context: String,
    pub source: String,
}

/// A model to compare with.
pub struct Comparable {
    pub name: String,
    pub parameters: String,
    pub license: String,
    pub compare: String,
}

/// What a use takes.
pub struct Taken {
    pub variant: String,
    /// The model's full context.
    pub context: u32,
    pub memory: Memory,
}

impl Taken {
    pub fn at_once(&self) -> String {
        figures::bytes(self.memory.peak)
    }

    pub fn weights(&self) -> String {
        figures::bytes(self.memory.weights)
    }

    pub fn cache(&self) -> String {
        figures::bytes(self.memory.cache)
    }

    pub fn tower(&self) -> String {
        figures::bytes(self.memory.tower)
    }
}
