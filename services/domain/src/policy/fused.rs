//! Makes asking many rules quick: prohibitions are asked in groups, and one by one only where a group objects.
//!
//! Cedar puts every rule's head and conditions together anew whenever it asks it, which costs more than evaluating
//! them. A fused rule forbids where any rule of its group does, or where one of them cannot be asked, so a group that
//! keeps silent keeps silent as a whole: what is answered is exactly what asking one by one would answer.
//!
//! Prohibitions that are about one principal or resource, or one objection of the licenses, are grouped by it, and not
//! asked at all where the question is about others: such rules cost those whom they do not concern nothing.

mod condition;
mod constants;
mod subject;

use cedar_policy::{
    AuthorizationError, Authorizer, Decision, Effect, Entities, Entity, Policy, PolicyId, PolicySet, Request,
    Response,
};
use constants::Constants;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};
use subject::Subject;

/// How many rules are asked as one, and then, where such a group objects, how many of those. More make a silent group
/// cheaper, fewer an objection.
const GROUPS: [usize; 2] = [64, 8];

/// The rules that can have a say in one action.
pub(super) struct Fused {
    /// All permits, and a fused rule for each group of prohibitions that may concern everybody.
    first: PolicySet,
    /// Prohibitions about one subject, fused where they are several.
    about: HashMap<Subject, PolicySet>,
    /// What fused rules need beside the question's own entities.
    constants: Option<Entity>,
    /// What each group consists of, by the id of its fused rule: smaller groups, or prohibitions.
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
        let mut fused = Self {
            first: PolicySet::new(),
            about: HashMap::new(),
            constants: None,
            groups: HashMap::new(),
            named: HashMap::new(),
        };
        let mut sliced: BTreeMap<Option<Subject>, Vec<Policy>> = BTreeMap::new();
        for policy in policies {
            let json = policy.to_json().map_err(|error| error.to_string())?;
            collect_named(&json, &mut fused.named);
            match policy.effect() {
                Effect::Permit => fused.first.add(policy).map_err(told)?,
                Effect::Forbid => sliced.entry(subject::of(&json)).or_default().push(policy),
            }
        }
        let mut constants = Constants::default();
        for (subject, policies) in sliced {
            let set = fused.grouped(&policies, &GROUPS, &mut constants)?;
            match subject {
                Some(subject) => drop(fused.about.insert(subject, set)),
                None => drop(fused.first.merge(&set, false).map_err(told)?),
            }
        }
        fused.constants = constants.entity()?;
        Ok(fused)
    }

    /// `policies` as fused rules of the first size, each of which consists of fused rules of the next.
    fn grouped(
        &mut self,
        policies: &[Policy],
        sizes: &[usize],
        constants: &mut Constants,
    ) -> Result<PolicySet, String> {
        let told = |error: cedar_policy::PolicySetError| error.to_string();
        let [size, smaller @ ..] = sizes else {
            return PolicySet::from_policies(policies.iter().cloned()).map_err(told);
        };
        if let [one] = policies {
            return PolicySet::from_policies([one.clone()]).map_err(told);
        }
        let mut set = PolicySet::new();
        for group in policies.chunks(*size) {
            let members = self.grouped(group, smaller, constants)?;
            // No rule of a file has such an id: theirs are FILE:LINE.
            let id = PolicyId::new(format!("group {}", self.groups.len()));
            set.add(fuse(&id, group, constants)?).map_err(told)?;
            self.groups.insert(id, members);
        }
        Ok(set)
    }

    /// Whether a rule names this entity. What none names need not be among the ancestors of what is asked about.
    pub(super) fn names(&self, kind: &str, id: &str) -> bool {
        self.named.get(kind).is_some_and(|ids| ids.contains(id))
    }

    /// Asks all rules that can concern the question. `objections` are those of its context.
    pub(super) fn ask(
        &self,
        request: &Request,
        objections: &HashSet<&str>,
        entities: impl IntoIterator<Item = Entity>,
    ) -> Result<Said, String> {
        let entities = entities.into_iter().chain(self.constants.clone());
        let entities = Entities::from_entities(entities, None).map_err(|error| error.to_string())?;
        let mut said = Said::default();
        let concerned = std::iter::once(&self.first).chain(self.concerned(request, objections, &entities));
        for policies in concerned {
            self.take(request, policies, &entities, &mut said);
        }
        Ok(said)
    }

    /// Asks `policies`, and what the groups among them consist of where these object or cannot be asked.
    fn take(&self, request: &Request, policies: &PolicySet, entities: &Entities, said: &mut Said) {
        let response = ask(request, policies, entities);
        for id in response.diagnostics().reason() {
            match (self.groups.get(id), response.decision()) {
                (Some(members), _) => self.take(request, members, entities, said),
                (None, Decision::Allow) => said.permits.push(id.clone()),
                (None, Decision::Deny) => said.forbids.push(id.clone()),
            }
        }
        for (id, error) in errors(&response) {
            match self.groups.get(&id) {
                Some(members) => self.take(request, members, entities, said),
                None => said.failed.push((id, error)),
            }
        }
    }

    /// The rules about the question's principal or resource, about what these are in, and about its objections.
    fn concerned<'a>(
        &'a self,
        request: &Request,
        objections: &HashSet<&str>,
        entities: &Entities,
    ) -> Vec<&'a PolicySet> {
        if self.about.is_empty() {
            return Vec::new();
        }
        let mut subjects: Vec<Subject> = objections
            .iter()
            .map(|code| Subject::Objection((*code).to_owned()))
            .collect();
        for of in [request.principal(), request.resource()].into_iter().flatten() {
            let above = entities.ancestors(of).into_iter().flatten();
            subjects.extend(std::iter::once(of).chain(above).cloned().map(Subject::Entity));
        }
        subjects
            .iter()
            .filter_map(|subject| self.about.get(subject))
            .collect()
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
fn fuse(id: &PolicyId, group: &[Policy], constants: &mut Constants) -> Result<Policy, String> {
    let mut conditions = Vec::with_capacity(group.len());
    for policy in group {
        let whole = condition::of(&policy.to_json().map_err(|error| error.to_string())?)?;
        conditions.push(constants.replace(whole));
    }
    let all = json!({ "op": "All" });
    let fused = json!({
        "effect": "forbid", "principal": all, "action": all, "resource": all,
        "conditions": [{ "kind": "when", "body": condition::joined("||", conditions) }],
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

#[cfg(test)]
#[path = "fused/tests.rs"]
mod tests;
