//! Changes of a model's card: proposed by one member, and in force when others have agreed.
//!
//! Nobody agrees to an own proposal. Facts about the license decide who may use the model, so that two others have to
//! agree to them.

use crate::{
    card::{Card, FactName, FactSource, Review},
    model::Model,
    names::{LicenseName, MemberName, TenantName},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, fmt, str::FromStr};
use time::{Date, OffsetDateTime};

/// The most characters of why something is proposed, rejected or withdrawn.
pub const REASON_LIMIT: usize = 1000;

/// What a change may change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardFacts {
    /// The license.
    pub license: NamedLicense,
    /// Everything else.
    pub card: Card,
}

/// A license, and how it is known that the model is under it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedLicense {
    /// Its name.
    pub id: LicenseName,
    /// Where it is said.
    pub source: String,
}

/// A field that another value is proposed for; `null` is nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Its name, such as `context_tokens`, `license.id` or `sources.parameters`.
    pub field: String,
    /// What it was.
    pub before: Value,
    /// What it shall be.
    pub after: Value,
}

/// What is true of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeState {
    /// Others have to agree.
    Proposed,
    /// It was put in force.
    Approved,
    /// Somebody was against it.
    Rejected,
    /// Who proposed it took it back.
    Withdrawn,
}

impl ChangeState {
    /// The word in JSON and the records.
    pub fn as_str(self) -> &'static str {
        match self {
            ChangeState::Proposed => "proposed",
            ChangeState::Approved => "approved",
            ChangeState::Rejected => "rejected",
            ChangeState::Withdrawn => "withdrawn",
        }
    }
}

/// The word names no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a change is proposed, approved, rejected or withdrawn")]
pub struct BadChangeState;

impl FromStr for ChangeState {
    type Err = BadChangeState;

    fn from_str(text: &str) -> Result<Self, BadChangeState> {
        [Self::Proposed, Self::Approved, Self::Rejected, Self::Withdrawn]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or(BadChangeState)
    }
}

/// A member of some tenant: cards are of all tenants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// Its tenant.
    pub tenant: TenantName,
    /// Its name there.
    pub member: MemberName,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.member, self.tenant)
    }
}

/// Somebody agreed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Who.
    #[serde(flatten)]
    pub by: Who,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// Why nothing can be proposed so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unproposable {
    /// It is as it is.
    #[error("nothing differs from the card as it is")]
    Same,
    /// A fact without where, or when, it was read anew.
    #[error("{} changes, and `sources` does not say where and when it was read anew", .0.as_str())]
    Unsourced(FactName),
    /// How the license is known says nothing, or too much.
    #[error("`license.source` has 1 to 1000 characters")]
    License,
}

/// Why somebody's approval does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoApproval {
    /// It is over.
    #[error("the change is not open any more")]
    Over,
    /// Its own proposal.
    #[error("nobody agrees to an own proposal")]
    Own,
    /// It counts once.
    #[error("you have agreed already")]
    Twice,
}

impl CardFacts {
    /// Those of a model.
    pub fn of(model: &Model) -> Self {
        Self {
            license: NamedLicense {
                id: model.license.clone(),
                source: model.license_source.clone(),
            },
            card: model.card.clone(),
        }
    }

    /// What would differ from `now`. Who reviewed is not said by who proposes, and is made what it is `now`.
    pub fn propose(&mut self, now: &CardFacts) -> Result<Vec<Difference>, Unproposable> {
        self.card.review = now.card.review.clone();
        for (fact, source) in &mut self.card.sources {
            source.reviewed_by = match now.card.sources.get(fact) {
                Some(known) if is_same_place(known, source) => known.reviewed_by.clone(),
                _ => String::new(),
            };
        }
        let differences = differences(now, self);
        let is_text = |text: &str| !text.trim().is_empty() && text.chars().count() <= REASON_LIMIT;
        if differences.is_empty() {
            return Err(Unproposable::Same);
        }
        if !is_text(&self.license.source) {
            return Err(Unproposable::License);
        }
        let unsourced = differences
            .iter()
            .filter(|difference| !difference.after.is_null())
            .filter_map(|difference| fact_of(&difference.field))
            .find(|fact| !is_read_anew(self.card.sources.get(fact), now.card.sources.get(fact)));
        match unsourced {
            Some(fact) => Err(Unproposable::Unsourced(fact)),
            None => Ok(differences),
        }
    }

    /// The same, as those who agreed have reviewed it.
    pub fn reviewed(mut self, by: &[Approval], on: Date) -> Self {
        let names: Vec<String> = by.iter().map(|approval| approval.by.to_string()).collect();
        let names = names.join(", ");
        for source in self.card.sources.values_mut() {
            if source.reviewed_by.is_empty() {
                source.reviewed_by.clone_from(&names);
            }
        }
        self.card.review = Some(Review {
            by: names,
            on,
            policy: format!("changes of a card: agreed to by {}", by.len()),
        });
        self
    }
}

fn is_read_anew(now: Option<&FactSource>, before: Option<&FactSource>) -> bool {
    now.is_some_and(|now| !before.is_some_and(|before| is_same_place(before, now)))
}

fn is_same_place(one: &FactSource, other: &FactSource) -> bool {
    (&one.source, one.seen) == (&other.source, other.seen)
}

/// The fact that a field is about, if it has a source of its own.
pub fn fact_of(field: &str) -> Option<FactName> {
    match field {
        "license.id" => Some(FactName::License),
        "parameters" => Some(FactName::Parameters),
        "released" => Some(FactName::Released),
        "context_tokens" => Some(FactName::ContextTokens),
        "modality" => Some(FactName::Modality),
        "family" => Some(FactName::Family),
        "shape" => Some(FactName::Shape),
        "strengths" | "weaknesses" => Some(FactName::Qualities),
        _ => None,
    }
}

/// How many others have to agree to these differences.
pub fn approvals_needed(differences: &[Difference]) -> usize {
    let is_of_license = |difference: &Difference| {
        let field = difference.field.as_str();
        field.starts_with("license.") || field == "sources.license" || field == "sources.parents"
    };
    match differences.iter().any(is_of_license) {
        true => 2,
        false => 1,
    }
}

/// Whether the approval of `who` counts for an open change.
pub fn may_approve(proposed_by: &Who, approvals: &[Approval], who: &Who) -> Result<(), NoApproval> {
    if who == proposed_by {
        return Err(NoApproval::Own);
    }
    match approvals.iter().any(|approval| approval.by == *who) {
        true => Err(NoApproval::Twice),
        false => Ok(()),
    }
}

fn differences(before: &CardFacts, after: &CardFacts) -> Vec<Difference> {
    let (before, after) = (fields(before), fields(after));
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let value = |fields: &BTreeMap<String, Value>, name| fields.get(name).cloned().unwrap_or_default();
    names
        .into_iter()
        .map(|name| Difference {
            field: name.clone(),
            before: value(&before, name),
            after: value(&after, name),
        })
        .filter(|difference| difference.before != difference.after)
        .collect()
}

/// Every field by its name; what has fields of its own, by theirs.
fn fields(facts: &CardFacts) -> BTreeMap<String, Value> {
    let object = |value: serde_json::Result<Value>| match value {
        Ok(Value::Object(object)) => object,
        _ => Map::new(),
    };
    let mut all = BTreeMap::new();
    let mut put = |prefix: &str, object: Map<String, Value>| {
        for (name, value) in object {
            all.insert(format!("{prefix}{name}"), value);
        }
    };
    put("license.", object(serde_json::to_value(&facts.license)));
    let mut card = object(serde_json::to_value(&facts.card));
    for name in ["sources", "chinese"] {
        if let Some(Value::Object(inner)) = card.remove(name) {
            put(&format!("{name}."), inner);
        }
    }
    put("", card);
    all
}

#[cfg(test)]
mod tests;
