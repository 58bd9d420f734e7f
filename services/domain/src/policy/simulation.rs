//! What other policies, or other terms, would have decided.
//!
//! A decision of the past is asked again with its own request (who, which model and revision, which purpose, the
//! batch's metadata, the hub's site, the moment) and with the facts of today (lineage, acceptances, texts). It is asked
//! twice, under the policies in force and under the others: the difference is what the change would do, whatever has
//! happened to the facts since.

use super::Policies;
use crate::{
    digest::Sha256,
    gate::{self, DecisionRecord, Facts, Outcome, Reason},
    id::DecisionId,
    names::{LicenseName, ModelName, TenantName},
    purpose::Purpose,
};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use time::OffsetDateTime;

/// A change that is only thought of.
#[derive(Debug)]
pub struct WhatIf<'a> {
    /// The policies in force.
    pub in_force: &'a Policies,
    /// The policies that might be.
    pub other: &'a Policies,
    /// Texts that licenses might come with: every model under one of them has it then.
    pub terms: BTreeMap<LicenseName, Sha256>,
}

/// A decision that would come out differently.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// The decision.
    pub decision_id: DecisionId,
    /// When it was taken.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The model.
    pub model: ModelName,
    /// The purpose.
    pub purpose: Purpose,
    /// How many jobs stand on it.
    pub jobs: u64,
    /// What was decided then.
    pub decided: Outcome,
    /// What the policies in force say with the facts of today.
    pub today: Outcome,
    /// What the others would say.
    pub would_be: Outcome,
    /// Why not, if they would refuse.
    pub reasons: Vec<Reason>,
}

/// What would change for one tenant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TenantChanges {
    /// The tenant.
    pub tenant: TenantName,
    /// How many decisions would come out differently.
    pub decisions: usize,
    /// How many jobs stand on them.
    pub jobs: u64,
    /// The models that they are about.
    pub models: BTreeSet<ModelName>,
    /// Each of them, newest first.
    pub changes: Vec<Change>,
}

impl WhatIf<'_> {
    /// What would change about a decision with the facts of today; nothing if its answer and reasons stay.
    pub fn change(&self, decided: &DecisionRecord, facts: &Facts, jobs: u64) -> Option<Change> {
        let request = &decided.request;
        let today = gate::judge(self.in_force, request, facts).reasons;
        let would_be = gate::judge(self.other, request, &self.with_terms(facts)).reasons;
        let same = today.len() == would_be.len()
            && today
                .iter()
                .zip(&would_be)
                .all(|(one, other)| one.code == other.code && one.path == other.path);
        if same {
            return None;
        }
        Some(Change {
            decision_id: decided.id,
            at: request.at,
            model: request.model.clone(),
            purpose: request.purpose,
            jobs,
            decided: decided.outcome,
            today: outcome(&today),
            would_be: outcome(&would_be),
            reasons: would_be,
        })
    }

    fn with_terms(&self, facts: &Facts) -> Facts {
        let mut facts = facts.clone();
        for licensed in &mut facts.lineage {
            let text = licensed
                .license
                .as_ref()
                .and_then(|license| self.terms.get(license));
            licensed.terms_sha256 = text.copied().or(licensed.terms_sha256);
        }
        facts
    }
}

fn outcome(reasons: &[Reason]) -> Outcome {
    match reasons.is_empty() {
        true => Outcome::Allowed,
        false => Outcome::Refused,
    }
}

/// Changes by tenant, in the order of names.
pub fn by_tenant(changes: impl IntoIterator<Item = (TenantName, Change)>) -> Vec<TenantChanges> {
    let mut grouped: BTreeMap<TenantName, Vec<Change>> = BTreeMap::new();
    for (tenant, change) in changes {
        grouped.entry(tenant).or_default().push(change);
    }
    let group = |(tenant, changes): (TenantName, Vec<Change>)| TenantChanges {
        tenant,
        decisions: changes.len(),
        jobs: changes.iter().map(|change| change.jobs).sum(),
        models: changes.iter().map(|change| change.model.clone()).collect(),
        changes,
    };
    grouped.into_iter().map(group).collect()
}
