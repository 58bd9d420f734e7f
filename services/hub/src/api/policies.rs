//! `/v1/policies`: what is in force, and how it is put in force.

use crate::{app::ok, caller::Authenticated, problem::Problem, reload::Reload};
use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{self, Data},
};
use domain::{
    access::Act,
    digest::Sha256,
    policy::{BadPolicies, CurrentPolicies, PolicyFile, shipped},
};
use serde::Serialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

/// The paths of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/v1/policies", web::get().to(get))
        .route("/v1/policies/reload", web::post().to(reload));
}

async fn get(caller: Authenticated, policies: Data<CurrentPolicies>) -> Result<HttpResponse, Problem> {
    caller.may(Act::ReadPolicies)?;
    Ok(ok(PoliciesView::of(&policies)))
}

async fn reload(
    caller: Authenticated,
    reload: Data<Reload>,
    policies: Data<CurrentPolicies>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::ReloadPolicies)?;
    let done = reload.perform(Some(caller)).await.map_err(|error| {
        let bad = error
            .downcast_ref::<BadPolicies>()
            .map(|bad| invalid(StatusCode::CONFLICT, bad));
        bad.unwrap_or_else(|| Problem::internal(error))
    })?;
    Ok(ok(json!({
        "earlier_sha256": done.earlier, "changed": done.earlier != done.now,
        "policies": PoliciesView::of(&policies),
    })))
}

/// The problem that tells of policy files which cannot be in force.
pub(super) fn invalid(status: StatusCode, bad: &BadPolicies) -> Problem {
    let faults = bad.0.iter().map(
        |fault| json!({ "file": fault.file, "line": fault.line, "column": fault.column, "why": fault.why }),
    );
    Problem::new(status, "policies_invalid", bad.to_string())
        .with(
            "cure",
            "mend the files; `glmhub policy check FILE…` tells the same without a hub",
        )
        .with("faults", Value::Array(faults.collect()))
}

/// The policies in force in JSON.
#[derive(Serialize)]
struct PoliciesView {
    policies_sha256: Sha256,
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
    site: String,
    rules: usize,
    files: Vec<FileView>,
}

#[derive(Serialize)]
struct FileView {
    name: String,
    sha256: Sha256,
    own: bool,
}

impl PoliciesView {
    fn of(policies: &CurrentPolicies) -> Self {
        let in_force = policies.in_force();
        let file = |file: &PolicyFile| FileView {
            name: file.name.clone(),
            sha256: file.sha256(),
            own: shipped().all(|shipped| shipped != *file),
        };
        Self {
            policies_sha256: in_force.policies.sha256(),
            since: in_force.since,
            site: policies.site().to_owned(),
            rules: in_force.policies.rules().iter().count(),
            files: in_force.policies.files().iter().map(file).collect(),
        }
    }
}
