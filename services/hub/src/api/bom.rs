//! `/v1/models/{owner}/{name}/bom`: what a model consists of and comes from, for tools that read CycloneDX.

use super::models::{Named, find};
use crate::{caller::Authenticated, problem::Problem};
use actix_web::{
    HttpResponse,
    web::{self, Data, Path, Query},
};
use domain::{
    access::Act,
    bom::{self, Subject},
    clock::SharedClock,
    digest::Sha256,
    model::{Model, Revision},
    policy::CurrentPolicies,
};
use records::{Db, facts, lineage, models};
use serde::Deserialize;

/// The paths of this file. They come before those of the models, whose two segments would take the encoded form.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route(
            "/v1/models/{model:[\\w.%-]+%2[Ff][\\w.%-]+}/bom",
            web::get().to(get),
        )
        .route("/v1/models/{owner}/{name}/bom", web::get().to(get));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    revision: Option<Sha256>,
}

async fn get(
    caller: Authenticated,
    path: Path<Named>,
    query: Query<Wanted>,
    db: Data<Db>,
    policies: Data<CurrentPolicies>,
    clock: Data<SharedClock>,
) -> Result<HttpResponse, Problem> {
    caller.may(Act::ReadCatalogue)?;
    let model = find(&db, &path).await?;
    let revision = wanted(&db, &model, query.revision).await?;
    let artifacts = match &revision {
        Some(revision) => models::revision_artifacts(&db, &revision.sha256).await?,
        None => Vec::new(),
    };
    let subject = Subject {
        model: &model,
        revision: revision.as_ref(),
        artifacts: &artifacts,
        lineage: &facts::lineage(&db, &model.name).await?,
        edges: &lineage::above(&db, &model.name).await?,
    };
    let bom = bom::of(subject, policies.get().licenses(), clock.now());
    Ok(HttpResponse::Ok()
        .content_type(bom::MEDIA_TYPE)
        .body(bom.to_string()))
}

/// The revision that is asked for, else the newest, if there is one.
async fn wanted(db: &Db, model: &Model, sha256: Option<Sha256>) -> Result<Option<Revision>, Problem> {
    match sha256 {
        None => Ok(models::current_revision(db, &model.name).await?),
        Some(sha256) => {
            let found = models::revision(db, &model.name, &sha256).await?;
            found.map(Some).ok_or_else(|| Problem::not_found("revision"))
        }
    }
}
