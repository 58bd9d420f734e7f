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
    let other = with_files(&in_force, &asked.files, &asked.without);
    let comparison = Comparison {
        other: other.map_err(|bad| invalid(StatusCode::BAD_REQUEST, &bad))?,
        in_force,
        terms: asked.terms,
    };
    let last = (asked.days, clock.now());
    Ok(ok(simulated(&db, comparison, last, settings.most_replayed).await?))
}

/// Replays at most `most` decisions of the last days: so many, until then.
pub(crate) async fn simulated(
    db: &Db,
    comparison: Comparison,
    (days, until): (u32, OffsetDateTime),
    most: u32,
) -> Result<SimulationView, Problem> {
    let recent = decisions::since(db, until - Duration::days(days.into()), most).await?;
    let oldest = recent.decisions.last().map(|(decided, _)| decided.request.at);
    let (replayed, cut) = (recent.decisions.len(), recent.cut);
    let (policies_sha256, other_sha256) = (comparison.in_force.sha256(), comparison.other.sha256());
    let tenants = compare(db, comparison, recent).await.map_err(Problem::internal)?;
    Ok(SimulationView {
        days,
        replayed,
        cut,
        oldest,
        policies_sha256,
        other_sha256,
        changed: tenants.iter().map(|tenant| tenant.decisions).sum(),
        jobs: tenants.iter().map(|tenant| tenant.jobs).sum(),
        tenants,
    })
}

/// The policies in force with `files`, and without the own files that would be gone.
pub(crate) fn with_files(
    in_force: &Policies,
    files: &[PolicyFile],
    without: &BTreeSet<String>,
) -> Result<Policies, BadPolicies> {
    let replaced = |name: &str| without.contains(name) || files.iter().any(|file| file.name == name);
    let kept = in_force.own_files().filter(|file| !replaced(&file.name)).cloned();
    Policies::with_own(kept.chain(files.iter().cloned()).collect())
}

/// What would change, in JSON.
#[derive(Serialize)]
pub(crate) struct SimulationView {
    days: u32,
    pub(crate) replayed: usize,
    pub(crate) cut: bool,
    #[serde(with = "time::serde::rfc3339::option")]
    oldest: Option<OffsetDateTime>,
    policies_sha256: Sha256,
    other_sha256: Sha256,
    pub(crate) changed: usize,
    pub(crate) jobs: u64,
    pub(crate) tenants: Vec<TenantChanges>,
}
