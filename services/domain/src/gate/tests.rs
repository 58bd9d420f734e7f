use super::*;
use crate::acceptance::{Signer, Standing, State};
use crate::policy::PolicyFile;
use proptest::prelude::*;
use std::{collections::BTreeSet, sync::LazyLock};

static POLICIES: LazyLock<Policies> = LazyLock::new(|| Policies::with_own(territorial().into()).unwrap());

/// Licenses that permit evaluation in some territories.
fn territorial() -> [PolicyFile; 2] {
    let file = |id: &str, clause: &str| {
        let head = format!("id = \"{id}\"\ntitle = \"T\"\nsource = \"here\"\nrevocable = false\n");
        let purpose = "[purposes.evaluation]\npermission = \"permitted\"\nconditions = [\"acceptance\"]\n";
        PolicyFile::new(format!("licenses/{id}.toml"), format!("{head}{purpose}{clause}"))
    };
    [
        file("some", "territories = [\"CN\", \"DE\"]"),
        file("not-all", "except_territories = [\"CN\"]"),
    ]
}

/// Rules of an organisation's own: more and more prohibitions, and permits of everything among them.
static OWN: LazyLock<Vec<Policies>> = LazyLock::new(|| {
    let head = "(principal, action == Action::\"use\", resource";
    let forbid = |scope: &str, condition: &str| {
        format!("@code(\"own_rule\") @cure(\"ask\")\nforbid {head}{scope}) when {{ {condition} }};\n")
    };
    let rules = [
        format!("permit {head});\n"),
        forbid(
            "",
            "context.purpose == \"commercial\" && context.objections.isEmpty()",
        ),
        forbid(" in License::\"glm-4\"", "context.site != \"here\""),
        forbid(" in Model::\"m/2\"", "principal in Tenant::\"acme\""),
        forbid("", "context.metadata.contains(\"kind=contract\")"),
    ];
    let file = |count: usize| PolicyFile::new("rules/own.cedar", rules[..count].concat());
    (0..=rules.len())
        .map(|count| Policies::with_own([&[file(count)][..], &territorial()].concat()).unwrap())
        .collect()
});

const WORDS: [&str; 3] = ["first text", "second text", "third text"];

fn model(number: usize) -> ModelName {
    format!("m/{number}").parse().unwrap()
}

fn request(purpose: Purpose) -> Request {
    Request {
        tenant: "acme".parse().unwrap(),
        member: "li".parse().unwrap(),
        model: model(0),
        revision_sha256: Sha256::of(b"revision"),
        purpose,
        metadata: Metadata::new(),
        site: String::new(),
        at: OffsetDateTime::UNIX_EPOCH,
    }
}

fn licensed(place: usize, license: &str, text: Option<usize>) -> Licensed {
    let license = (license != "unregistered").then(|| license.parse().unwrap());
    let terms_sha256 = text.map(|word| Sha256::of(WORDS[word].as_bytes()));
    Licensed {
        model: model(place),
        license,
        terms_sha256,
        through: place.checked_sub(1),
    }
}

fn active(text: usize, purposes: &[Purpose], number: Option<&str>) -> Acceptance {
    Acceptance {
        id: uuid::Uuid::from_u128(7).into(),
        tenant: "acme".parse().unwrap(),
        requested_by: "li".parse().unwrap(),
        requested_at: OffsetDateTime::UNIX_EPOCH,
        license: "glm-4".parse().unwrap(),
        terms_sha256: Sha256::of(WORDS[text].as_bytes()),
        purposes: purposes.iter().copied().collect(),
        signer: Signer {
            name: "the signatory".into(),
            title: "Counsel".into(),
        },
        registration_number: number.map(str::to_owned),
        territory: None,
        evidence: None,
        valid_until: None,
        state: State::Active(Standing {
            since: OffsetDateTime::UNIX_EPOCH,
            approved: None,
        }),
    }
}

fn decided(purpose: Purpose, facts: &Facts) -> Decision {
    decide(
        uuid::Uuid::from_u128(1).into(),
        &POLICIES,
        &request(purpose),
        facts,
    )
}

fn refusal(purpose: Purpose, facts: &Facts) -> Refusal {
    match decided(purpose, facts) {
        Decision::Refused(refusal) => refusal,
        Decision::Allowed(allowed) => panic!("allowed: {allowed:?}"),
    }
}

#[test]
fn an_allow_carries_terms_and_duties() {
    let facts = Facts {
        lineage: vec![licensed(0, "glm-4", Some(0))],
        acceptances: vec![],
    };
    let Decision::Allowed(allowed) = decided(Purpose::Research, &facts) else {
        panic!("refused")
    };
    assert_eq!(allowed.terms_sha256(), Some(Sha256::of(WORDS[0].as_bytes())));
    assert!(allowed.duties().contains(&Duty::Attribution {
        text: "Built with glm-4".into()
    }));
    assert_eq!(allowed.purpose(), Purpose::Research);
    let record = DecisionRecord::of(
        &Decision::Allowed(allowed.clone()),
        &POLICIES,
        &request(Purpose::Research),
        &facts,
    );
    assert_eq!(
        (record.id, record.outcome),
        (allowed.decision(), Outcome::Allowed)
    );
}

#[test]
fn an_allow_ends_with_the_acceptance_that_covers_longest_and_with_the_first_of_several_licenses() {
    let at = |days| OffsetDateTime::UNIX_EPOCH + time::Duration::days(days);
    let until = |lineage: &[Licensed], held: &[(usize, Option<i64>)]| {
        let accepted = |&(text, days): &(usize, Option<i64>)| Acceptance {
            valid_until: days.map(at),
            ..active(text, &[Purpose::Evaluation], None)
        };
        let facts = Facts {
            lineage: lineage.to_vec(),
            acceptances: held.iter().map(accepted).collect(),
        };
        match decided(Purpose::Evaluation, &facts) {
            Decision::Allowed(allowed) => allowed.until(),
            Decision::Refused(refusal) => panic!("{refusal:?}"),
        }
    };
    let one = [licensed(0, "glm-4", Some(0)), licensed(1, "mit", None)];
    assert_eq!(until(&one, &[(0, Some(3))]), Some(at(3)));
    assert_eq!(
        until(&one, &[(0, Some(3)), (0, Some(5)), (0, Some(4))]),
        Some(at(5))
    );
    assert_eq!(until(&one, &[(0, Some(3)), (0, None)]), None);
    let two = [licensed(0, "glm-4", Some(0)), licensed(1, "glm-4", Some(1))];
    assert_eq!(until(&two, &[(0, Some(9)), (1, Some(2))]), Some(at(2)));
    assert_eq!(until(&two, &[(0, Some(9)), (1, None)]), Some(at(9)));
    assert_eq!(until(&[licensed(0, "mit", None)], &[(0, Some(9))]), None);
}

#[test]
fn a_refusal_names_the_call_that_cures_it() {
    let facts = Facts {
        lineage: vec![licensed(0, "glm-4", Some(0))],
        acceptances: vec![],
    };
    let reason = refusal(Purpose::Commercial, &facts).reasons.remove(0);
    assert_eq!(reason.code, ReasonCode::LicenseNotAccepted);
    let terms = Sha256::of(WORDS[0].as_bytes());
    let call = format!(
        r#"POST /v1/acceptances with {{"model":"m/0","terms_sha256":"{terms}","purposes":["commercial"]"#
    );
    assert!(reason.cure.contains(&call), "{}", reason.cure);
    assert!(reason.cure.contains("registration_number"), "{}", reason.cure);
}

#[test]
fn another_tenants_acceptance_covers_nothing() {
    let mut theirs = active(0, &[Purpose::Evaluation], None);
    theirs.tenant = "other".parse().unwrap();
    let facts = Facts {
        lineage: vec![licensed(0, "glm-4", Some(0))],
        acceptances: vec![theirs],
    };
    assert_eq!(
        refusal(Purpose::Evaluation, &facts).reasons[0].code,
        ReasonCode::LicenseNotAccepted
    );
}

#[test]
fn facts_about_another_model_allow_nothing() {
    let facts = Facts {
        lineage: vec![licensed(1, "mit", None)],
        acceptances: vec![],
    };
    assert_eq!(
        refusal(Purpose::Research, &facts).reasons[0].code,
        ReasonCode::LicenseUnknown
    );
    assert_eq!(
        refusal(Purpose::Research, &Facts::default()).reasons[0].path,
        [model(0)]
    );
}

#[test]
fn an_ancestors_reason_tells_the_way_to_it() {
    let lineage = vec![
        licensed(0, "mit", None),
        licensed(1, "mit", None),
        licensed(2, "unregistered", None),
    ];
    let refusal = refusal(
        Purpose::Commercial,
        &Facts {
            lineage,
            acceptances: vec![],
        },
    );
    assert_eq!(refusal.reasons[0].path, [model(0), model(1), model(2)]);
}

#[test]
fn a_lineage_of_ten_thousand_models_is_decided_and_its_farthest_reason_told() {
    let mut lineage: Vec<Licensed> = (0..10_000).map(|place| licensed(place, "mit", None)).collect();
    let facts = |lineage| Facts {
        lineage,
        acceptances: vec![],
    };
    assert!(is_allowed(&decided(Purpose::Commercial, &facts(lineage.clone()))));
    lineage.push(licensed(10_000, "unregistered", None));
    let reasons = refusal(Purpose::Commercial, &facts(lineage)).reasons;
    assert_eq!((reasons.len(), reasons[0].path.len()), (1, 10_001));
}

#[test]
fn two_licenses_leave_the_territories_that_both_permit_and_the_nearest_that_does_not_is_named() {
    let accepted = |license: &str, place: &str, days: i64| Acceptance {
        license: license.parse().unwrap(),
        territory: Some(place.parse().unwrap()),
        valid_until: Some(OffsetDateTime::UNIX_EPOCH + time::Duration::days(days)),
        ..active(0, &[Purpose::Evaluation], None)
    };
    let facts = |some: &str, not_all: &str| Facts {
        lineage: vec![licensed(0, "some", None), licensed(1, "not-all", None)],
        acceptances: vec![
            accepted("some", some, 3),
            accepted("some", "CN", 9),
            accepted("not-all", not_all, 5),
        ],
    };
    let Decision::Allowed(allowed) = decided(Purpose::Evaluation, &facts("DE", "DE")) else {
        panic!("refused")
    };
    let end = OffsetDateTime::UNIX_EPOCH + time::Duration::days(3);
    assert_eq!(allowed.until(), Some(end), "the acceptance for CN helps nobody");
    let refusal = refusal(Purpose::Evaluation, &facts("CN", "FR"));
    let told: Vec<_> = refusal
        .reasons
        .iter()
        .map(|one| (one.code.as_str(), one.path.len()))
        .collect();
    assert_eq!(
        told,
        [("territory_not_permitted", 2), ("territory_not_permitted", 1)]
    );
    assert!(!refusal.waits_for_acceptance());
}

fn any_licensed(place: usize) -> impl Strategy<Value = Licensed> {
    let license = prop_oneof![3 => Just("mit"), 5 => Just("glm-4"), 2 => Just("some"), 2 => Just("not-all"),
            1 => Just("strange"), 1 => Just("unregistered")];
    (license, proptest::option::of(0..WORDS.len()))
        .prop_map(move |(license, text)| licensed(place, license, text))
}

fn any_acceptance() -> impl Strategy<Value = Acceptance> {
    let purposes = proptest::sample::subsequence(Purpose::ALL.to_vec(), 1..=3);
    let license = prop_oneof![2 => Just("glm-4"), 1 => Just("some"), 1 => Just("not-all")];
    let place = proptest::option::of(prop_oneof![Just("CN"), Just("DE"), Just("FR")]);
    let flags = (any::<bool>(), any::<bool>());
    (0..WORDS.len(), purposes, license, place, flags).prop_map(|(text, purposes, license, place, flags)| {
        let (number, standing) = flags;
        let mut acceptance = active(text, &purposes, number.then_some("R-1"));
        acceptance.license = license.parse().unwrap();
        acceptance.territory = place.map(|code| code.parse().unwrap());
        if !standing {
            acceptance.state = State::UnderReview;
        }
        acceptance
    })
}

fn any_facts() -> impl Strategy<Value = Facts> {
    let lineage = (1usize..5).prop_flat_map(|count| (0..count).map(any_licensed).collect::<Vec<_>>());
    (lineage, proptest::collection::vec(any_acceptance(), 0..4))
        .prop_map(|(lineage, acceptances)| Facts { lineage, acceptances })
}

fn is_allowed(decision: &Decision) -> bool {
    matches!(decision, Decision::Allowed(_))
}

proptest! {
    #[test]
    fn an_ancestor_more_never_turns_a_refusal_into_an_allow(facts in any_facts(), extra in any_licensed(9)) {
        let mut longer = facts.clone();
        longer.lineage.push(Licensed { through: Some(facts.lineage.len() - 1), ..extra });
        for purpose in Purpose::ALL {
            if is_allowed(&decided(purpose, &longer)) {
                prop_assert!(is_allowed(&decided(purpose, &facts)));
            }
        }
    }

    #[test]
    fn an_acceptance_less_never_turns_a_refusal_into_an_allow(facts in any_facts(), at: prop::sample::Index) {
        let mut fewer = facts.clone();
        if !fewer.acceptances.is_empty() {
            fewer.acceptances.remove(at.index(fewer.acceptances.len()));
        }
        for purpose in Purpose::ALL {
            if is_allowed(&decided(purpose, &fewer)) {
                prop_assert!(is_allowed(&decided(purpose, &facts)));
            }
        }
    }

    #[test]
    fn a_forbid_more_never_turns_a_refusal_into_an_allow(facts in any_facts(), count in 1..OWN.len() - 1, site: bool) {
        for purpose in Purpose::ALL {
            let mut request = request(purpose);
            request.site = if site { "here".into() } else { String::new() };
            let allowed = |policies| is_allowed(&decide(uuid::Uuid::from_u128(1).into(), policies, &request, &facts));
            prop_assert!(!allowed(&OWN[count + 1]) || allowed(&OWN[count]));
        }
    }

    #[test]
    fn a_permit_of_ones_own_allows_nothing_that_a_license_asks_more_for(facts in any_facts()) {
        for purpose in Purpose::ALL {
            let with_permit = decide(uuid::Uuid::from_u128(1).into(), &OWN[1], &request(purpose), &facts);
            prop_assert_eq!(is_allowed(&with_permit), is_allowed(&decided(purpose, &facts)));
        }
    }

    #[test]
    fn what_the_lineage_does_not_permit_no_acceptance_allows(facts in any_facts()) {
        for purpose in Purpose::ALL {
            if is_allowed(&decided(purpose, &facts)) {
                let permitted = lineage::permission(&facts.lineage, POLICIES.licenses(), purpose);
                prop_assert_eq!(permitted, crate::license::Permission::Permitted);
            }
        }
    }

    #[test]
    fn the_answer_depends_on_the_arguments_alone_and_the_id_has_no_say(facts in any_facts(), id: u128) {
        for purpose in Purpose::ALL {
            let other = decide(uuid::Uuid::from_u128(id).into(), &POLICIES, &request(purpose), &facts);
            prop_assert_eq!(decided(purpose, &facts), decided(purpose, &facts));
            prop_assert_eq!(is_allowed(&other), is_allowed(&decided(purpose, &facts)));
        }
    }

    #[test]
    fn every_refusal_has_a_reason_with_a_cure_and_a_path(facts in any_facts()) {
        for purpose in Purpose::ALL {
            if let Decision::Refused(refusal) = decided(purpose, &facts) {
                prop_assert!(!refusal.reasons.is_empty());
                let whole = |reason: &Reason| !reason.cure.is_empty() && reason.path.first() == Some(&model(0));
                prop_assert!(refusal.reasons.iter().all(whole));
                let codes: BTreeSet<_> = refusal.reasons.iter().map(|reason| reason.code.as_str()).collect();
                prop_assert!(codes.iter().all(|code| !code.is_empty()));
            }
        }
    }
}
