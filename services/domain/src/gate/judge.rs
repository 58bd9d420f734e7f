//! How the gate judges each license of a lineage.

use super::{Facts, Reason, ReasonCode, Request};
use crate::{
    acceptance::{Acceptance, State},
    license::{Condition, License, Licenses, Permission},
    lineage::{self, Licensed},
    names::{LicenseName, ModelName},
    purpose::Purpose,
};

/// Why not, nearest model first; nothing if there is no reason.
pub(super) fn reasons(licenses: &Licenses, request: &Request, facts: &Facts) -> Vec<Reason> {
    if facts.lineage.first().is_none_or(|own| own.model != request.model) {
        return vec![Reason {
            code: ReasonCode::LicenseUnknown,
            message: format!("nothing is known about the license of {}", request.model),
            cure: "ask a registrar to register the model with its license".into(),
            path: vec![request.model.clone()],
        }];
    }
    let mut found: Vec<(Reason, &Licensed)> = Vec::new();
    for (place, licensed) in facts.lineage.iter().enumerate() {
        let Some((code, message, cure)) = objection(licenses, request, facts, licensed) else {
            continue;
        };
        if !found
            .iter()
            .any(|(reason, nearer)| reason.code == code && same_cure(nearer, licensed))
        {
            let path = lineage::path(&facts.lineage, place);
            found.push((
                Reason {
                    code,
                    message,
                    cure,
                    path,
                },
                licensed,
            ));
        }
    }
    found.into_iter().map(|(reason, _)| reason).collect()
}

/// Whether what cures the nearer model's reason cures the farther one's too.
fn same_cure(nearer: &Licensed, farther: &Licensed) -> bool {
    let same_license = nearer.license.is_some() && nearer.license == farther.license;
    same_license && (farther.terms_sha256.is_none() || farther.terms_sha256 == nearer.terms_sha256)
}

type Objection = (ReasonCode, String, String);

fn objection(
    licenses: &Licenses,
    request: &Request,
    facts: &Facts,
    licensed: &Licensed,
) -> Option<Objection> {
    let (model, purpose) = (&licensed.model, request.purpose);
    let Some(id) = &licensed.license else {
        return Some(unregistered(model));
    };
    let Some(license) = licenses.get(id) else {
        return Some(no_facts(model, id));
    };
    let wanted = license.purpose(purpose);
    match wanted.permission {
        Permission::Unknown => Some(purpose_unknown(model, license, purpose)),
        Permission::Prohibited => Some(prohibited(model, license, purpose)),
        Permission::Permitted if wanted.conditions.is_empty() => None,
        Permission::Permitted => {
            let mine = |held: &&Acceptance| {
                held.tenant == request.tenant
                    && held.license == license.id
                    && held.purposes.contains(&purpose)
            };
            let held: Vec<&Acceptance> = facts.acceptances.iter().filter(mine).collect();
            unmet(
                &Need {
                    licensed,
                    license,
                    purpose,
                },
                &held,
            )
        }
    }
}

/// What must be accepted.
struct Need<'a> {
    licensed: &'a Licensed,
    license: &'a License,
    purpose: Purpose,
}

/// What keeps the best of the acceptances from covering the need; nothing if one covers it.
fn unmet(need: &Need<'_>, held: &[&Acceptance]) -> Option<Objection> {
    // A text that came with weights must be the very one that was accepted. Where no text is here,
    // any acceptance of the license counts.
    let of_this_text = |text: &Acceptance| {
        need.licensed
            .terms_sha256
            .is_none_or(|current| current == text.terms_sha256)
    };
    let (of_text, of_other): (Vec<_>, Vec<_>) = held.iter().partition(|held| of_this_text(held));
    let active = |held: &&&Acceptance| matches!(held.state, State::Active { .. });
    let needs_number = need
        .license
        .purpose(need.purpose)
        .conditions
        .contains(&Condition::Registration);
    let complete = |held: &&Acceptance| !needs_number || held.registration_number.is_some();
    if of_text.iter().filter(|held| active(held)).any(complete) {
        return None;
    }
    if let Some(waiting) = of_text
        .iter()
        .find(|held| matches!(held.state, State::UnderReview))
    {
        return Some(under_review(need, waiting));
    }
    if let Some(bare) = of_text.iter().find(|held| active(held)) {
        return Some(without_number(need, bare));
    }
    if let Some(old) = of_other.iter().find(|held| active(held)) {
        return Some(superseded(need, old));
    }
    match of_text.last().map(|held| (held, &held.state)) {
        Some((held, State::Rejected { reason, .. })) => Some(rejected(need, held, reason)),
        Some((held, State::Revoked { reason, .. })) => Some(revoked(need, held, reason)),
        _ => Some(not_accepted(need)),
    }
}

fn no_facts(model: &ModelName, id: &LicenseName) -> Objection {
    let message = format!("{model} is under {id}, a license whose facts are not known here");
    let cure = format!("ask a registrar to add policies/licenses/{id}.toml");
    (ReasonCode::LicenseUnknown, message, cure)
}

fn unregistered(model: &ModelName) -> Objection {
    let message = format!("{model} is in the lineage and not registered, so its license is unknown");
    (
        ReasonCode::LicenseUnknown,
        message,
        format!("ask a registrar to register {model} with its license"),
    )
}

fn purpose_unknown(model: &ModelName, license: &License, purpose: Purpose) -> Objection {
    let message = format!("whether {} ({model}) permits {purpose} is not known", license.id);
    let cure = format!("ask a reviewer to establish it from {}", license.source);
    (ReasonCode::LicenseUnknown, message, cure)
}

fn prohibited(model: &ModelName, license: &License, purpose: Purpose) -> Objection {
    let message = format!("{} ({model}) does not permit {purpose}", license.id);
    (
        ReasonCode::PurposeProhibited,
        message,
        "use another model, or another purpose if it is the true one".into(),
    )
}

fn under_review(need: &Need<'_>, held: &Acceptance) -> Objection {
    let message = format!(
        "acceptance {} of {} waits for a reviewer",
        held.id, need.license.id
    );
    let cure = format!(
        "wait until a reviewer has approved it: POST /v1/acceptances/{}/review",
        held.id
    );
    (ReasonCode::AcceptanceUnderReview, message, cure)
}

fn without_number(need: &Need<'_>, held: &Acceptance) -> Objection {
    let message = format!(
        "acceptance {} of {} names no registration number",
        held.id, need.license.id
    );
    (ReasonCode::RegistrationMissing, message, accept_call(need))
}

fn superseded(need: &Need<'_>, held: &Acceptance) -> Objection {
    let message = format!(
        "acceptance {} covers the terms {} of {}, and {} is under another text now",
        held.id, held.terms_sha256, need.license.id, need.licensed.model
    );
    (ReasonCode::TermsSuperseded, message, accept_call(need))
}

fn rejected(need: &Need<'_>, held: &Acceptance, reason: &str) -> Objection {
    let message = format!(
        "acceptance {} of {} was rejected: {reason}",
        held.id, need.license.id
    );
    (
        ReasonCode::AcceptanceRejected,
        message,
        format!("mend what was wrong, then {}", accept_call(need)),
    )
}

fn revoked(need: &Need<'_>, held: &Acceptance, reason: &str) -> Objection {
    let message = format!(
        "acceptance {} of {} was revoked: {reason}",
        held.id, need.license.id
    );
    (
        ReasonCode::AcceptanceRevoked,
        message,
        format!("settle that, then {}", accept_call(need)),
    )
}

fn not_accepted(need: &Need<'_>) -> Objection {
    let message = format!(
        "the tenant has not accepted {} ({}) for {}",
        need.license.id, need.licensed.model, need.purpose
    );
    (ReasonCode::LicenseNotAccepted, message, accept_call(need))
}

/// The call with which a signatory accepts what is needed.
fn accept_call(need: &Need<'_>) -> String {
    let (license, purpose) = (need.license, need.purpose);
    let Some(terms) = need.licensed.terms_sha256 else {
        return format!(
            "a signatory accepts the current terms of {0} (GET /v1/licenses/{0}): POST /v1/acceptances with {1}",
            license.id,
            accept_body(
                "license",
                license.id.as_str(),
                "SHA256 OF THE TERMS",
                license,
                purpose
            )
        );
    };
    let body = accept_body(
        "model",
        need.licensed.model.as_str(),
        &terms.to_string(),
        license,
        purpose,
    );
    format!("a signatory calls POST /v1/acceptances with {body}")
}

fn accept_body(of: &str, name: &str, terms: &str, license: &License, purpose: Purpose) -> String {
    let conditions = &license.purpose(purpose).conditions;
    let number = match (
        conditions.contains(&Condition::Registration),
        &license.registration_source,
    ) {
        (false, _) => String::new(),
        (true, None) => r#","registration_number":"…""#.into(),
        (true, Some(place)) => format!(r#","registration_number":"… (from {place})""#),
    };
    let signer = r#""signer":{"name":"…","title":"…"}"#;
    format!(r#"{{"{of}":"{name}","terms_sha256":"{terms}","purposes":["{purpose}"],{signer}{number}}}"#)
}
