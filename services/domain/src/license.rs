//! Licenses as facts: what each permits for which purpose, under which conditions, and what it obliges to.
//!
//! A license is a file in `policies/licenses/`. The exact text of its terms is not here: it comes with the
//! weights and is kept by digest.

use crate::{
    digest::Sha256,
    names::LicenseName,
    policy::{self, BadPolicies, FileKind, PolicyFault, PolicyFile},
    purpose::Purpose,
    territory::{Territories, Territory},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use time::OffsetDateTime;

/// Whether a license lets a purpose be pursued at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// Yes, under the conditions.
    Permitted,
    /// Nobody has established it. Treated as a refusal, never as freedom.
    Unknown,
    /// No.
    Prohibited,
}

impl Permission {
    /// What is left when both must hold: the narrower of the two.
    pub fn and(self, other: Permission) -> Permission {
        self.max(other)
    }

    /// The word in files, JSON and rules.
    pub fn as_str(self) -> &'static str {
        match self {
            Permission::Permitted => "permitted",
            Permission::Unknown => "unknown",
            Permission::Prohibited => "prohibited",
        }
    }
}

/// What must have happened before a permitted purpose may be pursued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// The tenant accepted the terms.
    Acceptance,
    /// The acceptance names the number under which the tenant registered with the licensor.
    Registration,
    /// A reviewer approved the acceptance.
    Review,
}

impl Condition {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Condition::Acceptance => "acceptance",
            Condition::Registration => "registration",
            Condition::Review => "review",
        }
    }
}

/// What a license obliges those to who use the model.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Duty {
    /// Keep the copyright notice.
    Notice,
    /// Show this text where the model's work is shown.
    Attribution {
        /// The words to show.
        text: String,
    },
    /// Pass on a copy of the terms.
    TermsCopy,
    /// Begin the names of derived models with this.
    NamePrefix {
        /// The beginning.
        prefix: String,
    },
}

impl Duty {
    /// What must be shown where the model's work is shown, if it is a duty to show something.
    pub fn notice(&self) -> Option<&str> {
        match self {
            Duty::Attribution { text } => Some(text),
            Duty::Notice | Duty::TermsCopy | Duty::NamePrefix { .. } => None,
        }
    }
}

/// What a license says about one purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PurposeFacts {
    /// Whether it is permitted.
    pub permission: Permission,
    /// What must have happened first.
    #[serde(default)]
    pub conditions: BTreeSet<Condition>,
    /// The moment from which it is not permitted any more; none if the license sets no end.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub until: Option<OffsetDateTime>,
    /// The territories in which alone it is permitted; none if the license does not say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub territories: Option<BTreeSet<Territory>>,
    /// The territories in which it is not permitted; none if the license leaves none out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub except_territories: Option<BTreeSet<Territory>>,
}

impl PurposeFacts {
    /// Where it is permitted; none if the license does not speak of territories.
    pub fn territories(&self) -> Option<Territories> {
        let only = self.territories.clone().map(Territories::Only);
        only.or_else(|| self.except_territories.clone().map(Territories::Except))
    }

    /// Why they cannot all be meant, if so.
    fn fault(&self, purpose: Purpose) -> Option<String> {
        let permitted = self.permission == Permission::Permitted;
        let lists = [&self.territories, &self.except_territories];
        let lists: Vec<_> = lists.into_iter().flatten().collect();
        let accepted = self.conditions.contains(&Condition::Acceptance);
        if !permitted && self.until.is_some() {
            return Some(format!("{purpose} has an end but is not permitted"));
        }
        if !permitted && !self.conditions.is_empty() {
            return Some(format!("{purpose} has conditions but is not permitted"));
        }
        if !permitted && !lists.is_empty() {
            return Some(format!("{purpose} has territories but is not permitted"));
        }
        if lists.len() > 1 || lists.iter().any(|list| list.is_empty()) {
            let rule = "name some territories, in `territories` or in `except_territories`";
            return Some(format!("{purpose}: {rule}"));
        }
        if !self.conditions.is_empty() && !accepted {
            let rule = "registration and review go with acceptance; add it";
            return Some(format!("{purpose}: {rule}"));
        }
        if !lists.is_empty() && !accepted {
            let rule = "the tenant's territory is named in its acceptance; add that condition";
            return Some(format!("{purpose}: {rule}"));
        }
        None
    }
}

static UNKNOWN: PurposeFacts = PurposeFacts {
    permission: Permission::Unknown,
    conditions: BTreeSet::new(),
    until: None,
    territories: None,
    except_territories: None,
};

/// A text of a license as its licensor published it, which facts can be held against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedText {
    /// Its digest.
    pub sha256: Sha256,
    /// Where it was read.
    pub source: String,
}

/// The facts of one license.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct License {
    /// Its id; also the name of its file.
    pub id: LicenseName,
    /// Its title.
    pub title: String,
    /// Its id in the SPDX license list, if it is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spdx: Option<String>,
    /// Where its text is published.
    pub source: String,
    /// Texts that its licensor is known to have published. Others may be right as well: line ends and headings differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub published: Vec<PublishedText>,
    /// Where its licensor takes registrations, if it asks for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_source: Option<String>,
    /// The law, and the courts, that it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub governing_law: Option<String>,
    /// Whether the licensor may take it back.
    pub revocable: bool,
    /// The owners whose own models are under it first, and so are no derived ones: their names are as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub licensors: Vec<String>,
    /// Uses that it forbids whatever the purpose.
    #[serde(default)]
    pub prohibitions: Vec<String>,
    /// What it obliges to.
    #[serde(default)]
    pub duties: Vec<Duty>,
    purposes: BTreeMap<Purpose, PurposeFacts>,
}

impl License {
    /// Reads the text of `file` (its name ends with `ID.toml`).
    pub fn read(file: &str, text: &str) -> Result<Self, PolicyFault> {
        let license: License =
            toml::from_str(text).map_err(|error| PolicyFault::of_toml(file, text, &error))?;
        // What is said in whole sections is told at the section's beginning.
        let at = |words: &str, why: String| PolicyFault::at(file, text, text.find(words).unwrap_or(0), why);
        let stem = file
            .rsplit('/')
            .next()
            .and_then(|name| name.strip_suffix(".toml"));
        if stem != Some(license.id.as_str()) {
            let why = format!("the id is {}, so the file must be named {0}.toml", license.id);
            return Err(at("id", why));
        }
        for (purpose, facts) in &license.purposes {
            if let Some(why) = facts.fault(*purpose) {
                return Err(at(&format!("[purposes.{purpose}]"), why));
            }
        }
        Ok(license)
    }

    /// What it says about `purpose`; a purpose that it does not mention is unknown.
    pub fn purpose(&self, purpose: Purpose) -> &PurposeFacts {
        self.purposes.get(&purpose).unwrap_or(&UNKNOWN)
    }

    /// Where its licensor published the text of this digest, if that is known.
    pub fn published_at(&self, sha256: &Sha256) -> Option<&str> {
        let text = self.published.iter().find(|text| text.sha256 == *sha256);
        text.map(|text| text.source.as_str())
    }

    /// What it says about every purpose.
    pub fn purposes(&self) -> BTreeMap<Purpose, &PurposeFacts> {
        Purpose::ALL
            .into_iter()
            .map(|purpose| (purpose, self.purpose(purpose)))
            .collect()
    }
}

/// All licenses that the hub knows.
#[derive(Debug, Clone, Default)]
pub struct Licenses(BTreeMap<LicenseName, Arc<License>>);

impl Licenses {
    /// The licenses that are compiled in.
    pub fn shipped() -> Result<Self, BadPolicies> {
        let files: Vec<PolicyFile> = policy::shipped()
            .filter(|file| file.kind() == Some(FileKind::License))
            .collect();
        Self::read(&files)
    }

    /// The licenses of some files. Two files cannot be of one license: the file's name is its id.
    pub fn read<'a>(files: impl IntoIterator<Item = &'a PolicyFile>) -> Result<Self, BadPolicies> {
        let (mut all, mut faults) = (BTreeMap::new(), Vec::new());
        for file in files {
            match License::read(&file.name, &file.text) {
                Ok(license) => {
                    all.insert(license.id.clone(), Arc::new(license));
                }
                Err(fault) => faults.push(fault),
            }
        }
        match faults.is_empty() {
            true => Ok(Self(all)),
            false => Err(BadPolicies(faults)),
        }
    }

    /// One license.
    pub fn get(&self, id: &LicenseName) -> Option<&Arc<License>> {
        self.0.get(id)
    }

    /// All, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<License>> {
        self.0.values()
    }
}

#[cfg(test)]
#[path = "license/tests.rs"]
mod tests;
