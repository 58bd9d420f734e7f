//! The policies: what licenses say, and who may do what. Data, not code.
//!
//! A [`Policies`] is one immutable reading of all files; its digest names it in decisions and grants.
//! [`CurrentPolicies`] is where a hub keeps the reading that is in force and puts a new one. An organisation adds
//! files of its own to those that are compiled in; see [`Policies::with_own`].

pub mod cases;
mod fault;
mod files;
mod fused;
mod rule;
mod rules;
pub mod simulation;
mod statements;
pub mod template;
pub(crate) mod words;

pub use fault::{BadPolicies, PolicyFault};
pub use files::{FileKind, PolicyFile, schema, shipped};
pub use rule::{Rule, RuleEffect, RuleRefusal};
pub use rules::{Rules, Verdict};

use crate::{digest::Sha256, gate::ReasonCode, license::Licenses};
use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};
use time::OffsetDateTime;

/// One reading of all policy files.
#[derive(Debug)]
pub struct Policies {
    files: Vec<PolicyFile>,
    licenses: Licenses,
    rules: Rules,
    sha256: Sha256,
}

impl Policies {
    /// The policies that are compiled in.
    pub fn shipped() -> Result<Self, BadPolicies> {
        Self::with_own(Vec::new())
    }

    /// The policies that are compiled in and an organisation's own: its rules are added, a license file of its own
    /// takes the place of the compiled-in one of that name.
    pub fn with_own(own: Vec<PolicyFile>) -> Result<Self, BadPolicies> {
        let mut all: BTreeMap<String, PolicyFile> = shipped().map(|file| (file.name.clone(), file)).collect();
        let mut faults = Vec::new();
        for file in own {
            match file.kind() {
                None => faults.push(PolicyFault::at(
                    &file.name,
                    "",
                    0,
                    "no policy file is named so: they are licenses/ID.toml and rules/NAME.cedar",
                )),
                Some(FileKind::Rules) if is_shipped(&file.name) => faults.push(PolicyFault::at(
                    &file.name,
                    "",
                    0,
                    "a file of the hub's own has this name, and its rules stay; choose another name for yours",
                )),
                Some(_) => {
                    all.insert(file.name.clone(), file);
                }
            }
        }
        if !faults.is_empty() {
            return Err(BadPolicies(faults));
        }
        Self::read(all.into_values().collect())
    }

    /// These files and no others.
    pub fn read(mut files: Vec<PolicyFile>) -> Result<Self, BadPolicies> {
        files.sort();
        let of = |kind| files.iter().filter(move |file| file.kind() == Some(kind));
        let licenses = Licenses::read(of(FileKind::License));
        let rules = Rules::read(of(FileKind::Rules), is_shipped);
        let (licenses, rules) = match (licenses, rules) {
            (Ok(licenses), Ok(rules)) => (licenses, rules),
            (licenses, rules) => {
                let faults = [licenses.err(), rules.err()].into_iter().flatten();
                return Err(BadPolicies(faults.flat_map(|bad| bad.0).collect()));
            }
        };
        let without = ReasonCode::of_judge().find(|code| !rules::forbids_for(&rules, code));
        if let Some(code) = without {
            let why = format!("no rule forbids for {code}, so what a license asks for would go unsaid");
            return Err(PolicyFault::at("rules/licenses.cedar", "", 0, why).into());
        }
        let sha256 = files::digest(&files);
        Ok(Self {
            files,
            licenses,
            rules,
            sha256,
        })
    }

    /// The files, by name.
    pub fn files(&self) -> &[PolicyFile] {
        &self.files
    }

    /// The files that are an organisation's own.
    pub fn own_files(&self) -> impl Iterator<Item = &PolicyFile> {
        self.files
            .iter()
            .filter(|file| shipped().all(|shipped| shipped != **file))
    }

    /// What the licenses say.
    pub fn licenses(&self) -> &Licenses {
        &self.licenses
    }

    /// Who may do what.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Names this reading: the digest of all its files.
    pub fn sha256(&self) -> Sha256 {
        self.sha256
    }
}

/// Whether a file of that name is compiled in.
fn is_shipped(name: &str) -> bool {
    shipped().any(|file| file.name == name)
}

/// The reading that is in force, and where the hub computes. Clones share it.
#[derive(Clone)]
pub struct CurrentPolicies {
    in_force: Arc<RwLock<InForce>>,
    site: Arc<str>,
}

/// A reading and since when it is in force.
#[derive(Debug, Clone)]
pub struct InForce {
    /// The reading.
    pub policies: Arc<Policies>,
    /// Since when.
    pub since: OffsetDateTime,
}

impl CurrentPolicies {
    /// Puts `policies` in force from `since` on, for a hub that computes at `site` (empty if nobody has said where).
    pub fn new(policies: Policies, site: &str, since: OffsetDateTime) -> Self {
        let policies = Arc::new(policies);
        Self {
            in_force: Arc::new(RwLock::new(InForce { policies, since })),
            site: site.into(),
        }
    }

    /// The reading that is in force now. Take it once for one decision.
    pub fn get(&self) -> Arc<Policies> {
        self.in_force().policies
    }

    /// The reading that is in force now, and since when.
    pub fn in_force(&self) -> InForce {
        self.in_force
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Where the hub computes.
    pub fn site(&self) -> &str {
        &self.site
    }

    /// Puts `policies` in force instead, from `since` on; decisions that began under the earlier reading end under it.
    pub fn replace(&self, policies: Policies, since: OffsetDateTime) {
        let policies = Arc::new(policies);
        *self.in_force.write().unwrap_or_else(PoisonError::into_inner) = InForce { policies, since };
    }
}

#[cfg(test)]
#[path = "policy/tests.rs"]
mod tests;
