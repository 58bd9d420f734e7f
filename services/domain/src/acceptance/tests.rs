use super::*;
use crate::{access::Role, license::Licenses};
use std::sync::Arc;
use time::Duration;

const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

fn glm() -> Arc<License> {
    Licenses::shipped()
        .unwrap()
        .get(&"glm-4".parse().unwrap())
        .unwrap()
        .clone()
}

fn caller(tenant: &str, member: &str) -> Caller {
    let roles = BTreeSet::from([Role::Signatory]);
    Caller {
        tenant: tenant.parse().unwrap(),
        member: member.parse().unwrap(),
        roles,
    }
}

fn declared(purposes: &[Purpose]) -> Declaration {
    Declaration {
        terms_sha256: Sha256::of(b"terms"),
        purposes: purposes.iter().copied().collect(),
        signer: Signer {
            name: "the signatory".into(),
            title: "General counsel".into(),
        },
        registration_number: Some("R-1".into()),
        evidence: None,
    }
}

fn requested(declared: Declaration) -> Result<Acceptance, Unacceptable> {
    let id = uuid::Uuid::from_u128(1).into();
    Acceptance::request(id, &caller("acme", "li"), START, &glm(), declared)
}

fn judge(tenant: &str, member: &str) -> Judge {
    Judge::from(&caller(tenant, member))
}

#[test]
fn an_acceptance_for_evaluation_stands_at_once() {
    let acceptance = requested(declared(&[Purpose::Evaluation])).unwrap();
    assert_eq!(
        acceptance.state,
        State::Active {
            since: START,
            approved: None
        }
    );
}

#[test]
fn an_acceptance_that_is_also_for_commercial_use_waits_for_a_review() {
    let acceptance = requested(declared(&[Purpose::Evaluation, Purpose::Commercial])).unwrap();
    assert_eq!(acceptance.state, State::UnderReview);
}

#[test]
fn commercial_use_without_a_registration_number_is_refused_with_the_place_to_register() {
    let bare = Declaration {
        registration_number: None,
        ..declared(&[Purpose::Commercial])
    };
    let refusal = requested(bare).unwrap_err();
    assert!(matches!(refusal, Unacceptable::Unregistered { .. }));
    assert!(
        refusal.to_string().contains("https://open.bigmodel.cn/mla/form"),
        "{refusal}"
    );
}

#[test]
fn empty_and_oversize_fields_are_refused() {
    let signer = Signer {
        name: " ".into(),
        title: "x".into(),
    };
    let long = Some("x".repeat(EVIDENCE_LIMIT + 1));
    for bad in [
        declared(&[]),
        Declaration {
            signer,
            ..declared(&[Purpose::Evaluation])
        },
        Declaration {
            evidence: long,
            ..declared(&[Purpose::Evaluation])
        },
        Declaration {
            registration_number: Some("a\0b".into()),
            ..declared(&[Purpose::Evaluation])
        },
    ] {
        assert!(
            matches!(requested(bad.clone()), Err(Unacceptable::Field(_))),
            "{bad:?}"
        );
    }
}

#[test]
fn what_a_license_does_not_permit_cannot_be_accepted() {
    let text = "id = \"x\"\ntitle = \"X\"\nsource = \"here\"\nrevocable = false\n[purposes]";
    let license = License::read("x.toml", text).unwrap();
    let id = uuid::Uuid::from_u128(1).into();
    let refusal = Acceptance::request(
        id,
        &caller("acme", "li"),
        START,
        &license,
        declared(&[Purpose::Research]),
    );
    assert!(matches!(refusal, Err(Unacceptable::NotPermitted { .. })));
}

#[test]
fn an_approved_acceptance_stands_from_the_approval() {
    let later = START + Duration::hours(1);
    let acceptance = requested(declared(&[Purpose::Commercial])).unwrap();
    let approved = acceptance.approve(judge("zhipu", "wu"), later, None).unwrap();
    let judgement = Judgement {
        by: judge("zhipu", "wu"),
        at: later,
    };
    assert_eq!(
        approved.state,
        State::Active {
            since: later,
            approved: Some(judgement)
        }
    );
}

#[test]
fn nobody_reviews_an_own_acceptance_but_a_namesake_of_another_tenant_may() {
    let acceptance = requested(declared(&[Purpose::Commercial])).unwrap();
    assert_eq!(
        acceptance.clone().approve(judge("acme", "li"), START, None),
        Err(NotPossible::Own)
    );
    assert_eq!(
        acceptance.clone().reject(judge("acme", "li"), START, "no".into()),
        Err(NotPossible::Own)
    );
    assert!(
        acceptance
            .clone()
            .approve(judge("other", "li"), START, None)
            .is_ok()
    );
    assert!(acceptance.approve(judge("acme", "wu"), START, None).is_ok());
}

#[test]
fn a_verdict_falls_once() {
    let acceptance = requested(declared(&[Purpose::Commercial])).unwrap();
    let rejected = acceptance
        .reject(judge("zhipu", "wu"), START, "no such number".into())
        .unwrap();
    let again = rejected.clone().approve(judge("zhipu", "wu"), START, None);
    assert_eq!(again, Err(NotPossible::NotUnderReview("rejected")));
    let revoked = rejected.revoke(judge("zhipu", "wu"), START, "x".into());
    assert_eq!(revoked, Err(NotPossible::NotActive("rejected")));
}

#[test]
fn rejecting_and_revoking_need_a_reason() {
    let waiting = requested(declared(&[Purpose::Commercial])).unwrap();
    assert_eq!(
        waiting.reject(judge("zhipu", "wu"), START, " ".into()),
        Err(NotPossible::Reason)
    );
    let long = "x".repeat(REASON_LIMIT + 1);
    let waiting = requested(declared(&[Purpose::Commercial])).unwrap();
    assert_eq!(
        waiting.approve(judge("zhipu", "wu"), START, Some(&long)),
        Err(NotPossible::Reason)
    );
    let active = requested(declared(&[Purpose::Evaluation])).unwrap();
    assert_eq!(
        active.clone().revoke(judge("zhipu", "wu"), START, String::new()),
        Err(NotPossible::Reason)
    );
    let revoked = active
        .revoke(judge("zhipu", "wu"), START, "the licensor took it back".into())
        .unwrap();
    assert_eq!(revoked.state.as_str(), "revoked");
}
