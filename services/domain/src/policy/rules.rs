//! The rules in force: read from Cedar files, validated against the schema, and asked.

use super::{
    fault::{BadPolicies, PolicyFault},
    files::{self, PolicyFile},
    fused::Fused,
    rule::{Rule, RuleEffect},
    statements::statements,
};
use cedar_policy::{
    ActionConstraint, Entity, EntityUid, Policy, PolicyId, PolicySet, Request, Schema, ValidationMode,
    ValidationWarning, Validator,
};
use miette::Diagnostic;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fmt,
};

/// All rules, and for each action those that can have a say in it.
pub struct Rules {
    rules: BTreeMap<String, Rule>,
    by_action: HashMap<EntityUid, Fused>,
}

/// What the rules say to one question.
#[derive(Debug)]
pub struct Verdict<'a> {
    /// Whether a rule permits and none forbids, and all could be asked.
    pub allowed: bool,
    /// The rules that decided: those that forbid, or else those that permit. In the order of files and lines.
    pub decided_by: Vec<&'a Rule>,
    /// Rules that could not be asked, and why. One is enough for a no.
    pub failed: Vec<(&'a Rule, String)>,
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules")
            .field("rules", &self.rules.values())
            .finish_non_exhaustive()
    }
}

impl Rules {
    /// Reads and validates rule files; `shipped` tells which are the hub's own.
    pub fn read<'a>(
        rule_files: impl IntoIterator<Item = &'a PolicyFile>,
        shipped: impl Fn(&str) -> bool,
    ) -> Result<Self, BadPolicies> {
        let mut reading = Reading::default();
        for file in rule_files {
            reading.file(file, shipped(&file.name));
        }
        let schema = schema()?;
        let actions: Vec<EntityUid> = schema.actions().cloned().collect();
        reading.validate(schema)?;
        let by_action = actions.into_iter().map(|action| {
            let speak = reading
                .policies
                .iter()
                .filter(|policy| concerns(policy, &action))
                .cloned();
            let fused = Fused::of(speak.collect()).map_err(|error| PolicyFault::at("rules", "", 0, error))?;
            Ok((action, fused))
        });
        let by_action = by_action.collect::<Result<_, PolicyFault>>()?;
        Ok(Self {
            rules: reading.rules,
            by_action,
        })
    }

    /// Every rule, by place.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.values()
    }

    /// Whether a rule about `action` names the entity `kind::"id"`.
    pub(crate) fn names(&self, action: &EntityUid, kind: &str, id: &str) -> bool {
        self.by_action
            .get(action)
            .is_some_and(|fused| fused.names(kind, id))
    }

    /// What the rules say to `request`, whose entities are `entities`, and whose context has these `objections`. An
    /// action without rules is permitted by none.
    pub fn ask(
        &self,
        action: &EntityUid,
        request: &Request,
        objections: &HashSet<&str>,
        entities: impl IntoIterator<Item = Entity>,
    ) -> Result<Verdict<'_>, String> {
        let Some(fused) = self.by_action.get(action) else {
            return Ok(Verdict {
                allowed: false,
                decided_by: Vec::new(),
                failed: Vec::new(),
            });
        };
        let said = fused.ask(request, objections, entities)?;
        let rule = |id: &PolicyId| self.rules.get::<str>(id.as_ref());
        let deciding = match said.forbids.is_empty() {
            true => &said.permits,
            false => &said.forbids,
        };
        let mut decided_by: Vec<&Rule> = deciding.iter().filter_map(rule).collect();
        decided_by.sort_by(|one, other| one.place.cmp(&other.place));
        // A forbid that cannot be asked would be passed over; here it counts as a no.
        let failed = said
            .failed
            .into_iter()
            .filter_map(|(id, error)| Some((rule(&id)?, error)));
        let failed: Vec<_> = failed.collect();
        Ok(Verdict {
            allowed: said.forbids.is_empty() && !said.permits.is_empty() && failed.is_empty(),
            decided_by,
            failed,
        })
    }
}

/// The schema, parsed.
fn schema() -> Result<Schema, PolicyFault> {
    let text = files::schema();
    let (schema, _) = Schema::from_cedarschema_str(text)
        .map_err(|error| PolicyFault::at("schema.cedarschema", text, offset_in(&error), told(&error)))?;
    Ok(schema)
}

/// Whether a rule's head lets it have a say in `action`.
fn concerns(policy: &Policy, action: &EntityUid) -> bool {
    match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::In(actions) => actions.contains(action),
        ActionConstraint::Eq(only) => only == *action,
    }
}

/// Files on their way to being rules.
#[derive(Default)]
struct Reading<'a> {
    rules: BTreeMap<String, Rule>,
    policies: Vec<Policy>,
    /// Where each rule's text begins: file, its text, byte.
    places: HashMap<String, (&'a PolicyFile, usize)>,
    faults: Vec<PolicyFault>,
}

impl<'a> Reading<'a> {
    fn file(&mut self, file: &'a PolicyFile, shipped: bool) {
        for statement in statements(&file.text) {
            match Rule::read(&file.name, &file.text, statement, shipped) {
                Ok((rule, _)) if self.rules.contains_key(&rule.place) => self.faults.push(PolicyFault::at(
                    &file.name,
                    &file.text,
                    statement.offset,
                    "two rules begin on this line: begin each on a line of its own",
                )),
                Ok((rule, policy)) => {
                    self.places.insert(rule.place.clone(), (file, statement.offset));
                    self.rules.insert(rule.place.clone(), rule);
                    self.policies.push(policy);
                }
                Err(fault) => self.faults.push(fault),
            }
        }
    }

    /// Holds the rules against the schema, and checks that every objection of the judge has its prohibition.
    fn validate(&mut self, schema: Schema) -> Result<(), BadPolicies> {
        let set = PolicySet::from_policies(self.policies.iter().cloned())
            .map_err(|error| PolicyFault::at("rules", "", 0, error))?;
        let validated = Validator::new(schema).validate(&set, ValidationMode::Strict);
        let wrong: BTreeSet<&PolicyId> = validated
            .validation_errors()
            .map(|error| error.policy_id())
            .collect();
        let errors = validated
            .validation_errors()
            .map(|error| self.fault(error.policy_id(), error));
        // A rule that can never apply is a slip; of one that is wrong anyway it would only be noise.
        let never = validated.validation_warnings().filter(|warning| {
            let impossible = matches!(
                warning,
                ValidationWarning::ImpossiblePolicy(_) | ValidationWarning::InvalidActionApplication(_)
            );
            impossible && !wrong.contains(warning.policy_id())
        });
        let never = never.map(|warning| self.fault(warning.policy_id(), warning));
        let mut faults: Vec<PolicyFault> = errors.chain(never).collect();
        self.faults.append(&mut faults);
        self.faults.sort();
        match self.faults.is_empty() {
            true => Ok(()),
            false => Err(BadPolicies(std::mem::take(&mut self.faults))),
        }
    }

    fn fault(&self, id: &PolicyId, error: &(impl Diagnostic + fmt::Display)) -> PolicyFault {
        match self.places.get::<str>(id.as_ref()) {
            Some((file, start)) => PolicyFault::at(
                &file.name,
                &file.text,
                start + offset_in(error),
                without_id(&told(error), id),
            ),
            None => PolicyFault::at("rules", "", 0, error),
        }
    }
}

/// The fault's place says which rule it is; the text need not repeat it.
fn without_id(text: &str, id: &PolicyId) -> String {
    let prefix = format!("for policy `{id}`, ");
    text.strip_prefix(&prefix).unwrap_or(text).to_owned()
}

/// The first byte that a fault points at.
pub(super) fn offset_in(error: &impl Diagnostic) -> usize {
    let label = error.labels().and_then(|mut labels| labels.next());
    label.map_or(0, |label| label.offset())
}

/// What a fault says, with the hint that goes with it.
pub(super) fn told(error: &(impl Diagnostic + fmt::Display)) -> String {
    match error.help() {
        Some(help) => format!("{error}; {help}"),
        None => error.to_string(),
    }
}

/// Whether a forbid among `rules` speaks for `code`.
pub(super) fn forbids_for(rules: &Rules, code: &crate::gate::ReasonCode) -> bool {
    rules.iter().any(|rule| {
        rule.effect == RuleEffect::Forbid
            && rule.refusal.as_ref().is_some_and(|refusal| refusal.code == *code)
    })
}
