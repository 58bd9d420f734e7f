//! Every act on an acceptance in every state: what comes of it.

use super::*;
use crate::{
    access::Role,
    license::{License, Licenses},
};
use std::sync::Arc;
use time::Duration;

const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
const END: OffsetDateTime = OffsetDateTime::UNIX_EPOCH.saturating_add(Duration::days(10));

/// The acts, in the order of the table's columns.
const ACTS: [&str; 8] = [
    "submit",
    "approve",
    "reject",
    "suspend",
    "resume",
    "revoke",
    "expire",
    "supersede",
];

/// State, whether its time is over, and what each act makes of it; `-` where the act is not possible.
const TABLE: [(Phase, bool, [&str; 8]); 12] = {
    use Phase::*;
    const NONE: [&str; 8] = ["-", "-", "-", "-", "-", "-", "-", "-"];
    [
        (
            Requested,
            false,
            ["under_review", "-", "-", "-", "-", "-", "-", "-"],
        ),
        (Requested, true, NONE),
        (
            UnderReview,
            false,
            ["-", "active", "rejected", "-", "-", "-", "-", "-"],
        ),
        (UnderReview, true, ["-", "-", "rejected", "-", "-", "-", "-", "-"]),
        (
            Active,
            false,
            ["-", "-", "-", "suspended", "-", "revoked", "-", "superseded"],
        ),
        (Active, true, ["-", "-", "-", "-", "-", "-", "expired", "-"]),
        (Rejected, false, NONE),
        (
            Suspended,
            false,
            ["-", "-", "-", "-", "active", "revoked", "-", "superseded"],
        ),
        (Suspended, true, ["-", "-", "-", "-", "-", "-", "expired", "-"]),
        (Expired, true, NONE),
        (Revoked, false, NONE),
        (Superseded, false, NONE),
    ]
};

fn glm() -> Arc<License> {
    let licenses = Licenses::shipped().unwrap();
    licenses.get(&"glm-4".parse().unwrap()).unwrap().clone()
}

fn judge() -> Judge {
    Judge {
        tenant: "zhipu".parse().unwrap(),
        member: "wu".parse().unwrap(),
    }
}

fn asked(number: u128, text: &[u8], valid_until: Option<OffsetDateTime>) -> Acceptance {
    let caller = Caller {
        tenant: "acme".parse().unwrap(),
        member: "li".parse().unwrap(),
        roles: BTreeSet::from([Role::Signatory]),
    };
    let declared = Declaration {
        terms_sha256: Sha256::of(text),
        purposes: BTreeSet::from([Purpose::Commercial]),
        signer: Signer {
            name: "the signatory".into(),
            title: "Counsel".into(),
        },
        registration_number: Some("R-1".into()),
        territory: None,
        evidence: None,
        valid_until,
    };
    let asking = Asking {
        id: uuid::Uuid::from_u128(number).into(),
        caller: &caller,
        at: START,
        license: &glm(),
        declared,
        submit: false,
    };
    asking.acceptance(&[]).unwrap()
}

fn newer() -> Acceptance {
    let waiting = asked(2, b"newer", None).submit(START, &glm(), &[]).unwrap();
    waiting.approve(judge(), START, None, None).unwrap()
}

/// An acceptance that has come to `phase`, by the acts that lead there.
fn being(phase: Phase) -> Acceptance {
    let reason = || "a reason".to_owned();
    let requested = asked(1, b"older", Some(END));
    let waiting = || asked(1, b"older", Some(END)).submit(START, &glm(), &[]).unwrap();
    let active = || waiting().approve(judge(), START, None, None).unwrap();
    match phase {
        Phase::Requested => requested,
        Phase::UnderReview => waiting(),
        Phase::Active => active(),
        Phase::Rejected => waiting().reject(judge(), START, reason()).unwrap(),
        Phase::Suspended => active().suspend(judge(), START, reason()).unwrap(),
        Phase::Expired => active().expire(END).unwrap(),
        Phase::Revoked => active().revoke(judge(), START, reason()).unwrap(),
        Phase::Superseded => active().supersede(&newer(), START).unwrap(),
    }
}

fn perform(act: &str, on: Acceptance, at: OffsetDateTime) -> Result<Acceptance, NotPossible> {
    let reason = "a reason".to_owned();
    match act {
        "submit" => on.submit(at, &glm(), &[]),
        "approve" => on.approve(judge(), at, None, None),
        "reject" => on.reject(judge(), at, reason),
        "suspend" => on.suspend(judge(), at, reason),
        "resume" => on.resume(at, &reason),
        "revoke" => on.revoke(judge(), at, reason),
        "expire" => on.expire(at),
        "supersede" => on.supersede(&newer(), at),
        other => panic!("no act {other}"),
    }
}

#[test]
fn every_act_in_every_state_comes_to_what_the_table_says() {
    for (phase, over, row) in TABLE {
        let at = if over { END } else { START };
        for (act, expected) in ACTS.into_iter().zip(row) {
            let outcome = perform(act, being(phase), at);
            let came = outcome.as_ref().map_or("-", |after| after.phase(at).as_str());
            assert_eq!(came, expected, "{act} on {phase}, over: {over}: {outcome:?}");
        }
    }
    let told: BTreeSet<Phase> = TABLE.iter().map(|(phase, _, _)| *phase).collect();
    assert_eq!(told.len(), Phase::ALL.len(), "the table has every state");
}

#[test]
fn an_act_that_is_not_possible_says_what_the_acceptance_is_and_would_have_to_be() {
    let refusal = perform("suspend", being(Phase::Rejected), START).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "the acceptance is rejected; only one that is active can be suspended"
    );
    let late = perform("resume", being(Phase::Suspended), END).unwrap_err();
    assert_eq!(
        late.to_string(),
        "the acceptance is expired; only one that is suspended can be resumed"
    );
}

#[test]
fn only_an_acceptance_of_other_terms_for_as_much_takes_the_place_of_one() {
    let older = being(Phase::Active);
    let change = |change: fn(&mut Acceptance)| {
        let mut other = newer();
        change(&mut other);
        older.clone().supersede(&other, START).map(drop)
    };
    assert_eq!(change(|_| {}), Ok(()));
    for spoilt in [
        change(|other| other.terms_sha256 = Sha256::of(b"older")),
        change(|other| other.purposes = BTreeSet::from([Purpose::Evaluation])),
        change(|other| other.tenant = "other".parse().unwrap()),
        change(|other| other.license = "mit".parse().unwrap()),
        change(|other| other.state = State::UnderReview),
        change(|other| other.valid_until = Some(START)),
    ] {
        assert_eq!(spoilt, Err(NotPossible::NotReplaced));
    }
}
