//! The terms that a revision is really under: what the licenses of its whole lineage come to together.
//!
//! Permissions and territories intersect, the earliest end counts, conditions, duties and prohibitions unite, and what is unknown anywhere is unknown, never
//! free. Everything tells the nearest model that causes it, and the way to it.

use crate::{
    digest::Sha256,
    language::Language,
    license::{Condition, Duty, License, Licenses, Permission},
    lineage::{self, Licensed},
    names::{LicenseName, ModelName},
    purpose::Purpose,
    territory::Territories,
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    hash::Hash,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Where something comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// The license that says it; none if it is not known under which license the last model of the path is.
    pub license: Option<LicenseName>,
    /// From the model itself (first) to the one whose license it is (last).
    pub path: Vec<ModelName>,
}

/// Something with where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Caused<T> {
    /// What.
    #[serde(flatten)]
    pub what: T,
    /// From where.
    #[serde(flatten)]
    pub cause: Cause,
}

/// What must have happened before a purpose.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Asked {
    /// What.
    pub condition: Condition,
}

/// The end of a permission.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Ending {
    /// From when it is not permitted any more.
    #[serde(with = "time::serde::rfc3339")]
    pub until: OffsetDateTime,
}

/// A use that is forbidden whatever the purpose.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Forbidden {
    /// Which.
    pub prohibition: String,
}

/// What the lineage says about one purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EffectivePurpose {
    /// The narrowest permission in it.
    pub permission: Permission,
    /// The nearest model that narrows it so; none if it is permitted.
    pub because: Option<Cause>,
    /// What must have happened first, for each license of its own.
    pub conditions: Vec<Caused<Asked>>,
    /// The earliest end of all, with the nearest license that sets it; none if none sets one.
    pub ends: Option<Caused<Ending>>,
    /// Where every license permits it; none if none speaks of territories.
    pub territories: Option<Territories>,
    /// What each license says of territories.
    pub clauses: Vec<Caused<Territories>>,
}

impl EffectivePurpose {
    /// What must have happened first, each thing once.
    pub fn asked(&self) -> BTreeSet<Condition> {
        self.conditions
            .iter()
            .map(|caused| caused.what.condition)
            .collect()
    }

    /// Until when and where it is permitted, in words of this language; nothing if it is not permitted at all.
    pub fn limits(&self, language: Language) -> Vec<String> {
        if self.permission != Permission::Permitted {
            return Vec::new();
        }
        let end = self.ends.as_ref().map(|ends| {
            let until = ends.what.until.format(&Rfc3339).unwrap_or_default();
            language.of(format!("until {until}"), format!("截至 {until}"))
        });
        let place = self.territories.as_ref().map(|these| these.told(language));
        end.into_iter().chain(place).collect()
    }
}

/// A model of the lineage with the text that came with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bearing {
    /// The model.
    pub model: ModelName,
    /// Its license, if it is known.
    pub license: Option<LicenseName>,
    /// The text that came with its weights.
    pub terms_sha256: Option<Sha256>,
}

/// See the module's text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EffectiveTerms {
    /// Every purpose.
    pub purposes: BTreeMap<Purpose, EffectivePurpose>,
    /// What it obliges to, each duty once.
    pub duties: Vec<Caused<Duty>>,
    /// What is forbidden, each once.
    pub prohibitions: Vec<Caused<Forbidden>>,
    /// The nearest license that may be taken back; none if none is known that may.
    pub revocable: Option<Cause>,
    /// The models whose licenses bear on it, nearest first.
    pub lineage: Vec<Bearing>,
}

/// The effective terms of the first model of `lineage`. Of an empty one nothing is known.
pub fn terms(lineage: &[Licensed], licenses: &Licenses) -> EffectiveTerms {
    let of = Lineage { lineage, licenses };
    let forbidden = |license: &License| {
        let each = license.prohibitions.iter().cloned();
        each.map(|prohibition| Forbidden { prohibition }).collect()
    };
    let revocable = of.first(|_, license| license.is_some_and(|license| license.revocable));
    EffectiveTerms {
        purposes: Purpose::ALL
            .into_iter()
            .map(|purpose| (purpose, of.purpose(purpose)))
            .collect(),
        duties: of.united(|license| license.duties.clone()),
        prohibitions: of.united(forbidden),
        revocable,
        lineage: lineage.iter().map(bearing).collect(),
    }
}

fn bearing(licensed: &Licensed) -> Bearing {
    Bearing {
        model: licensed.model.clone(),
        license: licensed.license.clone(),
        terms_sha256: licensed.terms_sha256,
    }
}

struct Lineage<'a> {
    lineage: &'a [Licensed],
    licenses: &'a Licenses,
}

impl<'a> Lineage<'a> {
    fn purpose(&self, purpose: Purpose) -> EffectivePurpose {
        let permission = lineage::permission(self.lineage, self.licenses, purpose);
        let narrows = |licensed: &Licensed, _: Option<&License>| {
            permission != Permission::Permitted && licensed.permission(self.licenses, purpose) == permission
        };
        let clauses = self.united(|license| license.purpose(purpose).territories().into_iter().collect());
        let left = clauses.iter().map(|clause| clause.what.clone());
        EffectivePurpose {
            permission,
            because: self.first(narrows),
            ends: self.ending(purpose),
            territories: left.reduce(|one, other| one.and(&other)),
            conditions: self.each_license(|license, cause| {
                let conditions = license.purpose(purpose).conditions.iter();
                let caused = |&condition| Caused {
                    what: Asked { condition },
                    cause: cause.clone(),
                };
                conditions.map(caused).collect()
            }),
            clauses,
        }
    }

    fn ending(&self, purpose: Purpose) -> Option<Caused<Ending>> {
        let ends = |license: &License| license.purpose(purpose).until.map(|until| Ending { until });
        let all = self.united(|license| ends(license).into_iter().collect());
        // The first of equal ones is the nearest.
        all.into_iter().min_by_key(|caused| caused.what.until)
    }

    fn license(&self, licensed: &Licensed) -> Option<&'a License> {
        self.licenses.get(licensed.license.as_ref()?).map(AsRef::as_ref)
    }

    fn cause(&self, place: usize) -> Cause {
        Cause {
            license: self
                .lineage
                .get(place)
                .and_then(|licensed| licensed.license.clone()),
            path: lineage::path(self.lineage, place),
        }
    }

    /// The nearest model that `holds`.
    fn first(&self, holds: impl Fn(&Licensed, Option<&License>) -> bool) -> Option<Cause> {
        let found = |licensed: &Licensed| holds(licensed, self.license(licensed));
        let place = self.lineage.iter().position(found)?;
        Some(self.cause(place))
    }

    /// What every license of the lineage says, at the nearest model under it.
    fn each_license<T>(&self, said: impl Fn(&License, &Cause) -> Vec<T>) -> Vec<T> {
        let (mut all, mut seen) = (Vec::new(), HashSet::new());
        for (place, licensed) in self.lineage.iter().enumerate() {
            if let Some(license) = self.license(licensed)
                && seen.insert(&license.id)
            {
                all.extend(said(license, &self.cause(place)));
            }
        }
        all
    }

    /// Each thing that any license says, once, with its nearest cause.
    fn united<T: Clone + Eq + Hash>(&self, said: impl Fn(&License) -> Vec<T>) -> Vec<Caused<T>> {
        let all = self.each_license(|license, cause| {
            let caused = |what| Caused {
                what,
                cause: cause.clone(),
            };
            said(license).into_iter().map(caused).collect()
        });
        let mut seen = HashSet::new();
        all.into_iter()
            .filter(|one| seen.insert(one.what.clone()))
            .collect()
    }
}

#[cfg(test)]
mod tests;
