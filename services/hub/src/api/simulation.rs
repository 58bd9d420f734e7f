//! `POST /v1/policies/simulate`: what other policies, or other terms, would change.

use super::policies::invalid;
use crate::{
    app::ok,
    caller::Authenticated,
    json_object::Object,
    policy_settings::PolicySettings,
    problem::Problem,
    simulating::{Comparison, compare},
};
use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{self, Data, Json},
};
use domain::{
    access::Act,
    clock::SharedClock,
    digest::Sha256,
    names::LicenseName,
    policy::{BadPolicies, CurrentPolicies, Policies, PolicyFile, simulation::TenantChanges},
};
use records::{Db, decisions};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use time::{Duration, OffsetDateTime};

/// The most days that can be asked for.
const MOST_DAYS: u32 = 3660;

/// The paths of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config.route("/v1/policies/simulate", web::post().to(simulate));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    days: u32,
    /// Added to the own files in force, or in the place of those of the same name.
    #[serde(default)]
    files: Vec<PolicyFile>,
    /// Own files in force that would be gone.
    #[serde(default)]
    without: BTreeSet<String>,
    /// The digests of texts that licenses would come with.
    #[serde(default)]
    terms: BTreeMap<LicenseName, Sha256>,
}

async fn simulate(
    caller: Authenticated,
    Json(Object(body)): Json<Object<Asked>>,
    db: Data<Db>,
    policies: Data<CurrentPolicies>,
    clock: Data<SharedClock>,
    settings: Data<PolicySettings>,
) -> Result<HttpResponse, Problem> {
    caller.may(Act::SimulatePolicies)?;
    let asked = body;
    if !(1..=MOST_DAYS).contains(&asked.days) {
        let detail = format!(
            "days is a number from 1 to {MOST_DAYS}, and {} was given",
            asked.days
        );
        return Err(Problem::bad_request("days_out_of_range", detail));
    }
    let in_force = policies.get();
    let other = other(&in_force, &asked).map_err(|bad| invalid(StatusCode::BAD_REQUEST, &bad))?;
    let since = clock.now() - Duration::days(asked.days.into());
    let recent = decisions::since(&db, since, settings.most_replayed).await?;
    let oldest = recent.decisions.last().map(|(decided, _)| decided.request.at);
    let (replayed, cut) = (recent.decisions.len(), recent.cut);
    let (policies_sha256, other_sha256) = (in_force.sha256(), other.sha256());
    let comparison = Comparison {
        in_force,
        other,
        terms: asked.terms,
    };
    let tenants = compare(&db, comparison, recent)
        .await
        .map_err(Problem::internal)?;
    Ok(ok(SimulationView {
        days: asked.days,
        replayed,
        cut,
        oldest,
        policies_sha256,
        other_sha256,
        changed: tenants.iter().map(|tenant| tenant.decisions).sum(),
        jobs: tenants.iter().map(|tenant| tenant.jobs).sum(),
        tenants,
    }))
}

/// The policies in force with the files that were given, and without those that would be gone.
fn other(in_force: &Policies, asked: &Asked) -> Result<Policies, BadPolicies> {
    let replaced =
        |name: &str| asked.without.contains(name) || asked.files.iter().any(|file| file.name == name);
    let kept = in_force.own_files().filter(|file| !replaced(&file.name)).cloned();
    Policies::with_own(kept.chain(asked.files.iter().cloned()).collect())
}

/// What would change, in JSON.
#[derive(Serialize)]
struct SimulationView {
    days: u32,
    replayed: usize,
    cut: bool,
    #[serde(with = "time::serde::rfc3339::option")]
    oldest: Option<OffsetDateTime>,
    policies_sha256: Sha256,
    other_sha256: Sha256,
    changed: usize,
    jobs: u64,
    tenants: Vec<TenantChanges>,
}
