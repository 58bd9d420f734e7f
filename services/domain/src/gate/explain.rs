//! The whole way to the gate's answer, for people: what each license of the lineage says, what is accepted, which
//! rules spoke. An explanation is no decision: it allows nothing and is not recorded.

use super::{Facts, Outcome, Reason, Request, judge};
use crate::{
    digest::Sha256,
    id::AcceptanceId,
    license::{Condition, Duty, Permission},
    lineage::{self, Licensed},
    names::{LicenseName, ModelName},
    policy::{Policies, RuleEffect},
    territory::{Territories, Territory},
};
use serde::Serialize;
use std::collections::BTreeSet;

/// How an answer comes about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// Which way it goes.
    pub outcome: Outcome,
    /// The policies under which it goes that way.
    pub policies_sha256: Sha256,
    /// What the whole lineage permits for the purpose.
    pub permission: Permission,
    /// The model and its ancestors, nearest first.
    pub lineage: Vec<Step>,
    /// The rules that decided: those that forbid, or else those that permit.
    pub rules: Vec<Spoken>,
    /// Why not; none if it is allowed.
    pub reasons: Vec<Reason>,
    /// What the lineage obliges to.
    pub duties: Vec<DutyOf>,
}

/// One model of the lineage.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// The model.
    pub model: ModelName,
    /// From the model that was asked for (first) to this one (last).
    pub path: Vec<ModelName>,
    /// Its license, if it is registered.
    pub license: Option<LicenseName>,
    /// The text that came with its weights, if it is here.
    pub terms_sha256: Option<Sha256>,
    /// What its license says of the purpose.
    pub permission: Permission,
    /// What must have happened first.
    pub conditions: BTreeSet<Condition>,
    /// Where it is permitted; none if the license does not speak of that.
    pub territories: Option<Territories>,
    /// The tenant's acceptances of its license for the purpose.
    pub acceptances: Vec<Held>,
}

/// An acceptance that bears on a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Held {
    /// Which.
    pub id: AcceptanceId,
    /// What it has come to.
    pub state: &'static str,
    /// Whether it is of the text that came with the model; true where no text is here.
    pub of_this_text: bool,
    /// Where it says that the tenant is.
    pub territory: Option<Territory>,
}

/// A rule that decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Spoken {
    /// Where it stands: FILE:LINE.
    pub rule: String,
    /// Which way it speaks.
    pub effect: RuleEffect,
}

/// A duty, with the way to the model whose license causes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DutyOf {
    /// What.
    pub duty: Duty,
    /// From the model that was asked for (first) to the one whose license obliges (last).
    pub path: Vec<ModelName>,
}

/// Explains what [`super::decide`] would answer.
pub fn explain(policies: &Policies, request: &Request, facts: &Facts) -> Explanation {
    let judgement = judge(policies, request, facts);
    let licenses = policies.licenses();
    let spoken = judgement.decided_by.iter().map(|rule| Spoken {
        rule: rule.place.clone(),
        effect: rule.effect,
    });
    let duties = lineage::duties(&facts.lineage, licenses).into_iter();
    let steps = facts.lineage.iter().enumerate();
    Explanation {
        outcome: match judgement.reasons.is_empty() {
            true => Outcome::Allowed,
            false => Outcome::Refused,
        },
        policies_sha256: policies.sha256(),
        permission: lineage::permission(&facts.lineage, licenses, request.purpose),
        lineage: steps
            .map(|(place, licensed)| step(policies, request, facts, place, licensed))
            .collect(),
        rules: spoken.collect(),
        reasons: judgement.reasons,
        duties: duties
            .map(|(duty, place)| DutyOf {
                duty,
                path: lineage::path(&facts.lineage, place),
            })
            .collect(),
    }
}

fn step(policies: &Policies, request: &Request, facts: &Facts, place: usize, licensed: &Licensed) -> Step {
    let license = licensed
        .license
        .as_ref()
        .and_then(|id| policies.licenses().get(id));
    let held = facts.acceptances.iter().filter(|held| {
        held.tenant == request.tenant
            && Some(&held.license) == licensed.license.as_ref()
            && held.purposes.contains(&request.purpose)
    });
    Step {
        model: licensed.model.clone(),
        path: lineage::path(&facts.lineage, place),
        license: licensed.license.clone(),
        terms_sha256: licensed.terms_sha256,
        permission: licensed.permission(policies.licenses(), request.purpose),
        conditions: license.map_or_else(BTreeSet::new, |license| {
            license.purpose(request.purpose).conditions.clone()
        }),
        territories: license.and_then(|license| license.purpose(request.purpose).territories()),
        acceptances: held
            .map(|held| Held {
                id: held.id,
                state: held.phase(request.at).as_str(),
                of_this_text: licensed.terms_sha256.is_none_or(|text| text == held.terms_sha256),
                territory: held.territory,
            })
            .collect(),
    }
}
