//! Whom or what a rule is about, where that is one entity or one objection.

use cedar_policy::{EntityId, EntityTypeName, EntityUid};
use serde_json::Value;

/// What has to be so for a rule to apply, or else it is not asked further.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Subject {
    /// The principal or the resource is this, or in it.
    Entity(EntityUid),
    /// The licenses object with this code: `context.objections` has it.
    Objection(String),
}

/// The subject of a rule; none, if the rule does not begin with one.
pub(super) fn of(policy: &Value) -> Option<Subject> {
    let heads = ["principal", "resource"].into_iter();
    let mut named = heads.filter_map(|variable| of_head(&policy[variable]));
    let head = named.next().map(Subject::Entity);
    head.or_else(|| of_condition(&policy["conditions"][0]))
}

fn of_head(scope: &Value) -> Option<EntityUid> {
    match scope["op"].as_str()? {
        "==" | "in" => uid(&scope["entity"]),
        "is" => uid(&scope["in"]["entity"]),
        _ => None,
    }
}

/// The first thing that a condition asks is asked before all others, so it is as good as a head.
fn of_condition(condition: &Value) -> Option<Subject> {
    let mut first = &condition["body"];
    while first["&&"].is_object() {
        first = &first["&&"]["left"];
    }
    if condition["kind"] != "when" {
        return None;
    }
    of_objection(&first["contains"]).or_else(|| {
        let asked = ["in", "=="].into_iter().find_map(|op| first.get(op))?;
        let about = matches!(asked["left"]["Var"].as_str()?, "principal" | "resource");
        about.then(|| uid(&asked["right"]["Value"]["__entity"]).map(Subject::Entity))?
    })
}

/// `context.objections.contains("CODE")`.
fn of_objection(contains: &Value) -> Option<Subject> {
    let set = &contains["left"]["."];
    let objections = set["left"]["Var"] == "context" && set["attr"] == "objections";
    let code = contains["right"]["Value"].as_str()?;
    objections.then(|| Subject::Objection(code.to_owned()))
}

fn uid(entity: &Value) -> Option<EntityUid> {
    let kind: EntityTypeName = entity["type"].as_str()?.parse().ok()?;
    let id = EntityId::new(entity["id"].as_str()?);
    Some(EntityUid::from_type_name_and_id(kind, id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cedar_policy::Policy;

    fn subject(rest: &str) -> Option<String> {
        let policy = Policy::parse(None, format!("forbid {rest};")).unwrap();
        of(&policy.to_json().unwrap()).map(|subject| match subject {
            Subject::Entity(uid) => uid.to_string(),
            Subject::Objection(code) => format!("objection {code}"),
        })
    }

    #[test]
    fn a_head_and_the_beginning_of_the_first_condition_tell_whom_a_rule_is_about() {
        for (rest, expected) in [
            ("(principal in T::\"a\", action, resource)", "T::\"a\""),
            (
                "(principal == M::\"a\", action, resource in L::\"b\")",
                "M::\"a\"",
            ),
            ("(principal is M in T::\"a\", action, resource)", "T::\"a\""),
            ("(principal, action, resource in L::\"b\")", "L::\"b\""),
            (
                "(principal, action, resource) when { resource in L::\"b\" }",
                "L::\"b\"",
            ),
            (
                "(principal, action, resource) when { principal == M::\"a\" && 1 < 2 && 2 < 3 }",
                "M::\"a\"",
            ),
            (
                "(principal, action, resource) when { context.objections.contains(\"c\") && 1 < 2 }",
                "objection c",
            ),
        ] {
            assert_eq!(subject(rest).as_deref(), Some(expected), "{rest}");
        }
    }

    #[test]
    fn what_is_asked_later_or_in_another_way_does_not() {
        for rest in [
            "(principal, action, resource)",
            "(principal is M, action, resource)",
            "(principal, action, resource) when { 1 < 2 && resource in L::\"b\" }",
            "(principal, action, resource) when { resource in L::\"b\" || 1 < 2 }",
            "(principal, action, resource) unless { resource in L::\"b\" }",
            "(principal, action, resource) when { resource in [L::\"b\", L::\"c\"] }",
            "(principal, action, resource) when { context.of == L::\"b\" }",
            "(principal, action, resource) when { context.others.contains(\"c\") }",
            "(principal, action, resource) when { context.objections.contains(context.word) }",
            "(principal, action, resource) unless { context.objections.contains(\"c\") }",
            "(principal, action, resource) when { 1 < 2 && context.objections.contains(\"c\") }",
        ] {
            assert_eq!(subject(rest), None, "{rest}");
        }
    }
}
