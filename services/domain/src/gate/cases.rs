//! Runs `policies/cases/*.toml`: given these models and acceptances, expect this decision.

use super::{Decision, Facts, ReasonCode, Request, decide};
use crate::{
    acceptance::{Acceptance, Judge, Judgement, Signer, State},
    digest::Sha256,
    lineage::{Licensed, LineageEdge, descent},
    names::{LicenseName, ModelName},
    policy::Policies,
    purpose::Purpose,
};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};
use time::OffsetDateTime;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    #[serde(rename = "case")]
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    says: String,
    model: ModelName,
    purpose: Purpose,
    /// The license of each registered model.
    licenses: BTreeMap<ModelName, LicenseName>,
    /// A word that stands for the text that came with a model.
    #[serde(default)]
    terms: BTreeMap<ModelName, String>,
    #[serde(default)]
    edges: Vec<LineageEdge>,
    #[serde(default)]
    acceptances: Vec<Accepted>,
    /// Empty for an allow.
    refused_for: Vec<ReasonCode>,
    /// The last model of the first reason's path.
    #[serde(default)]
    caused_by: Option<ModelName>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Accepted {
    license: LicenseName,
    terms: String,
    purposes: BTreeSet<Purpose>,
    state: String,
    #[serde(default)]
    registration_number: Option<String>,
}

impl Accepted {
    fn read(&self, number: usize) -> Acceptance {
        let at = OffsetDateTime::UNIX_EPOCH;
        let judged = Judgement {
            by: Judge {
                tenant: "zhipu".parse().unwrap(),
                member: "wu".parse().unwrap(),
            },
            at,
        };
        let reason = "a reason".to_owned();
        let state = match self.state.as_str() {
            "under_review" => State::UnderReview,
            "active" => State::Active {
                since: at,
                approved: None,
            },
            "rejected" => State::Rejected { judged, reason },
            "revoked" => State::Revoked {
                since: at,
                approved: None,
                judged,
                reason,
            },
            other => panic!("no state {other}"),
        };
        Acceptance {
            id: uuid::Uuid::from_u128(number as u128).into(),
            tenant: "acme".parse().unwrap(),
            requested_by: "li".parse().unwrap(),
            requested_at: at,
            license: self.license.clone(),
            terms_sha256: Sha256::of(self.terms.as_bytes()),
            purposes: self.purposes.clone(),
            signer: Signer {
                name: "the signatory".into(),
                title: "Counsel".into(),
            },
            registration_number: self.registration_number.clone(),
            evidence: None,
            state,
        }
    }
}

fn facts(case: &Case) -> Facts {
    let licensed = |(model, through): (ModelName, Option<usize>)| {
        let terms_sha256 = case.terms.get(&model).map(|word| Sha256::of(word.as_bytes()));
        Licensed {
            license: case.licenses.get(&model).cloned(),
            terms_sha256,
            through,
            model,
        }
    };
    Facts {
        lineage: descent(&case.model, &case.edges)
            .into_iter()
            .map(licensed)
            .collect(),
        acceptances: case
            .acceptances
            .iter()
            .enumerate()
            .map(|(at, accepted)| accepted.read(at))
            .collect(),
    }
}

fn check(case: &Case, policies: &Policies) -> Result<(), String> {
    let request = Request {
        tenant: "acme".parse().unwrap(),
        member: "li".parse().unwrap(),
        model: case.model.clone(),
        revision_sha256: Sha256::of(b"revision"),
        purpose: case.purpose,
        at: OffsetDateTime::UNIX_EPOCH,
    };
    let reasons = match decide(uuid::Uuid::from_u128(1).into(), policies, &request, &facts(case)) {
        Decision::Allowed(_) => Vec::new(),
        Decision::Refused(refusal) => refusal.reasons,
    };
    let codes: Vec<ReasonCode> = reasons.iter().map(|reason| reason.code).collect();
    if codes != case.refused_for {
        return Err(format!(
            "{}: expected {:?}, got {reasons:#?}",
            case.says, case.refused_for
        ));
    }
    let cause = reasons.first().and_then(|reason| reason.path.last());
    if case.caused_by.is_some() && cause != case.caused_by.as_ref() {
        return Err(format!("{}: caused by {cause:?}", case.says));
    }
    Ok(())
}

#[test]
fn every_case_of_the_policies_is_decided_as_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies/cases");
    let policies = Policies::shipped().unwrap();
    let (mut count, mut failures) = (0, Vec::new());
    for entry in fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        let read: CaseFile = toml::from_str(&fs::read_to_string(&file).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        count += read.cases.len();
        failures.extend(read.cases.iter().filter_map(|case| check(case, &policies).err()));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(count >= 20, "only {count} cases were found");
}
