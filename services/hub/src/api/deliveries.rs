//! `/v1/deliveries`: the log of what was sent to a tenant's endpoints, and sending again.

use super::{
    desk::Desk,
    paging::{Listed, Paging},
};
use crate::{app::ok, caller::Authenticated, json_object::Object, problem::Problem, signals::Signals};
use actix_web::{
    HttpResponse,
    web::{self, Data, Json, Path, Query},
};
use domain::{
    access::{Act, Caller},
    clock::SharedClock,
    id::{DeliveryId, EventId, IdMaker, WebhookEndpointId},
    webhook::{
        EventType,
        delivery::{DeliveryPhase, DeliveryState},
    },
};
use records::{
    Db, Stamp,
    webhooks::deliveries::{self, Delivery, DeliveryAttempt, DeliveryFilter, Range, RedeliverRefusal},
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// The paths of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/v1/deliveries", web::get().to(list))
        .route("/v1/deliveries/{delivery}", web::get().to(get))
        .route("/v1/deliveries/{delivery}/redeliver", web::post().to(redeliver))
        .route(
            "/v1/webhook-endpoints/{endpoint}/redeliver",
            web::post().to(redeliver_range),
        );
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeliveryQuery {
    endpoint: Option<WebhookEndpointId>,
    state: Option<DeliveryPhase>,
    after: Option<DeliveryId>,
    limit: Option<u32>,
}

/// A delivery in JSON. Lists leave out its attempts.
#[derive(Serialize)]
pub(super) struct DeliveryView {
    id: DeliveryId,
    endpoint: WebhookEndpointId,
    event: EventId,
    event_type: EventType,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    state: DeliveryPhase,
    #[serde(with = "time::serde::rfc3339::option")]
    due_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    settled_at: Option<OffsetDateTime>,
    code: Option<String>,
    attempts_begun: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<Vec<AttemptView>>,
}

#[derive(Serialize)]
struct AttemptView {
    number: u32,
    #[serde(with = "time::serde::rfc3339")]
    begun_at: OffsetDateTime,
    duration_ms: Option<u64>,
    status: Option<u16>,
    error: Option<String>,
}

impl DeliveryView {
    /// A delivery in a list.
    pub(super) fn brief(delivery: Delivery) -> Self {
        let state = delivery.state.phase();
        let (due_at, settled_at, code) = match delivery.state {
            DeliveryState::Pending { due_at } => (Some(due_at), None, None),
            DeliveryState::Delivered { at } => (None, Some(at), None),
            DeliveryState::Failed { at, code } | DeliveryState::Refused { at, code } => {
                (None, Some(at), Some(code))
            }
        };
        Self {
            id: delivery.id,
            endpoint: delivery.endpoint,
            event: delivery.event,
            event_type: delivery.event_type,
            created_at: delivery.created_at,
            state,
            due_at,
            settled_at,
            code,
            attempts_begun: delivery.attempts,
            attempts: None,
        }
    }
}

impl AttemptView {
    fn of(attempt: DeliveryAttempt) -> Self {
        let (duration_ms, status, error) = match attempt.ending {
            None => (None, None, None),
            Some(ending) => (Some(ending.duration_ms), ending.status, ending.error),
        };
        Self {
            number: attempt.number,
            begun_at: attempt.begun_at,
            duration_ms,
            status,
            error,
        }
    }
}

async fn list(
    caller: Authenticated,
    query: Query<DeliveryQuery>,
    db: Data<Db>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::KeepWebhooks)?;
    let DeliveryQuery {
        endpoint,
        state,
        after,
        limit,
    } = query.into_inner();
    let (after, limit) = Paging::new(after, limit).checked()?;
    let filter = DeliveryFilter {
        endpoint,
        phase: state,
    };
    let deliveries = deliveries::list(&db, &caller.tenant, filter, after, limit).await?;
    let views = deliveries.into_iter().map(DeliveryView::brief).collect();
    Ok(ok(Listed::new(views, limit, |delivery: &DeliveryView| {
        delivery.id.to_string()
    })))
}

async fn get(caller: Authenticated, path: Path<DeliveryId>, db: Data<Db>) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::KeepWebhooks)?;
    let delivery = deliveries::get(&db, &caller.tenant, *path)
        .await?
        .ok_or_else(no_delivery)?;
    let attempts = deliveries::attempts(&db, &delivery)
        .await?
        .into_iter()
        .map(AttemptView::of)
        .collect();
    Ok(ok(DeliveryView {
        attempts: Some(attempts),
        ..DeliveryView::brief(delivery)
    }))
}

impl Desk {
    /// Sends a delivery of the caller's tenant again. Problems: 404, 409 `delivery_pending` or `endpoint_disabled`.
    pub(crate) async fn redeliver(&self, caller: &Caller, id: DeliveryId) -> Result<Delivery, Problem> {
        let again = deliveries::redeliver(&self.db, self.stamp_of(caller), &caller.tenant, id).await?;
        let delivery = again.ok_or_else(no_delivery)?.map_err(refused)?;
        self.signals.deliver.notify_one();
        Ok(delivery)
    }
}

async fn redeliver(
    caller: Authenticated,
    path: Path<DeliveryId>,
    desk: Desk,
) -> Result<HttpResponse, Problem> {
    let delivery = desk.redeliver(caller.may(Act::KeepWebhooks)?, *path).await?;
    Ok(HttpResponse::Accepted().json(DeliveryView::brief(delivery)))
}

/// How many deliveries are sent again with one call at most.
const MOST_AT_ONCE: u32 = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RangeBody {
    #[serde(with = "time::serde::rfc3339")]
    from: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    to: OffsetDateTime,
    #[serde(default)]
    delivered: bool,
    after: Option<DeliveryId>,
}

/// How many are sent again, and after which one to go on if there may be more.
#[derive(Serialize)]
struct RangeView {
    redelivered: u64,
    next: Option<DeliveryId>,
}

async fn redeliver_range(
    caller: Authenticated,
    path: Path<WebhookEndpointId>,
    Json(Object(body)): Json<Object<RangeBody>>,
    db: Data<Db>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
    signals: Data<Signals>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::KeepWebhooks)?;
    if body.from >= body.to {
        let detail =
            "`from` is before `to`, and what was made from the one on and before the other is sent again";
        return Err(Problem::bad_request("range_empty", detail).with("field", "to"));
    }
    let range = Range {
        from: body.from,
        to: body.to,
        delivered: body.delivered,
        after: body.after,
        most: MOST_AT_ONCE,
    };
    let stamp = Stamp::of(&ids, clock.now(), caller);
    let again = deliveries::redeliver_range(&db, stamp, &caller.tenant, *path, range).await?;
    let again = again.ok_or_else(|| Problem::not_found("webhook endpoint"))?;
    let (redelivered, next) = again.map_err(refused)?;
    signals.deliver.notify_one();
    Ok(HttpResponse::Accepted().json(RangeView { redelivered, next }))
}

/// The 404 for a delivery that the tenant does not have.
pub(crate) fn no_delivery() -> Problem {
    Problem::not_found("delivery")
}

fn refused(refusal: RedeliverRefusal) -> Problem {
    match refusal {
        RedeliverRefusal::Pending => {
            Problem::conflict("delivery_pending", "the delivery is pending: it is sent anyway")
        }
        RedeliverRefusal::EndpointOff => Problem::conflict(
            "endpoint_disabled",
            "the delivery's endpoint is disabled or deleted; enable it first",
        ),
    }
}
