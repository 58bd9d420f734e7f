//! Makes asking many rules quick: prohibitions are asked in groups, and one by one only where a group objects.
//!
//! Cedar puts every rule's head and conditions together anew whenever it asks it, which costs more than evaluating
//! them. A fused rule forbids where any rule of its group does, or where one of them cannot be asked, so a group that
//! keeps silent keeps silent as a whole: what is answered is exactly what asking one by one would answer.

use cedar_policy::{
    AuthorizationError, Authorizer, Effect, Entities, Policy, PolicyId, PolicySet, Request, Response,
};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};

/// How many rules are asked as one. More make a silent group cheaper, fewer an objection.
const GROUP: usize = 32;

/// The rules that can have a say in one action.
pub(super) struct Fused {
    /// All permits, and a fused rule for each group of prohibitions.
    first: PolicySet,
    /// The prohibitions of each group, by the id of its fused rule.
    groups: HashMap<PolicyId, PolicySet>,
    /// The entities that rules name: kind and id.
    named: HashMap<String, HashSet<String>>,
}

/// What the rules said, before it is known as rules.
#[derive(Default)]
pub(super) struct Said {
    /// The rules that permit, or if any forbids, those.
    pub permits: Vec<PolicyId>,
    /// The rules that forbid.
    pub forbids: Vec<PolicyId>,
    /// Rules that could not be asked, and why.
    pub failed: Vec<(PolicyId, String)>,
}

impl Fused {
    /// Prepares `policies`, which all concern one action.
    pub(super) fn of(policies: Vec<Policy>) -> Result<Self, String> {
        let told = |error: cedar_policy::PolicySetError| error.to_string();
        let mut named = HashMap::new();
        for policy in &policies {
            collect_named(&policy.to_json().map_err(|error| error.to_string())?, &mut named);
        }
        let (permits, forbids): (Vec<_>, Vec<_>) = policies
            .into_iter()
            .partition(|policy| policy.effect() == Effect::Permit);
        let mut first = PolicySet::from_policies(permits).map_err(told)?;
        let mut groups = HashMap::new();
        for (number, group) in forbids.chunks(GROUP).enumerate() {
            // No rule of a file has such an id: theirs are FILE:LINE.
            let id = PolicyId::new(format!("group {number}"));
            first.add(fuse(&id, group)?).map_err(told)?;
            let members = PolicySet::from_policies(group.iter().cloned()).map_err(told)?;
            groups.insert(id, members);
        }
        Ok(Self { first, groups, named })
    }

    /// Whether a rule names this entity. What none names need not be among the ancestors of what is asked about.
    pub(super) fn names(&self, kind: &str, id: &str) -> bool {
        self.named.get(kind).is_some_and(|ids| ids.contains(id))
    }

    /// Asks all rules.
    pub(super) fn ask(&self, request: &Request, entities: &Entities) -> Said {
        let mut said = Said::default();
        for (id, error) in self.take(&ask(request, &self.first, entities), &mut said) {
            let Some(members) = self.groups.get(&id) else {
                said.failed.extend(error.map(|error| (id, error)));
                continue;
            };
            let response = ask(request, members, entities);
            said.forbids.extend(response.diagnostics().reason().cloned());
            said.failed.extend(errors(&response));
        }
        said
    }

    /// Takes the permits of the first answer; gives the groups to be asked one by one, and what could not be asked.
    fn take(&self, response: &Response, said: &mut Said) -> Vec<(PolicyId, Option<String>)> {
        let mut open: Vec<_> = errors(response).map(|(id, error)| (id, Some(error))).collect();
        for id in response.diagnostics().reason() {
            match self.groups.contains_key(id) {
                true => open.push((id.clone(), None)),
                false => said.permits.push(id.clone()),
            }
        }
        open
    }
}

fn ask(request: &Request, policies: &PolicySet, entities: &Entities) -> Response {
    Authorizer::new().is_authorized(request, policies, entities)
}

fn errors(response: &Response) -> impl Iterator<Item = (PolicyId, String)> {
    response.diagnostics().errors().map(|error| match error {
        AuthorizationError::PolicyEvaluationError(error) => (error.policy_id().clone(), error.to_string()),
    })
}

/// One rule that forbids where any of `group` does. That they concern the action is known already.
fn fuse(id: &PolicyId, group: &[Policy]) -> Result<Policy, String> {
    let mut conditions = Vec::with_capacity(group.len());
    for policy in group {
        conditions.push(condition(&policy.to_json().map_err(|error| error.to_string())?)?);
    }
    let all = json!({ "op": "All" });
    let fused = json!({
        "effect": "forbid", "principal": all, "action": all, "resource": all,
        "conditions": [{ "kind": "when", "body": joined("||", conditions) }],
    });
    Policy::from_json(Some(id.clone()), fused).map_err(|error| error.to_string())
}

/// Every entity that stands in a rule, in its head or its conditions.
fn collect_named(json: &Value, named: &mut HashMap<String, HashSet<String>>) {
    match json {
        Value::Object(members) => {
            if let (Some(Value::String(kind)), Some(Value::String(id))) =
                (members.get("type"), members.get("id"))
            {
                named.entry(kind.clone()).or_default().insert(id.clone());
            }
            members.values().for_each(|value| collect_named(value, named));
        }
        Value::Array(values) => values.iter().for_each(|value| collect_named(value, named)),
        _ => {}
    }
}

/// When a rule applies: its head, but for the action, and its conditions.
fn condition(policy: &Value) -> Result<Value, String> {
    let mut parts = Vec::new();
    for variable in ["principal", "resource"] {
        parts.extend(head(variable, &policy[variable])?);
    }
    for condition in policy["conditions"].as_array().into_iter().flatten() {
        let body = condition["body"].clone();
        parts.push(match condition["kind"].as_str() {
            Some("when") => body,
            Some("unless") => json!({ "!": { "arg": body } }),
            other => return Err(format!("a condition of kind {other:?}")),
        });
    }
    if parts.is_empty() {
        return Ok(json!({ "Value": true }));
    }
    // Left before right, as Cedar goes through them: what comes later may rely on what came before.
    let first = parts.remove(0);
    Ok(parts
        .into_iter()
        .fold(first, |left, right| pair("&&", left, right)))
}

/// What a rule's head asks of a variable, if anything.
fn head(variable: &str, scope: &Value) -> Result<Option<Value>, String> {
    let subject = json!({ "Var": variable });
    let entity = |scope: &Value| json!({ "Value": { "__entity": scope["entity"] } });
    Ok(match scope["op"].as_str() {
        Some("All") => None,
        Some(op @ ("==" | "in")) => Some(pair(op, subject, entity(scope))),
        Some("is") => {
            let kind = &scope["entity_type"];
            Some(match &scope["in"] {
                Value::Null => json!({ "is": { "left": subject, "entity_type": kind } }),
                within => json!({ "is": { "left": subject, "entity_type": kind, "in": entity(within) } }),
            })
        }
        other => return Err(format!("a head with {other:?}")),
    })
}

fn pair(op: &str, left: Value, right: Value) -> Value {
    json!({ op: { "left": left, "right": right } })
}

/// All of them under one operator, as a tree that is no deeper than it must be.
fn joined(op: &str, mut parts: Vec<Value>) -> Value {
    match parts.len() {
        0 => json!({ "Value": false }),
        1 => parts.remove(0),
        count => {
            let right = parts.split_off(count / 2);
            pair(op, joined(op, parts), joined(op, right))
        }
    }
}

#[cfg(test)]
#[path = "fused/tests.rs"]
mod tests;
