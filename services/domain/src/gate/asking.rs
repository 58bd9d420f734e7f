//! Asks the rules: the request and the judge's facts become a question in Cedar, the answer becomes reasons.

use super::{Facts, Reason, ReasonCode, Request, judge, judge::Objection};
use crate::{
    license::Permission,
    policy::{Rule, RuleEffect, Rules, Verdict, words},
    territory::Territory,
};
use cedar_policy::{Context, Entity, EntityUid, RestrictedExpression};
use std::collections::{BTreeSet, HashMap, HashSet};
use time::{UtcOffset, format_description::FormatItem, macros::format_description};

/// As Cedar reads a moment.
const MOMENT: &[FormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// What came of asking the rules.
#[derive(Debug)]
pub struct Judgement<'a> {
    /// Why not, nearest model first, then the organisation's own rules; none if it is allowed.
    pub reasons: Vec<Reason>,
    /// The rules that decided: those that forbid, or else those that permit.
    pub decided_by: Vec<&'a Rule>,
}

/// What was found out before the rules are asked.
pub(super) struct Found<'a> {
    /// What the whole lineage permits.
    pub permission: Permission,
    /// What stands open.
    pub objections: &'a [Objection],
    /// The territories that the tenant names where licenses ask for one.
    pub territories: BTreeSet<Territory>,
}

/// Asks `rules` whether `request` may go on.
pub(super) fn ask<'a>(
    rules: &'a Rules,
    request: &Request,
    facts: &Facts,
    found: &Found<'_>,
) -> Judgement<'a> {
    match verdict(rules, request, facts, found) {
        Ok(verdict) => Judgement {
            reasons: reasons(request, facts, found.objections, &verdict),
            decided_by: verdict.decided_by,
        },
        Err(error) => Judgement {
            reasons: vec![general(request, ReasonCode::RuleFailed, error, OPERATOR.into())],
            decided_by: Vec::new(),
        },
    }
}

const OPERATOR: &str = "tell the operator of the hub; its rules must be mended";

fn verdict<'a>(
    rules: &'a Rules,
    request: &Request,
    facts: &Facts,
    found: &Found<'_>,
) -> Result<Verdict<'a>, String> {
    let action = words::action("use");
    let (principal, resource) = (member(request), words::model(&request.model));
    let objections = found.objections.iter().map(|objection| objection.code.as_str());
    let objections: HashSet<&str> = objections.collect();
    let context = context(request, found, &objections)?;
    let asked = cedar_policy::Request::new(principal, action.clone(), resource, context, None)
        .map_err(|error| error.to_string())?;
    let entities = entities(rules, &action, request, facts)?;
    rules.ask(&action, &asked, &objections, entities)
}

fn member(request: &Request) -> EntityUid {
    words::member(&request.tenant, request.member.as_str())
}

fn context(request: &Request, found: &Found<'_>, objections: &HashSet<&str>) -> Result<Context, String> {
    let at = request.at.to_offset(UtcOffset::UTC);
    let at = at.format(MOMENT).map_err(|error| error.to_string())?;
    let metadata = request
        .metadata
        .iter()
        .map(|(key, value)| RestrictedExpression::new_string(format!("{key}={value}")));
    let pairs = [
        ("purpose", words::text(request.purpose.as_str())),
        ("permission", words::text(found.permission.as_str())),
        ("objections", words::texts(objections.iter().copied())),
        (
            "territories",
            words::texts(found.territories.iter().map(|territory| territory.as_str())),
        ),
        ("metadata", RestrictedExpression::new_set(metadata)),
        ("site", words::text(&request.site)),
        ("at", RestrictedExpression::new_datetime(at)),
    ];
    Context::from_pairs(pairs.map(|(key, value)| (key.to_owned(), value))).map_err(|error| error.to_string())
}

/// The member in its tenant, and the model below its licenses and ancestors: those that a rule names, since no other
/// can be asked for.
fn entities(
    rules: &Rules,
    action: &EntityUid,
    request: &Request,
    facts: &Facts,
) -> Result<[Entity; 2], String> {
    let tenant = words::tenant(&request.tenant);
    let attributes = HashMap::from([
        (
            "tenant".to_owned(),
            RestrictedExpression::new_entity_uid(tenant.clone()),
        ),
        ("name".to_owned(), words::text(request.member.as_str())),
    ]);
    let member = Entity::new(member(request), attributes, HashSet::from([tenant]));
    let owner = words::owner(request.model.owner());
    let attributes = HashMap::from([
        (
            "owner".to_owned(),
            RestrictedExpression::new_entity_uid(owner.clone()),
        ),
        ("name".to_owned(), words::text(request.model.name())),
    ]);
    let mut above = HashSet::from([owner]);
    for licensed in &facts.lineage {
        let name = licensed.model.as_str();
        if licensed.model != request.model && rules.names(action, "Model", name) {
            above.insert(words::model(&licensed.model));
        }
        if let Some(license) = &licensed.license
            && rules.names(action, "License", license.as_str())
        {
            above.insert(words::license(license));
        }
    }
    let model = Entity::new(words::model(&request.model), attributes, above);
    let told = |error: cedar_policy::EntityAttrEvaluationError| error.to_string();
    Ok([member.map_err(told)?, model.map_err(told)?])
}

/// Why not. An objection stands whatever the rules say: rules can only add to what licenses ask for.
fn reasons(request: &Request, facts: &Facts, objections: &[Objection], verdict: &Verdict<'_>) -> Vec<Reason> {
    let forbids = || {
        let refusals = verdict
            .decided_by
            .iter()
            .filter(|rule| rule.effect == RuleEffect::Forbid);
        refusals.filter_map(|rule| Some((rule, rule.refusal.as_ref()?)))
    };
    let mut reasons = Vec::new();
    for objection in objections {
        let mut words = objection.words.clone();
        let spoke = forbids().find(|(_, refusal)| refusal.code == objection.code);
        let cure = spoke.map(|(rule, refusal)| {
            words.insert("rule", rule.place.clone());
            refusal.cure(&words)
        });
        reasons.push(Reason {
            code: objection.code.clone(),
            message: objection.message.clone(),
            cure: cure.unwrap_or_else(|| OPERATOR.into()),
            path: objection.path.clone(),
        });
    }
    let license = facts.lineage.first().and_then(|own| own.license.as_ref());
    for (rule, refusal) in forbids() {
        if objections.iter().any(|objection| objection.code == refusal.code) {
            continue;
        }
        let words = judge::words(request, &request.model, license, [("rule", rule.place.clone())]);
        let message = refusal.message(&words);
        reasons.push(Reason {
            code: refusal.code.clone(),
            message: message.unwrap_or_else(|| format!("the rule {} forbids it", rule.place)),
            cure: refusal.cure(&words),
            path: vec![request.model.clone()],
        });
    }
    for (rule, error) in &verdict.failed {
        let message = format!("the rule {} could not be asked: {error}", rule.place);
        reasons.push(general(request, ReasonCode::RuleFailed, message, OPERATOR.into()));
    }
    if reasons.is_empty() && !verdict.allowed {
        let message = format!("no rule permits {} of {}", request.purpose, request.model);
        let cure =
            "use another purpose if it is the true one, or ask the operator for a rule that permits it";
        reasons.push(general(request, ReasonCode::NoRulePermits, message, cure.into()));
    }
    reasons
}

/// A reason that no license and no forbid gives.
fn general(request: &Request, code: ReasonCode, message: String, cure: String) -> Reason {
    let path = vec![request.model.clone()];
    Reason {
        code,
        message,
        cure,
        path,
    }
}
