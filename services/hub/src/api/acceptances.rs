//! `/v1/acceptances`: a tenant accepts terms; reviewers judge and revoke.

use super::{
    acceptance_view::AcceptanceView,
    paging::{Listed, Paging},
};
use crate::{app::ok, caller::Authenticated, gate::unknown_model, problem::Problem};
use actix_web::{
    HttpResponse,
    http::{StatusCode, header::LOCATION},
    web::{self, Data, Json, Path, Query},
};
use domain::{
    acceptance::{Acceptance, Declaration, Judge, NotPossible, Signer, Unacceptable},
    access::Act,
    clock::SharedClock,
    digest::Sha256,
    id::{AcceptanceId, IdMaker},
    names::{LicenseName, ModelName},
    policy::CurrentPolicies,
    purpose::Purpose,
};
use exchange::queue::Queue;
use records::{
    Db, Stamp,
    acceptances::{self, NotStored, Subject, Verdict},
    terms,
};
use serde::Deserialize;
use std::collections::BTreeSet;

/// The paths of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/v1/acceptances", web::post().to(request))
        .route("/v1/acceptances", web::get().to(list))
        .route("/v1/acceptances/{acceptance}", web::get().to(get))
        .route("/v1/acceptances/{acceptance}/review", web::post().to(review))
        .route("/v1/acceptances/{acceptance}/revoke", web::post().to(revoke));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewAcceptance {
    model: Option<ModelName>,
    license: Option<LicenseName>,
    terms_sha256: Sha256,
    purposes: BTreeSet<Purpose>,
    signer: Signer,
    registration_number: Option<String>,
    evidence: Option<String>,
}

impl NewAcceptance {
    fn parts(self) -> Result<(Subject, Declaration), Problem> {
        let subject = match (self.model, self.license) {
            (Some(model), None) => Subject::Model(model),
            (None, Some(license)) => Subject::License(license),
            _ => {
                let detail = "name either the `model` whose terms are accepted or their `license`";
                return Err(Problem::bad_request("acceptance_invalid", detail).with("field", "model"));
            }
        };
        let declaration = Declaration {
            terms_sha256: self.terms_sha256,
            purposes: self.purposes,
            signer: self.signer,
            registration_number: self.registration_number,
            evidence: self.evidence,
        };
        Ok((subject, declaration))
    }
}

async fn request(
    caller: Authenticated,
    body: Json<NewAcceptance>,
    db: Data<Db>,
    policies: Data<CurrentPolicies>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::AcceptTerms)?;
    let (subject, declaration) = body.into_inner().parts()?;
    let id = license_of(&db, &subject).await?;
    let policies = policies.get();
    let license = policies.licenses().get(&id).ok_or_else(|| no_license(&id))?;
    let at = clock.now();
    let acceptance =
        Acceptance::request(ids.make(), caller, at, license, declaration).map_err(unacceptable)?;
    let stamp = Stamp::of(&ids, at, caller);
    acceptances::request(&db, stamp, &subject, &acceptance)
        .await?
        .map_err(|why| not_stored(&id, why))?;
    let location = (LOCATION, format!("/v1/acceptances/{}", acceptance.id));
    Ok(HttpResponse::Created()
        .insert_header(location)
        .json(AcceptanceView::of(acceptance)))
}

async fn license_of(db: &Db, subject: &Subject) -> Result<LicenseName, Problem> {
    match subject {
        Subject::License(license) => Ok(license.clone()),
        Subject::Model(model) => {
            let found = terms::current_of_model(db, model).await?;
            found
                .map(|(license, _)| license)
                .ok_or_else(|| unknown_model(model))
        }
    }
}

async fn list(
    caller: Authenticated,
    query: Query<Paging<AcceptanceId>>,
    db: Data<Db>,
) -> Result<HttpResponse, Problem> {
    let sees_all = caller.can(Act::ReadEveryAcceptance);
    let caller = caller.may(Act::ReadAcceptance)?;
    let (after, limit) = query.into_inner().checked()?;
    let tenant = (!sees_all).then_some(&caller.tenant);
    let page = acceptances::page(&db, tenant, after, limit).await?;
    let views = page.into_iter().map(AcceptanceView::of).collect();
    Ok(ok(Listed::new(views, limit, |acceptance: &AcceptanceView| {
        acceptance.id()
    })))
}

async fn get(caller: Authenticated, path: Path<AcceptanceId>, db: Data<Db>) -> Result<HttpResponse, Problem> {
    let sees_all = caller.can(Act::ReadEveryAcceptance);
    let caller = caller.may(Act::ReadAcceptance)?;
    let found = acceptances::get(&db, *path).await?;
    let seen = found.filter(|acceptance| sees_all || acceptance.tenant == caller.tenant);
    Ok(ok(AcceptanceView::of(seen.ok_or_else(no_acceptance)?)))
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum VerdictWord {
    Approve,
    Reject,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Review {
    verdict: VerdictWord,
    reason: Option<String>,
}

async fn review(
    caller: Authenticated,
    path: Path<AcceptanceId>,
    body: Json<Review>,
    db: Data<Db>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::ReviewAcceptance)?;
    let Review { verdict, reason } = body.into_inner();
    let verdict = match verdict {
        VerdictWord::Approve => Verdict::Approve(reason),
        VerdictWord::Reject => Verdict::Reject(reason.unwrap_or_default()),
    };
    let stamp = Stamp::of_hub(&ids, clock.now());
    let judged = acceptances::review(&db, stamp, Judge::from(caller), *path, verdict).await?;
    let acceptance = judged.ok_or_else(no_acceptance)?.map_err(not_possible)?;
    Ok(ok(AcceptanceView::of(acceptance)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revocation {
    reason: String,
}

async fn revoke(
    caller: Authenticated,
    path: Path<AcceptanceId>,
    body: Json<Revocation>,
    db: Data<Db>,
    queue: Data<dyn Queue>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::ReviewAcceptance)?;
    let stamp = Stamp::of_hub(&ids, clock.now());
    let reason = body.into_inner().reason;
    let revoked = acceptances::revoke(&db, stamp, Judge::from(caller), *path, reason).await?;
    let revoked = revoked.ok_or_else(no_acceptance)?.map_err(not_possible)?;
    // The revocation stands in the records whatever the queue says: orders are checked again when they are
    // dispatched, and the queue is told all epochs at the next start.
    if let Err(error) = queue
        .announce_epoch(&revoked.acceptance.tenant, revoked.epoch)
        .await
    {
        tracing::error!(cause = %error, "the queue could not be told of a revocation");
    }
    Ok(ok(AcceptanceView::of(revoked.acceptance)))
}

fn no_acceptance() -> Problem {
    Problem::not_found("acceptance")
}

fn no_license(id: &LicenseName) -> Problem {
    let detail =
        format!("the facts of license {id} are not known here; GET /v1/licenses lists those that are");
    Problem::new(StatusCode::NOT_FOUND, "license_unknown", detail)
}

fn unacceptable(refusal: Unacceptable) -> Problem {
    let code = match refusal {
        Unacceptable::Field(_) => "acceptance_invalid",
        Unacceptable::NotPermitted { .. } => "purpose_prohibited",
        Unacceptable::Unregistered { .. } => "registration_missing",
    };
    Problem::bad_request(code, refusal.to_string())
}

fn not_stored(license: &LicenseName, why: NotStored) -> Problem {
    match why {
        NotStored::Superseded(Some(current)) => Problem::conflict(
            "terms_superseded",
            format!(
                "the terms in force are another text: read GET /v1/licenses/{license}/terms/{current} and accept that"
            ),
        )
        .with("current_terms_sha256", current.to_string()),
        NotStored::Superseded(None) => Problem::conflict(
            "terms_absent",
            format!(
                "no text of {license} is on this hub, so there is nothing to accept: the operator imports the \
                 weights with their LICENSE file"
            ),
        ),
        NotStored::Covered(id) => Problem::conflict(
            "already_accepted",
            format!("acceptance {id} covers this already; GET /v1/acceptances/{id} shows where it stands"),
        )
        .with("acceptance", id.to_string()),
    }
}

fn not_possible(refusal: NotPossible) -> Problem {
    let detail = refusal.to_string();
    match refusal {
        NotPossible::Own => Problem::new(StatusCode::FORBIDDEN, "own_acceptance", detail),
        NotPossible::NotUnderReview(_) | NotPossible::NotActive(_) => {
            Problem::conflict("acceptance_state", detail)
        }
        NotPossible::Reason => Problem::bad_request("reason_missing", detail).with("field", "reason"),
    }
}
