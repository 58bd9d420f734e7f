//! `/v1/deliveries`: the log of what was sent to a tenant's endpoints, and sending again.

use super::{
    desk::Desk,
    paging::{Listed, Paging},
    webhook_endpoints::no_endpoint,
};
use crate::{app::ok, caller::Authenticated, json_object::Object, problem::Problem};
use actix_web::{
    HttpResponse,
    web::{self, Data, Json, Path, Query},
};
use domain::{
    access::{Act, Caller},
    id::{DeliveryId, EventId, WebhookEndpointId},
    webhook::{
        EndpointState, EventType,
        delivery::{DeliveryPhase, DeliveryState},
    },
};
use records::{
    Db,
    webhooks::{
        deliveries::{self, Delivery, DeliveryAttempt, DeliveryFilter, Range, RedeliverRefusal},
        endpoints::{self, Endpoint},
    },
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
pub(crate) const MOST_AT_ONCE: u32 = 1_000;

/// Which deliveries of an endpoint are to be sent again: those that were made from a moment on and before another.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RangeWish {
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) from: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) to: OffsetDateTime,
    #[serde(default)]
    pub(crate) delivered: bool,
    pub(crate) after: Option<DeliveryId>,
}

impl RangeWish {
    /// What is sent again with one call. Problem: 400 `range_empty`.
    fn range(&self) -> Result<Range, Problem> {
        if self.from >= self.to {
            let detail =
                "`from` is before `to`, and what was made from the one on and before the other is sent again";
            return Err(Problem::bad_request("range_empty", detail).with("field", "to"));
        }
        Ok(Range {
            from: self.from,
            to: self.to,
            delivered: self.delivered,
            after: self.after,
            most: MOST_AT_ONCE,
        })
    }
}

/// How many are sent again, and after which one to go on if there may be more.
#[derive(Serialize)]
struct RangeView {
    redelivered: u64,
    next: Option<DeliveryId>,
}

impl Desk {
    /// How many deliveries of an endpoint of the caller's tenant a wish comes to, however many calls that takes.
    /// Problems: as those of [`Desk::redeliver_range`].
    pub(crate) async fn count_range(
        &self,
        caller: &Caller,
        id: WebhookEndpointId,
        wish: &RangeWish,
    ) -> Result<(Endpoint, u64), Problem> {
        let range = wish.range()?;
        let endpoint = endpoints::get(&self.db, &caller.tenant, id)
            .await?
            .ok_or_else(no_endpoint)?;
        if endpoint.state != EndpointState::Enabled {
            return Err(refused(RedeliverRefusal::EndpointOff));
        }
        let count = deliveries::count_range(&self.db, &caller.tenant, id, range).await?;
        Ok((endpoint, count))
    }

    /// Sends deliveries of an endpoint of the caller's tenant again, and tells how many, and after which one to go on if
    /// there may be more. Problems: 400 `range_empty`, 404, 409 `endpoint_disabled`.
    pub(crate) async fn redeliver_range(
        &self,
        caller: &Caller,
        id: WebhookEndpointId,
        wish: &RangeWish,
    ) -> Result<(u64, Option<DeliveryId>), Problem> {
        let (range, stamp) = (wish.range()?, self.stamp_of(caller));
        let again = deliveries::redeliver_range(&self.db, stamp, &caller.tenant, id, range).await?;
        let told = again.ok_or_else(no_endpoint)?.map_err(refused)?;
        self.signals.deliver.notify_one();
        Ok(told)
    }
}

async fn redeliver_range(
    caller: Authenticated,
    path: Path<WebhookEndpointId>,
    Json(Object(wish)): Json<Object<RangeWish>>,
    desk: Desk,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::KeepWebhooks)?;
    let (redelivered, next) = desk.redeliver_range(caller, *path, &wish).await?;
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
