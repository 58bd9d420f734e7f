use super::*;
use cedar_policy::{Context, Decision, Entity, EntityUid, RestrictedExpression};
use proptest::prelude::*;
use std::{
    collections::{BTreeSet, HashSet},
    sync::LazyLock,
};

/// Heads and conditions of every form. The one about `broken` cannot be asked: its sum is too large.
const FORMS: [&str; 19] = [
    "(principal, action, resource)",
    "(principal == M::\"a\", action, resource)",
    "(principal in T::\"x\", action, resource)",
    "(principal is M, action, resource)",
    "(principal is M in T::\"x\", action, resource is R in T::\"y\")",
    "(principal, action, resource == R::\"r\")",
    "(principal, action, resource) when { context.word == \"b\" }",
    "(principal, action, resource) unless { context.word == \"b\" || context has more }",
    "(principal, action, resource) when { context has more } when { context.more.contains(context.word) }",
    "(principal in T::\"x\", action, resource) when { context.word == \"a\" } unless { resource in T::\"y\" }",
    "(principal, action, resource) when { context.word == \"broken\" && 9223372036854775807 + 1 > 0 }",
    "(principal, action, resource in T::\"y\") unless { context.word == \"a\" }",
    "(principal, action, resource) when { principal in T::\"x\" && context.word == \"b\" }",
    "(principal, action, resource) when { resource == R::\"s\" && context.word == \"broken\" && 9223372036854775807 + 1 > 0 }",
    "(principal, action, resource) when { datetime(\"2027-01-01\") < datetime(\"2028-01-01\") && context.word == \"b\" }",
    "(principal == M::\"b\", action, resource) when { decimal(\"1.5\").lessThan(decimal(\"1.0\")) || context has more }",
    "(principal, action, resource) when { context.objections.contains(\"b\") }",
    "(principal, action, resource) when { context.objections.contains(\"broken\") && 9223372036854775807 + 1 > 0 }",
    "(principal, action, resource) when { if context.word like \"b*\" then resource == R::\"r\" else false }",
];

fn policies(chosen: &[(bool, usize)]) -> Vec<Policy> {
    let policy = |(number, (permit, form)): (usize, &(bool, usize))| {
        let effect = if *permit { "permit" } else { "forbid" };
        let id = PolicyId::new(format!("f:{number}"));
        Policy::parse(Some(id), format!("{effect}{};", FORMS[*form])).unwrap()
    };
    chosen.iter().enumerate().map(policy).collect()
}

static ENTITIES: LazyLock<[Entity; 2]> = LazyLock::new(|| {
    let within = |uid: &str, above: &str| Entity::new_no_attrs(name(uid), HashSet::from([name(above)]));
    [within("M::\"a\"", "T::\"x\""), within("R::\"r\"", "T::\"y\"")]
});

fn name(text: &str) -> EntityUid {
    text.parse().unwrap()
}

fn request(principal: &str, resource: &str, word: &str, more: bool) -> Request {
    let text = |word: &str| RestrictedExpression::new_string(word.to_owned());
    let objections = RestrictedExpression::new_set([text(word), text("d")]);
    let mut pairs = vec![
        ("word".to_owned(), text(word)),
        ("objections".to_owned(), objections),
    ];
    if more {
        pairs.push((
            "more".to_owned(),
            RestrictedExpression::new_set([text("a"), text("broken")]),
        ));
    }
    let context = Context::from_pairs(pairs).unwrap();
    Request::new(
        name(principal),
        name("Action::\"use\""),
        name(resource),
        context,
        None,
    )
    .unwrap()
}

proptest! {
    #[test]
    fn fused_rules_answer_what_single_rules_answer(
        chosen in proptest::collection::vec((proptest::bool::weighted(0.2), 0..FORMS.len()), 0..90),
        principal in prop_oneof![Just("M::\"a\""), Just("M::\"b\""), Just("N::\"a\"")],
        resource in prop_oneof![Just("R::\"r\""), Just("R::\"s\"")],
        word in prop_oneof![Just("a"), Just("b"), Just("c"), Just("broken")],
        more: bool,
    ) {
        let (policies, request) = (policies(&chosen), request(principal, resource, word, more));
        let single = PolicySet::from_policies(policies.iter().cloned()).unwrap();
        let single = ask(&request, &single, &Entities::from_entities(ENTITIES.clone(), None).unwrap());
        let objections = HashSet::from([word, "d"]);
        let said = Fused::of(policies).unwrap().ask(&request, &objections, ENTITIES.clone()).unwrap();
        let set = |ids: Vec<PolicyId>| ids.into_iter().collect::<BTreeSet<_>>();
        let reasons = set(single.diagnostics().reason().cloned().collect());
        let allowed = said.forbids.is_empty() && !said.permits.is_empty();
        prop_assert_eq!(allowed, single.decision() == Decision::Allow);
        prop_assert_eq!(set(errors(&single).map(|(id, _)| id).collect()), set(said.failed.into_iter().map(|(id, _)| id).collect()));
        prop_assert_eq!(set(match said.forbids.is_empty() { true => said.permits, false => said.forbids }), reasons);
    }
}
