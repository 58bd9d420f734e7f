//! Why nothing came of a call about acceptances, as clients are told.

use crate::problem::Problem;
use actix_web::http::StatusCode;
use domain::{
    acceptance::{NotPossible, Unacceptable},
    names::LicenseName,
    terms,
};
use records::acceptances::NotStored;

/// The 404: there is no such acceptance, or it is another tenant's.
pub(crate) fn no_acceptance() -> Problem {
    Problem::not_found("acceptance")
}

/// The 404 for a license without facts.
pub(super) fn no_license(id: &LicenseName) -> Problem {
    let detail =
        format!("the facts of license {id} are not known here; GET /v1/licenses lists those that are");
    Problem::new(StatusCode::NOT_FOUND, "license_unknown", detail)
}

/// Why an acceptance of terms of `license` was not stored or submitted.
pub(super) fn not_stored(license: &LicenseName, why: NotStored) -> Problem {
    match why {
        NotStored::Unacceptable(refusal) => unacceptable(&refusal),
        NotStored::NotPossible(refusal) => not_possible(refusal),
        NotStored::Superseded {
            current: Some(current),
            earlier,
        } => {
            let detail = format!(
                "the terms in force are another text: read GET /v1/licenses/{license}/terms/{current} and accept that"
            );
            let paths = earlier.iter().map(|old| terms::diff_path(license, old, &current));
            Problem::conflict("terms_superseded", detail)
                .with("current_terms_sha256", current.to_string())
                .with("diff", paths.collect::<Vec<_>>())
        }
        NotStored::Superseded { current: None, .. } => Problem::conflict(
            "terms_absent",
            format!(
                "no text of {license} is on this hub, so there is nothing to accept: the operator imports the \
                 weights with their LICENSE file, or a registrar publishes the text (PUT /v1/licenses/{license}/terms)"
            ),
        ),
        NotStored::Covered(id) => Problem::conflict(
            "already_accepted",
            format!("acceptance {id} covers this already; GET /v1/acceptances/{id} shows where it stands"),
        )
        .with("acceptance", id.to_string()),
    }
}

fn unacceptable(refusal: &Unacceptable) -> Problem {
    let code = match refusal {
        Unacceptable::Field(_) => "acceptance_invalid",
        Unacceptable::NotPermitted { .. } => "purpose_prohibited",
        Unacceptable::Unregistered { .. } => "registration_missing",
        Unacceptable::TerritoryUnknown { .. } => "territory_unknown",
        Unacceptable::NotInTerritory { .. } => "territory_not_permitted",
    };
    Problem::bad_request(code, refusal.to_string())
}

/// Why an act on an acceptance is not possible.
pub(crate) fn not_possible(refusal: NotPossible) -> Problem {
    let detail = refusal.to_string();
    match refusal {
        NotPossible::Own => Problem::new(StatusCode::FORBIDDEN, "own_acceptance", detail),
        NotPossible::State { .. }
        | NotPossible::NotOver
        | NotPossible::NotReplaced
        | NotPossible::TooLate => Problem::conflict("acceptance_state", detail),
        NotPossible::Reason => Problem::bad_request("reason_missing", detail).with("field", "reason"),
        NotPossible::ValidUntil => {
            Problem::bad_request("acceptance_invalid", detail).with("field", "valid_until")
        }
    }
}
