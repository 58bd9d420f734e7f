//! `/v1/acceptances`: a tenant accepts terms, and looks at what it has accepted.

use super::{
    acceptance_problems::{no_acceptance, no_license, not_stored},
    acceptance_view::AcceptanceView,
    paging::{Listed, Paging},
};
use crate::{
    app::ok, caller::Authenticated, gate::unknown_model, idempotency::Once, json_object::Object,
    problem::Problem, signals::Signals,
};
use actix_web::{
    HttpResponse,
    http::{StatusCode, header::LOCATION},
    web::{self, Data, Json, Path, Query},
};
use domain::{
    acceptance::{Asking, Declaration, Phase, Signer},
    access::Act,
    clock::SharedClock,
    digest::Sha256,
    id::{AcceptanceId, IdMaker},
    names::{LicenseName, ModelName, TenantName},
    policy::CurrentPolicies,
    purpose::Purpose,
    territory::Territory,
};
use records::{
    Db, Stamp,
    acceptances::{self, Filter, Subject},
    terms,
};
use serde::Deserialize;
use std::collections::BTreeSet;
use time::OffsetDateTime;

/// The paths of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/v1/acceptances", web::post().to(request))
        .route("/v1/acceptances", web::get().to(list))
        .route("/v1/acceptances/{acceptance}", web::get().to(get));
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
    territory: Option<Territory>,
    evidence: Option<String>,
    #[serde(default, with = "time::serde::rfc3339::option")]
    valid_until: Option<OffsetDateTime>,
    #[serde(default = "at_once")]
    submit: bool,
}

fn at_once() -> bool {
    true
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
            territory: self.territory,
            evidence: self.evidence,
            valid_until: self.valid_until,
        };
        Ok((subject, declaration))
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "a handler names each piece that it uses"
)]
async fn request(
    caller: Authenticated,
    Json(Object(body)): Json<Object<NewAcceptance>>,
    db: Data<Db>,
    policies: Data<CurrentPolicies>,
    signals: Data<Signals>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
    once: Once,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::AcceptTerms)?;
    let (submit, at) = (body.submit, clock.now());
    let (subject, declared) = body.parts()?;
    let license = license_of(&db, &subject).await?;
    let policies = policies.get();
    let license = policies
        .licenses()
        .get(&license)
        .ok_or_else(|| no_license(&license))?;
    let asking = Asking {
        id: ids.make(),
        caller,
        at,
        license,
        declared,
        submit,
    };
    let stamp = Stamp::of(&ids, at, caller).under(once.claim());
    let stored = acceptances::request(&db, stamp, &subject, asking).await?;
    let acceptance = stored.map_err(|why| not_stored(&license.id, why))?;
    // What has become active may allow what is held, and may have superseded something.
    signals.reconsider.notify_one();
    signals.deliver.notify_one();
    let location = (LOCATION, format!("/v1/acceptances/{}", acceptance.id));
    let view = view(&db, Some(&caller.tenant), acceptance.id, at).await?;
    Ok(HttpResponse::build(StatusCode::CREATED)
        .insert_header(location)
        .json(view))
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

/// What is asked of a list, apart from its paging.
#[derive(Deserialize)]
struct Wanted {
    state: Option<Phase>,
    after: Option<AcceptanceId>,
    limit: Option<u32>,
}

async fn list(
    caller: Authenticated,
    query: Query<Wanted>,
    db: Data<Db>,
    clock: Data<SharedClock>,
) -> Result<HttpResponse, Problem> {
    let scope = scope(&caller)?;
    let (after, limit) = Paging::new(query.after, query.limit).checked()?;
    let filter = Filter {
        tenant: scope,
        phase: query.state,
        at: clock.now(),
    };
    let page = acceptances::page(&db, filter, after, limit).await?;
    let views = page
        .into_iter()
        .map(|entry| AcceptanceView::of(entry, filter.at))
        .collect();
    Ok(ok(Listed::new(views, limit, AcceptanceView::id)))
}

async fn get(
    caller: Authenticated,
    path: Path<AcceptanceId>,
    db: Data<Db>,
    clock: Data<SharedClock>,
) -> Result<HttpResponse, Problem> {
    Ok(ok(view(&db, scope(&caller)?, *path, clock.now()).await?))
}

/// The tenant whose acceptances alone `caller` may read; nothing if those of every tenant.
pub(crate) fn scope(caller: &Authenticated) -> Result<Option<&TenantName>, Problem> {
    let sees_all = caller.can(Act::ReadEveryAcceptance);
    let tenant = &caller.may(Act::ReadAcceptance)?.tenant;
    Ok((!sees_all).then_some(tenant))
}

/// The view of an acceptance within `scope`. Problem: 404 `not_found`.
pub(super) async fn view(
    db: &Db,
    scope: Option<&TenantName>,
    id: AcceptanceId,
    now: OffsetDateTime,
) -> Result<AcceptanceView, Problem> {
    let entry = acceptances::entry(db, scope, id).await?;
    Ok(AcceptanceView::of(entry.ok_or_else(no_acceptance)?, now))
}
