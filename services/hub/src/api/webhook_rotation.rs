//! `/v1/webhook-endpoints/{endpoint}/rotate`: other keys, beside those of before for a while.

use super::webhook_endpoints::{EndpointView, fresh_key, no_endpoint};
use crate::{
    caller::Authenticated, idempotency::Once, json_object::Object, problem::Problem, randomness::Randomness,
    webhook_settings::WebhookSettings,
};
use actix_web::{
    HttpResponse,
    http::header::CACHE_CONTROL,
    web::{self, Data, Json, Path},
};
use domain::{
    access::Act,
    clock::SharedClock,
    id::{IdMaker, WebhookEndpointId},
    webhook::EndpointSecret,
};
use records::{Db, Stamp, webhooks::rotating};
use serde::Deserialize;
use time::Duration;

/// The paths of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config.route("/v1/webhook-endpoints/{endpoint}/rotate", web::post().to(rotate));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RotateBody {
    overlap_seconds: Option<u32>,
}

#[expect(
    clippy::too_many_arguments,
    reason = "a handler names each piece that it uses"
)]
async fn rotate(
    caller: Authenticated,
    path: Path<WebhookEndpointId>,
    Json(Object(body)): Json<Object<RotateBody>>,
    db: Data<Db>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
    randomness: Data<Randomness>,
    settings: Data<WebhookSettings>,
    once: Once,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::KeepWebhooks)?;
    let most = settings.longest_overlap_seconds;
    let overlap = body.overlap_seconds.unwrap_or(most);
    if overlap > most {
        let detail = format!("what was used before is used for {most} seconds more at most");
        return Err(Problem::bad_request("overlap_too_long", detail).with("limit", most));
    }
    let (secret, key) = (EndpointSecret::of(randomness.bytes()), fresh_key(&randomness)?);
    let now = clock.now();
    let stamp = Stamp::of(&ids, now, caller).under(once.claim());
    let until = now + Duration::seconds(overlap.into());
    let rotated = rotating::rotate(&db, stamp, &caller.tenant, *path, &secret, &key, until).await?;
    let view = EndpointView::of(rotated.ok_or_else(no_endpoint)?).with(&secret);
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(view))
}
