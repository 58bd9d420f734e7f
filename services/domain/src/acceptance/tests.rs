use super::*;
use crate::{
    access::Role,
    license::{License, Licenses},
};
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
        territory: None,
        evidence: None,
        valid_until: None,
    }
}

fn asked(
    number: u128,
    license: &License,
    declared: Declaration,
    earlier: &[Acceptance],
) -> Result<Acceptance, Unacceptable> {
    let asking = Asking {
        id: uuid::Uuid::from_u128(number).into(),
        caller: &caller("acme", "li"),
        at: START,
        license,
        declared,
        submit: true,
    };
    asking.acceptance(earlier)
}

fn requested(declared: Declaration) -> Result<Acceptance, Unacceptable> {
    asked(1, &glm(), declared, &[])
}

fn standing(approved: Option<Judgement>) -> Standing {
    Standing {
        since: START,
        approved,
    }
}

fn judge(tenant: &str, member: &str) -> Judge {
    Judge::from(&caller(tenant, member))
}

#[test]
fn an_acceptance_for_evaluation_stands_at_once() {
    let acceptance = requested(declared(&[Purpose::Evaluation])).unwrap();
    assert_eq!(acceptance.state, State::Active(standing(None)));
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
fn an_end_is_in_the_future_and_not_too_far() {
    let until = |valid_until: OffsetDateTime| {
        let valid_until = Some(valid_until);
        requested(Declaration {
            valid_until,
            ..declared(&[Purpose::Evaluation])
        })
    };
    let tick = Duration::microseconds(1);
    for bad in [START, START - tick, START + LONGEST_VALIDITY + tick] {
        assert!(matches!(until(bad), Err(Unacceptable::Field(_))), "{bad}");
    }
    for good in [START + tick, START + LONGEST_VALIDITY] {
        assert_eq!(until(good).unwrap().valid_until, Some(good));
    }
}

#[test]
fn what_a_license_does_not_permit_cannot_be_accepted() {
    let text = "id = \"x\"\ntitle = \"X\"\nsource = \"here\"\nrevocable = false\n[purposes]";
    let license = License::read("x.toml", text).unwrap();
    let refusal = asked(1, &license, declared(&[Purpose::Research]), &[]);
    assert!(matches!(refusal, Err(Unacceptable::NotPermitted { .. })));
}

#[test]
fn an_approved_acceptance_stands_from_the_approval() {
    let later = START + Duration::hours(1);
    let acceptance = requested(declared(&[Purpose::Commercial])).unwrap();
    let approved = acceptance
        .approve(judge("zhipu", "wu"), later, None, None)
        .unwrap();
    let judgement = Judgement {
        by: judge("zhipu", "wu"),
        at: later,
    };
    assert_eq!(
        approved.state,
        State::Active(Standing {
            since: later,
            approved: Some(judgement)
        })
    );
}

#[test]
fn nobody_reviews_an_own_acceptance_but_a_namesake_of_another_tenant_may() {
    let acceptance = requested(declared(&[Purpose::Commercial])).unwrap();
    assert_eq!(
        acceptance.clone().approve(judge("acme", "li"), START, None, None),
        Err(NotPossible::Own)
    );
    assert_eq!(
        acceptance.clone().reject(judge("acme", "li"), START, "no".into()),
        Err(NotPossible::Own)
    );
    assert!(
        acceptance
            .clone()
            .approve(judge("other", "li"), START, None, None)
            .is_ok()
    );
    assert!(acceptance.approve(judge("acme", "wu"), START, None, None).is_ok());
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
        waiting.approve(judge("zhipu", "wu"), START, Some(&long), None),
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
    assert_eq!(revoked.phase(START), Phase::Revoked);
}

#[test]
fn a_reviewer_sets_an_end_or_brings_it_nearer_and_never_puts_it_off() {
    let (wished, nearer) = (START + Duration::days(30), START + Duration::days(10));
    let waiting = |valid_until| {
        requested(Declaration {
            valid_until,
            ..declared(&[Purpose::Commercial])
        })
        .unwrap()
    };
    let approved = |valid_until, set: Option<OffsetDateTime>| {
        waiting(valid_until)
            .approve(judge("zhipu", "wu"), START, None, set)
            .map(|acceptance| acceptance.valid_until)
    };
    assert_eq!(approved(None, None), Ok(None));
    assert_eq!(approved(None, Some(wished)), Ok(Some(wished)));
    assert_eq!(approved(Some(wished), None), Ok(Some(wished)));
    assert_eq!(approved(Some(wished), Some(nearer)), Ok(Some(nearer)));
    assert_eq!(approved(Some(nearer), Some(wished)), Err(NotPossible::ValidUntil));
    assert_eq!(approved(None, Some(START)), Err(NotPossible::ValidUntil));
    let late = waiting(Some(wished)).approve(judge("zhipu", "wu"), wished, None, None);
    assert_eq!(late, Err(NotPossible::TooLate));
}

#[test]
fn what_has_run_out_is_expired_whether_or_not_anybody_wrote_it_down() {
    let end = START + Duration::days(1);
    let acceptance = requested(Declaration {
        valid_until: Some(end),
        ..declared(&[Purpose::Evaluation])
    })
    .unwrap();
    let tick = Duration::microseconds(1);
    assert!(acceptance.stands(end - tick));
    assert!(!acceptance.stands(end));
    assert_eq!(acceptance.phase(end), Phase::Expired);
    let suspended = acceptance
        .suspend(judge("zhipu", "wu"), START, "a doubt".into())
        .unwrap();
    assert_eq!(suspended.phase(end - tick), Phase::Suspended);
    assert_eq!(suspended.phase(end), Phase::Expired);
}

#[test]
fn after_a_reviewer_stopped_one_the_next_needs_a_review_until_one_is_approved() {
    let ask = |number, earlier: &[Acceptance]| {
        asked(number, &glm(), declared(&[Purpose::Evaluation]), earlier).unwrap()
    };
    let free = ask(1, &[]);
    let by = || judge("zhipu", "wu");
    let revoked = free.clone().revoke(by(), START, "a breach".into()).unwrap();
    let suspended = free.suspend(by(), START, "a doubt".into()).unwrap();
    for stopped in [&revoked, &suspended] {
        let next = ask(2, std::slice::from_ref(stopped));
        assert_eq!(next.phase(START), Phase::UnderReview);
        let approved = next.approve(by(), START, None, None).unwrap();
        let free_again = ask(3, &[stopped.clone(), approved]);
        assert_eq!(free_again.phase(START), Phase::Active);
    }
    let elsewhere = Acceptance {
        license: "mit".parse().unwrap(),
        ..revoked
    };
    assert_eq!(ask(2, &[elsewhere]).phase(START), Phase::Active);
}

#[test]
fn a_superseded_acceptance_goes_on_under_the_last_of_those_that_took_its_place() {
    let of_text = |number, text: &str| {
        let terms_sha256 = Sha256::of(text.as_bytes());
        let declared = Declaration {
            terms_sha256,
            ..declared(&[Purpose::Evaluation])
        };
        asked(number, &glm(), declared, &[]).unwrap()
    };
    let (first, second, third) = (of_text(1, "one"), of_text(2, "two"), of_text(3, "three"));
    let all = [
        first.supersede(&second, START).unwrap(),
        second.supersede(&third, START).unwrap(),
        third,
    ];
    assert_eq!(all[0].in_force(&all).id, all[2].id);
    assert_eq!(all[2].in_force(&all).id, all[2].id);
    // A circle cannot be made by the rules; rows that hold one end the search all the same.
    let mut circle = all.clone();
    let (standing, by) = (standing(None), circle[0].id);
    circle[2].state = State::Superseded {
        standing,
        by,
        at: START,
    };
    assert!(!circle[0].in_force(&circle).stands(START));
}
