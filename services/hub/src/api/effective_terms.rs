//! `/v1/models/{owner}/{name}/revisions/{sha256}/terms`: what the licenses of a revision's whole lineage come to.

use super::models::{Named, find};
use crate::{app::ok, caller::Authenticated, problem::Problem};
use actix_web::{
    HttpResponse,
    web::{self, Data, Path},
};
use domain::{
    access::Act,
    digest::Sha256,
    effective::{self, EffectiveTerms},
    names::ModelName,
    policy::CurrentPolicies,
};
use records::{Db, facts, models};
use serde::{Deserialize, Serialize};

/// The paths of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/v1/models/{model}/revisions/{sha256}/terms", web::get().to(get))
        .route(
            "/v1/models/{owner}/{name}/revisions/{sha256}/terms",
            web::get().to(get),
        );
}

#[derive(Deserialize)]
struct Revised {
    sha256: Sha256,
}

#[derive(Serialize)]
struct TermsView {
    model: ModelName,
    revision_sha256: Sha256,
    /// The policies whose facts of licenses these are.
    policies_sha256: Sha256,
    #[serde(flatten)]
    terms: EffectiveTerms,
}

async fn get(
    caller: Authenticated,
    named: Path<Named>,
    revised: Path<Revised>,
    db: Data<Db>,
    policies: Data<CurrentPolicies>,
) -> Result<HttpResponse, Problem> {
    caller.may(Act::ReadCatalogue)?;
    let model = find(&db, &named).await?;
    let found = models::revision(&db, &model.name, &revised.sha256).await?;
    let revision = found.ok_or_else(|| Problem::not_found("revision"))?;
    let mut lineage = facts::lineage(&db, &model.name).await?;
    if let Some(own) = lineage.first_mut() {
        own.terms_sha256 = revision.terms_sha256;
    }
    let policies = policies.get();
    Ok(ok(TermsView {
        model: model.name,
        revision_sha256: revision.sha256,
        policies_sha256: policies.sha256(),
        terms: effective::terms(&lineage, policies.licenses()),
    }))
}
