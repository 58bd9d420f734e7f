//! What the licenses of a lineage ask for and is not there: the facts that the rules then decide on.

use super::{Facts, ReasonCode, Request};
use crate::{
    acceptance::{Acceptance, State},
    license::{Condition, License, Licenses, Permission},
    lineage::{self, Licensed},
    names::{LicenseName, ModelName},
    policy::template::Words,
    purpose::Purpose,
};

/// Something that a license asks for and is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Objection {
    /// The stable word; a rule forbids for it.
    pub code: ReasonCode,
    /// What is the matter.
    pub message: String,
    /// What the words of the rule's cure stand for.
    pub words: Words,
    /// From the model that was asked for (first) to the one whose license is in the way (last).
    pub path: Vec<ModelName>,
}

/// All that stands open, nearest model first.
pub(super) fn objections(licenses: &Licenses, request: &Request, facts: &Facts) -> Vec<Objection> {
    if facts.lineage.first().is_none_or(|own| own.model != request.model) {
        let step = "ask a registrar to register the model with its license".to_owned();
        return vec![Objection {
            code: ReasonCode::LicenseUnknown,
            message: format!("nothing is known about the license of {}", request.model),
            words: words(request, &request.model, None, [("step", step)]),
            path: vec![request.model.clone()],
        }];
    }
    let mut found: Vec<(Objection, &Licensed)> = Vec::new();
    for (place, licensed) in facts.lineage.iter().enumerate() {
        let Some((code, message, own)) = judged(licenses, request, facts, licensed) else {
            continue;
        };
        let said =
            |(nearer, license): &(Objection, &Licensed)| nearer.code == code && same_cure(license, licensed);
        if !found.iter().any(said) {
            let path = lineage::path(&facts.lineage, place);
            let words = words(request, &licensed.model, licensed.license.as_ref(), own);
            found.push((
                Objection {
                    code,
                    message,
                    words,
                    path,
                },
                licensed,
            ));
        }
    }
    found.into_iter().map(|(objection, _)| objection).collect()
}

/// What the words in a cure stand for, where `cause` is in the way with its `license`.
pub(super) fn words(
    request: &Request,
    cause: &ModelName,
    license: Option<&LicenseName>,
    own: impl IntoIterator<Item = Own>,
) -> Words {
    let general = [
        ("tenant", request.tenant.to_string()),
        ("member", request.member.to_string()),
        ("model", request.model.to_string()),
        ("purpose", request.purpose.to_string()),
        ("site", request.site.clone()),
        ("cause", cause.to_string()),
        ("license", license.map_or_else(String::new, ToString::to_string)),
    ];
    general.into_iter().chain(own).collect()
}

/// Whether what cures the nearer model's reason cures the farther one's too.
fn same_cure(nearer: &Licensed, farther: &Licensed) -> bool {
    let same_license = nearer.license.is_some() && nearer.license == farther.license;
    same_license && (farther.terms_sha256.is_none() || farther.terms_sha256 == nearer.terms_sha256)
}

/// A word of a cure with what it stands for.
type Own = (&'static str, String);
/// The code, what is the matter, and what the cure needs to know.
type Judged = (ReasonCode, String, Vec<Own>);

fn judged(licenses: &Licenses, request: &Request, facts: &Facts, licensed: &Licensed) -> Option<Judged> {
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
fn unmet(need: &Need<'_>, held: &[&Acceptance]) -> Option<Judged> {
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

fn no_facts(model: &ModelName, id: &LicenseName) -> Judged {
    let message = format!("{model} is under {id}, a license whose facts are not known here");
    let cure = format!("ask a registrar to add policies/licenses/{id}.toml");
    (ReasonCode::LicenseUnknown, message, vec![("step", cure)])
}

fn unregistered(model: &ModelName) -> Judged {
    let message = format!("{model} is in the lineage and not registered, so its license is unknown");
    (
        ReasonCode::LicenseUnknown,
        message,
        vec![(
            "step",
            format!("ask a registrar to register {model} with its license"),
        )],
    )
}

fn purpose_unknown(model: &ModelName, license: &License, purpose: Purpose) -> Judged {
    let message = format!("whether {} ({model}) permits {purpose} is not known", license.id);
    let cure = format!("ask a reviewer to establish it from {}", license.source);
    (ReasonCode::LicenseUnknown, message, vec![("step", cure)])
}

fn prohibited(model: &ModelName, license: &License, purpose: Purpose) -> Judged {
    let message = format!("{} ({model}) does not permit {purpose}", license.id);
    (ReasonCode::PurposeProhibited, message, Vec::new())
}

fn under_review(need: &Need<'_>, held: &Acceptance) -> Judged {
    let message = format!(
        "acceptance {} of {} waits for a reviewer",
        held.id, need.license.id
    );
    (
        ReasonCode::AcceptanceUnderReview,
        message,
        vec![("acceptance", held.id.to_string())],
    )
}

fn without_number(need: &Need<'_>, held: &Acceptance) -> Judged {
    let message = format!(
        "acceptance {} of {} names no registration number",
        held.id, need.license.id
    );
    (ReasonCode::RegistrationMissing, message, accept(need))
}

fn superseded(need: &Need<'_>, held: &Acceptance) -> Judged {
    let message = format!(
        "acceptance {} covers the terms {} of {}, and {} is under another text now",
        held.id, held.terms_sha256, need.license.id, need.licensed.model
    );
    (ReasonCode::TermsSuperseded, message, accept(need))
}

fn rejected(need: &Need<'_>, held: &Acceptance, reason: &str) -> Judged {
    let message = format!(
        "acceptance {} of {} was rejected: {reason}",
        held.id, need.license.id
    );
    (ReasonCode::AcceptanceRejected, message, accept(need))
}

fn revoked(need: &Need<'_>, held: &Acceptance, reason: &str) -> Judged {
    let message = format!(
        "acceptance {} of {} was revoked: {reason}",
        held.id, need.license.id
    );
    (ReasonCode::AcceptanceRevoked, message, accept(need))
}

fn not_accepted(need: &Need<'_>) -> Judged {
    let message = format!(
        "the tenant has not accepted {} ({}) for {}",
        need.license.id, need.licensed.model, need.purpose
    );
    (ReasonCode::LicenseNotAccepted, message, accept(need))
}

fn accept(need: &Need<'_>) -> Vec<Own> {
    vec![("accept", accept_call(need))]
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
