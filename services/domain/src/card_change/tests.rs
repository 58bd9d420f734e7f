use super::*;
use time::macros::{date, datetime};

fn facts() -> CardFacts {
    let source = FactSource {
        source: "https://example.org/card".into(),
        seen: date!(2026 - 01 - 01),
        reviewed_by: "ann@hub".into(),
    };
    CardFacts {
        license: NamedLicense {
            id: "glm-4".parse().unwrap(),
            source: "the card".into(),
        },
        card: Card {
            context_tokens: Some(8192),
            sources: [(FactName::ContextTokens, source)].into(),
            ..Card::default()
        },
    }
}

fn who(member: &str) -> Who {
    Who {
        tenant: "hub".parse().unwrap(),
        member: member.parse().unwrap(),
    }
}

#[test]
fn what_differs_is_told_by_field_and_must_say_where_it_was_read() {
    let now = facts();
    let mut same = now.clone();
    same.card.review = Some(Review {
        by: "me".into(),
        on: date!(2026 - 01 - 01),
        policy: "mine".into(),
    });
    assert_eq!(
        same.propose(&now),
        Err(Unproposable::Same),
        "reviews are not proposed"
    );

    let mut more = now.clone();
    (more.card.parameters, more.card.summary) = (Some(9), Some("small".into()));
    assert_eq!(
        more.propose(&now),
        Err(Unproposable::Unsourced(FactName::Parameters))
    );
    more.card.context_tokens = Some(4096);
    let mut source = now.card.sources[&FactName::ContextTokens].clone();
    source.reviewed_by = "myself".into();
    more.card.sources.insert(FactName::Parameters, source.clone());
    let old = FactName::ContextTokens;
    assert_eq!(
        more.propose(&now),
        Err(Unproposable::Unsourced(old)),
        "as it was read before"
    );
    more.card.context_tokens = Some(8192);
    more.card.sources.insert(FactName::Parameters, source);
    let differences = more.propose(&now).unwrap();
    let fields: Vec<&str> = differences.iter().map(|one| one.field.as_str()).collect();
    assert_eq!(fields, ["parameters", "sources.parameters", "summary"]);
    assert_eq!(
        (&differences[0].before, &differences[0].after),
        (&Value::Null, &9.into())
    );
    assert_eq!(approvals_needed(&differences), 1);

    let approval = |member: &str| Approval {
        by: who(member),
        at: datetime!(2026-02-02 0:00 UTC),
    };
    let reviewed = more.reviewed(&[approval("bob")], date!(2026 - 02 - 02));
    assert_eq!(
        reviewed.card.sources[&FactName::Parameters].reviewed_by,
        "bob@hub"
    );
    assert_eq!(
        reviewed.card.sources[&FactName::ContextTokens].reviewed_by,
        "ann@hub"
    );
    assert_eq!(reviewed.card.review.unwrap().by, "bob@hub");
}

#[test]
fn two_others_agree_to_facts_about_the_license() {
    let now = facts();
    let mut other = now.clone();
    other.license.source = "the file LICENSE".into();
    assert_eq!(approvals_needed(&other.propose(&now).unwrap()), 2);
    other.license.id = "mit".parse().unwrap();
    assert_eq!(
        other.propose(&now),
        Err(Unproposable::Unsourced(FactName::License))
    );
    let source = now.card.sources[&FactName::ContextTokens].clone();
    let mut parents = now.clone();
    parents.card.sources.insert(FactName::Parents, source);
    assert_eq!(approvals_needed(&parents.propose(&now).unwrap()), 2);
    other.license.source = " ".into();
    assert_eq!(other.propose(&now), Err(Unproposable::License));
}

#[test]
fn nobody_agrees_to_an_own_proposal_nor_twice() {
    let approvals = [Approval {
        by: who("bob"),
        at: datetime!(2026-02-02 0:00 UTC),
    }];
    assert_eq!(
        may_approve(&who("ann"), &approvals, &who("ann")),
        Err(NoApproval::Own)
    );
    assert_eq!(
        may_approve(&who("ann"), &approvals, &who("bob")),
        Err(NoApproval::Twice)
    );
    assert_eq!(may_approve(&who("ann"), &approvals, &who("eve")), Ok(()));
    let namesake = Who {
        tenant: "acme".parse().unwrap(),
        member: "bob".parse().unwrap(),
    };
    assert_eq!(may_approve(&who("ann"), &approvals, &namesake), Ok(()));
}
