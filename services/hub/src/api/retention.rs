//! `/v1/retention`: how long a tenant's documents and answers are kept after their batch is over.

use crate::{
    app::ok, caller::Authenticated, json_object::Object, problem::Problem,
    retention_settings::RetentionSettings,
};
use actix_web::{
    HttpResponse,
    web::{self, Data, Json},
};
use domain::{
    access::Act,
    clock::SharedClock,
    deletion::{MOST_DAYS, Retention},
    id::IdMaker,
};
use records::{Db, Stamp, retention};
use serde::Serialize;

/// The paths of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/v1/retention", web::get().to(get))
        .route("/v1/retention", web::put().to(set));
}

/// What is kept for how long in JSON.
#[derive(Serialize)]
struct RetentionView {
    #[serde(flatten)]
    retention: Retention,
    /// Whether the hub's settings say it, and not the tenant.
    is_default: bool,
}

async fn get(
    caller: Authenticated,
    db: Data<Db>,
    settings: Data<RetentionSettings>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::ReadBatch)?;
    let own = retention::get(&db, &caller.tenant).await?;
    Ok(ok(RetentionView {
        is_default: own.is_none(),
        retention: own.unwrap_or_else(|| settings.usual()),
    }))
}

async fn set(
    caller: Authenticated,
    Json(Object(wanted)): Json<Object<Retention>>,
    db: Data<Db>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::KeepRetention)?;
    wanted.check().map_err(|field| {
        let detail = format!("{field} is from 1 to {MOST_DAYS} days, or null to keep them");
        Problem::bad_request("days_out_of_range", detail).with("field", field)
    })?;
    let stamp = Stamp::of(&ids, clock.now(), caller);
    retention::set(&db, stamp, &caller.tenant, &wanted).await?;
    Ok(ok(RetentionView {
        retention: wanted,
        is_default: false,
    }))
}
