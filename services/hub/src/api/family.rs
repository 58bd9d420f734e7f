//! `/v1/models/{owner}/{name}/lineage` and `/faq`: what is around a model, and what its facts answer.

use super::models::{Named, find};
use crate::{app::ok, caller::Authenticated, catalogue, problem::Problem};
use actix_web::{
    HttpResponse,
    web::{self, Data, Path, Query},
};
use domain::{access::Act, language::Language, policy::CurrentPolicies};
use records::{Db, models};
use serde::Deserialize;
use serde_json::json;

/// The paths of this file. They come before those of the models, whose two segments would take the encoded form.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route(
            "/v1/models/{model:[\\w.%-]+%2[Ff][\\w.%-]+}/lineage",
            web::get().to(lineage),
        )
        .route("/v1/models/{owner}/{name}/lineage", web::get().to(lineage))
        .route(
            "/v1/models/{model:[\\w.%-]+%2[Ff][\\w.%-]+}/faq",
            web::get().to(questions),
        )
        .route("/v1/models/{owner}/{name}/faq", web::get().to(questions));
}

async fn lineage(
    caller: Authenticated,
    path: Path<Named>,
    db: Data<Db>,
    policies: Data<CurrentPolicies>,
) -> Result<HttpResponse, Problem> {
    caller.may(Act::ReadCatalogue)?;
    let model = find(&db, &path).await?;
    Ok(ok(
        catalogue::tree(&db, policies.get().licenses(), &model.name).await?
    ))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spoken {
    lang: Option<String>,
}

async fn questions(
    caller: Authenticated,
    path: Path<Named>,
    query: Query<Spoken>,
    db: Data<Db>,
    policies: Data<CurrentPolicies>,
) -> Result<HttpResponse, Problem> {
    caller.may(Act::ReadCatalogue)?;
    let lang = query.lang.as_deref().map(str::parse::<Language>).transpose();
    let lang = lang.map_err(|error| Problem::bad_request("query_malformed", error.to_string()))?;
    let entry = models::entry(&db, find(&db, &path).await?).await?;
    let terms = catalogue::terms(&db, policies.get().licenses(), &entry.model.name).await?;
    let data = catalogue::questions(&entry, &terms, lang.unwrap_or_default());
    Ok(ok(json!({ "data": data, "next": null })))
}
