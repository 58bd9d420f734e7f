//! `/v1/compare`: models side by side.

use crate::{app::ok, caller::Authenticated, catalogue, gate::unknown_model, problem::Problem};
use actix_web::{
    HttpResponse,
    web::{self, Data, Query},
};
use domain::{
    access::Act,
    comparison::{self, MOST_MODELS},
    names::ModelName,
    policy::CurrentPolicies,
};
use records::Db;
use serde::Deserialize;

/// The paths of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config.route("/v1/compare", web::get().to(get));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Compared {
    models: String,
}

/// Two to four names, from a list that commas separate.
pub fn named(list: &str) -> Result<Vec<ModelName>, Problem> {
    let given = list.split(',').map(str::trim).filter(|name| !name.is_empty());
    let names: Result<Vec<ModelName>, _> = given.map(str::parse).collect();
    let wrong = |detail: String| Problem::bad_request("models_invalid", detail);
    let names = names.map_err(|error| wrong(error.to_string()))?;
    match (2..=MOST_MODELS).contains(&names.len()) {
        true => Ok(names),
        false => Err(wrong(format!(
            "`models` is a list of two to {MOST_MODELS} names, separated by commas"
        ))),
    }
}

async fn get(
    caller: Authenticated,
    query: Query<Compared>,
    db: Data<Db>,
    policies: Data<CurrentPolicies>,
) -> Result<HttpResponse, Problem> {
    caller.may(Act::ReadCatalogue)?;
    let models = catalogue::to_compare(&db, &named(&query.models)?).await?;
    let models = models.map_err(|unknown| unknown_model(&unknown))?;
    Ok(ok(comparison::compare(&models, policies.get().licenses())))
}
