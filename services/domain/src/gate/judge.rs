//! What the licenses of a lineage ask for and is not there: the facts that the rules then decide on.

use super::{
    Facts, ReasonCode, Request,
    need::{Held, Need},
    territory::Clauses,
};
use crate::{
    acceptance::{Acceptance, Phase, State},
    license::{Condition, License, Licenses, Permission},
    lineage::{self, Licensed},
    names::{LicenseName, ModelName},
    policy::template::Words,
    purpose::Purpose,
    terms,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

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
pub(super) fn objections(
    licenses: &Licenses,
    request: &Request,
    facts: &Facts,
    clauses: &Clauses<'_>,
) -> Vec<Objection> {
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
        let own = judged(licenses, request, facts, licensed).map(|judged| (place, judged));
        let Some((place, (code, message, own))) = own.or_else(|| clauses.objection(place, licensed)) else {
            continue;
        };
        let said =
            |(nearer, license): &(Objection, &Licensed)| nearer.code == code && same_cure(license, licensed);
        if !found.iter().any(said) {
            let path = lineage::path(&facts.lineage, place);
            let cause = facts.lineage.get(place).unwrap_or(licensed);
            let words = words(request, &cause.model, cause.license.as_ref(), own);
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
pub(super) type Own = (&'static str, String);
/// The code, what is the matter, and what the cure needs to know.
pub(super) type Judged = (ReasonCode, String, Vec<Own>);

fn judged(licenses: &Licenses, request: &Request, facts: &Facts, licensed: &Licensed) -> Option<Judged> {
    let (model, purpose) = (&licensed.model, request.purpose);
    let Some(id) = &licensed.license else {
        return Some(unregistered(model));
    };
    let Some(license) = licenses.get(id) else {
        return Some(no_facts(model, id));
    };
    match license.purpose(purpose).permission {
        Permission::Unknown => Some(purpose_unknown(model, license, purpose)),
        Permission::Prohibited => Some(prohibited(model, license, purpose)),
        Permission::Permitted
            if license
                .purpose(purpose)
                .until
                .is_some_and(|end| end <= request.at) =>
        {
            Some(license_expired(model, license, purpose))
        }
        Permission::Permitted => {
            let need = Need::of(licenses, request, licensed)?;
            let held = Held::of(&need, request, facts);
            held.covering(&need).is_empty().then(|| lack(&need, &held))
        }
    }
}

/// The moment from which a request that is allowed would not be allowed any more, whatever anybody does: the
/// earliest end of the licenses and acceptances that it stands on. None if nothing of it ends by itself.
pub(super) fn until(licenses: &Licenses, request: &Request, facts: &Facts) -> Option<OffsetDateTime> {
    let clauses = Clauses::of(licenses, request, facts);
    let end = |licensed: &Licensed| {
        let need = Need::of(licenses, request, licensed)?;
        let held = Held::of(&need, request, facts);
        let covering = held.covering(&need).into_iter();
        let ends = covering
            .filter(|held| clauses.are_met_by(&need, held))
            .map(|held| held.valid_until);
        // The longest of those that cover it; one without an end outlasts all.
        ends.reduce(|one, other| Some(one?.max(other?))).flatten()
    };
    let of_license = |licensed: &Licensed| {
        let license = licenses.get(licensed.license.as_ref()?)?;
        license.purpose(request.purpose).until
    };
    let all = facts.lineage.iter();
    all.flat_map(|licensed| [end(licensed), of_license(licensed)])
        .flatten()
        .min()
}

/// What is told about acceptances that do not cover the need: what is nearest to covering it.
fn lack(need: &Need<'_>, Held { of_text, of_other }: &Held<'_>) -> Judged {
    let being = |phase: Phase| of_text.iter().find(move |held| held.phase(need.at) == phase);
    if let Some(waiting) = being(Phase::UnderReview) {
        return under_review(need, waiting);
    }
    if let Some(bare) = being(Phase::Active) {
        return without_number(need, bare);
    }
    if let Some(stopped) = being(Phase::Suspended) {
        return suspended(need, stopped);
    }
    if let Some(begun) = being(Phase::Requested) {
        return not_submitted(need, begun);
    }
    if let Some(old) = of_other.iter().find(|held| held.stands(need.at)) {
        return superseded(need, old);
    }
    match of_text.last().map(|held| (held, &held.state)) {
        Some((held, State::Rejected { reason, .. })) => rejected(need, held, reason),
        Some((held, State::Revoked { reason, .. })) => revoked(need, held, reason),
        Some((held, _)) if held.phase(need.at) == Phase::Expired => expired(need, held),
        _ => not_accepted(need),
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

fn license_expired(model: &ModelName, license: &License, purpose: Purpose) -> Judged {
    let until = license.purpose(purpose).until;
    let until = until.and_then(|until| until.format(&Rfc3339).ok());
    let message = format!(
        "{} ({model}) permitted {purpose} until {}",
        license.id,
        until.unwrap_or_default()
    );
    let step = format!(
        "use another model, or ask the licensor for more time ({})",
        license.source
    );
    (ReasonCode::LicenseExpired, message, vec![("step", step)])
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

fn not_submitted(need: &Need<'_>, held: &Acceptance) -> Judged {
    let message = format!(
        "acceptance {} of {} was requested and not submitted",
        held.id, need.license.id
    );
    let words = vec![("acceptance", held.id.to_string())];
    (ReasonCode::AcceptanceNotSubmitted, message, words)
}

fn suspended(need: &Need<'_>, held: &Acceptance) -> Judged {
    let reason = match &held.state {
        State::Suspended { reason, .. } => reason,
        _ => "",
    };
    let message = format!(
        "acceptance {} of {} is suspended: {reason}",
        held.id, need.license.id
    );
    let words = vec![("acceptance", held.id.to_string())];
    (ReasonCode::AcceptanceSuspended, message, words)
}

fn expired(need: &Need<'_>, held: &Acceptance) -> Judged {
    let until = held.valid_until.and_then(|until| until.format(&Rfc3339).ok());
    let message = format!(
        "acceptance {} of {} stood until {}",
        held.id,
        need.license.id,
        until.unwrap_or_default()
    );
    (ReasonCode::AcceptanceExpired, message, accept(need))
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
    // Only where the model has a text of its own can there be another one.
    let current = need.licensed.terms_sha256.unwrap_or(held.terms_sha256);
    let diff = terms::diff_path(&need.license.id, &held.terms_sha256, &current);
    let mut words = accept(need);
    words.push(("diff", diff));
    (ReasonCode::TermsSuperseded, message, words)
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

pub(super) fn accept(need: &Need<'_>) -> Vec<Own> {
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
    let place = match license.purpose(purpose).territories() {
        None => String::new(),
        Some(permitted) => format!(r#","territory":"… ({permitted})""#),
    };
    let signer = r#""signer":{"name":"…","title":"…"}"#;
    format!(
        r#"{{"{of}":"{name}","terms_sha256":"{terms}","purposes":["{purpose}"],{signer}{number}{place}}}"#
    )
}
