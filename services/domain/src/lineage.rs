//! What a model was made from, and what follows from it for its license.

use crate::{
    digest::Sha256,
    license::{Duty, Licenses, Permission},
    names::{LicenseName, ModelName},
    purpose::Purpose,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// How a child came from its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// Training went on from the parent's weights, with or without new parts.
    Finetune,
    /// The parent's weights at another precision.
    Quantization,
    /// Small weights that only work on top of the parent's.
    Adapter,
    /// Weights mixed from several parents.
    Merge,
    /// Trained on what the parent said.
    Distillation,
}

impl Relation {
    /// Every relation.
    pub const ALL: [Relation; 5] = [
        Relation::Finetune,
        Relation::Quantization,
        Relation::Adapter,
        Relation::Merge,
        Relation::Distillation,
    ];

    /// The word in JSON and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Relation::Finetune => "finetune",
            Relation::Quantization => "quantization",
            Relation::Adapter => "adapter",
            Relation::Merge => "merge",
            Relation::Distillation => "distillation",
        }
    }

    /// The relation of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|relation| relation.as_str() == word)
    }
}

/// One step of descent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineageEdge {
    /// What was made from.
    pub parent: ModelName,
    /// What was made.
    pub child: ModelName,
    /// How.
    pub relation: Relation,
    /// Where it is said.
    pub evidence: String,
}

/// A model whose license bears on a revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Licensed {
    /// The model.
    pub model: ModelName,
    /// Its license; none if the model is not registered here, so that nobody knows it.
    pub license: Option<LicenseName>,
    /// The text of that license that came with its weights, if some are here.
    pub terms_sha256: Option<Sha256>,
    /// The place, in the same list, of the child through which it was reached; none for the model itself.
    pub through: Option<usize>,
}

/// The model itself, then every ancestor once, nearest first. For each the place of the child through
/// which it was reached first. Ends on cycles too.
pub fn descent(model: &ModelName, edges: &[LineageEdge]) -> Vec<(ModelName, Option<usize>)> {
    let mut parents: HashMap<&ModelName, BTreeSet<&ModelName>> = HashMap::new();
    for edge in edges {
        parents.entry(&edge.child).or_default().insert(&edge.parent);
    }
    let mut seen = HashSet::from([model]);
    let mut found = vec![(model, None)];
    let mut place = 0;
    while let Some(&(child, _)) = found.get(place) {
        for parent in parents.get(child).into_iter().flatten() {
            if seen.insert(parent) {
                found.push((parent, Some(place)));
            }
        }
        place += 1;
    }
    found
        .into_iter()
        .map(|(name, through)| (name.clone(), through))
        .collect()
}

/// The way from the model itself (first) to the one at `place` (last).
pub fn path(lineage: &[Licensed], place: usize) -> Vec<ModelName> {
    let mut names = Vec::new();
    let mut next = Some(place);
    // A well-formed list leads strictly forward; the bound keeps any other from looping.
    while let Some(licensed) = next
        .and_then(|at| lineage.get(at))
        .filter(|_| names.len() < lineage.len())
    {
        names.push(licensed.model.clone());
        next = licensed.through;
    }
    names.reverse();
    names
}

impl Licensed {
    /// Whether its license permits `purpose`. What has no facts in `licenses` is unknown.
    pub fn permission(&self, licenses: &Licenses, purpose: Purpose) -> Permission {
        let facts = self.license.as_ref().and_then(|id| licenses.get(id));
        facts.map_or(Permission::Unknown, |license| license.purpose(purpose).permission)
    }
}

/// What the whole lineage permits for `purpose`: only what every license in it permits.
/// An empty lineage permits nothing.
pub fn permission(lineage: &[Licensed], licenses: &Licenses, purpose: Purpose) -> Permission {
    let all = lineage
        .iter()
        .map(|licensed| licensed.permission(licenses, purpose));
    all.reduce(Permission::and).unwrap_or(Permission::Unknown)
}

/// Every duty of the whole lineage once, with the place of the nearest model that causes it.
pub fn duties(lineage: &[Licensed], licenses: &Licenses) -> BTreeMap<Duty, usize> {
    let (mut all, mut seen) = (BTreeMap::new(), HashSet::new());
    for (place, licensed) in lineage.iter().enumerate() {
        // A license that was met nearer has nothing to add.
        let Some(id) = licensed.license.as_ref().filter(|id| seen.insert(*id)) else {
            continue;
        };
        for duty in licenses.get(id).map_or(&[][..], |license| &license.duties) {
            all.entry(duty.clone()).or_insert(place);
        }
    }
    all
}

#[cfg(test)]
#[path = "lineage/tests.rs"]
mod tests;
