//! Webhooks: endpoints, events, and deliveries of events to endpoints.
//!
//! An event and its deliveries are stored in the transaction of what happened, so neither is ever there without the
//! other. Sending comes after, as often as it takes.

pub mod deliveries;
mod endpoint_row;
pub mod endpoints;
pub mod rotating;
pub mod sending;

use crate::{At, RecordsError, Tx, later::Write, on};
use domain::{
    batch::StoredBatch,
    id::{BatchId, DeliveryId, IdMaker, WebhookEndpointId},
    names::TenantName,
    trace::Trace,
    webhook::{Event, EventTypes},
};
use serde_json::Value;
use sqlx::types::Json;
use std::collections::{BTreeMap, btree_map::Entry};
use time::OffsetDateTime;

const ASKING: &str = "SELECT id, event_types FROM webhook_endpoints \
    WHERE tenant = $1 AND disabled_at IS NULL AND deleted_at IS NULL ORDER BY id";
const INSERT_EVENT: &str = "INSERT INTO events (id, tenant, type, at, path, data, traceparent, \
    tracestate) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const INSERT_DELIVERY: &str = "INSERT INTO deliveries (id, tenant, endpoint, event, created_at, state, due_at) \
    VALUES ($1, $2, $3, $4, $5, 'pending', $5)";

pub(crate) const STATEMENTS: &[&str] = &[ASKING, INSERT_EVENT, INSERT_DELIVERY];
pub(crate) const MORE_STATEMENTS: &[&[&str]] = &[
    deliveries::STATEMENTS,
    endpoints::STATEMENTS,
    rotating::STATEMENTS,
    sending::STATEMENTS,
];

/// The endpoints of a tenant, and what each asked for.
#[derive(Default)]
pub(crate) struct Asking(Vec<(String, Json<EventTypes>)>);

/// Which endpoints of `tenant` ask for events.
pub(crate) async fn asking(tx: &mut Tx, tenant: &TenantName) -> Result<Asking, RecordsError> {
    let rows = on!(tx: tx, |c| sqlx::query_as(ASKING).bind(tenant.as_str()).fetch_all(c))?;
    Ok(Asking(rows))
}

/// Stores each of `events` with a delivery of it to every endpoint of their tenant that asked for its
/// type; stores nothing of what nobody asked for. To be called within the transaction of what happened, after its
/// changes.
pub(crate) async fn enqueue(
    tx: &mut Tx,
    ids: &IdMaker,
    now: OffsetDateTime,
    Asking(rows): &Asking,
    events: &[Event],
) -> Result<(), RecordsError> {
    let mut batches = BTreeMap::new();
    for event in events {
        let wanted = event.kind.event_type();
        let asking = rows.iter().filter(|(_, types)| types.contains(wanted));
        let asking: Vec<&String> = asking.map(|(id, _)| id).collect();
        if asking.is_empty() {
            continue;
        }
        insert_event(tx, event, &mut batches).await?;
        for endpoint in asking {
            insert_delivery(tx, ids.make(), now, event, endpoint);
        }
    }
    Ok(())
}

/// Stores `event` and a delivery of it to one endpoint, whatever that asked for.
async fn enqueue_to(
    tx: &mut Tx,
    ids: &IdMaker,
    now: OffsetDateTime,
    event: &Event,
    endpoint: WebhookEndpointId,
) -> Result<DeliveryId, RecordsError> {
    let delivery = ids.make();
    insert_event(tx, event, &mut BTreeMap::new()).await?;
    insert_delivery(tx, delivery, now, event, &endpoint.to_string());
    Ok(delivery)
}

/// Batches that events are about, as they were found in the transaction.
type Batches = BTreeMap<BatchId, Option<StoredBatch>>;

async fn insert_event(tx: &mut Tx, event: &Event, batches: &mut Batches) -> Result<(), RecordsError> {
    let batch = match event.kind.batch() {
        Some(id) => match batches.entry(id) {
            Entry::Occupied(known) => known.into_mut().as_ref(),
            Entry::Vacant(place) => place.insert(crate::batches::lock(tx, id).await?).as_ref(),
        },
        None => None,
    };
    // What came of a batch is in the trace of the batch.
    let trace = batch.and_then(|batch| batch.trace.as_ref());
    let write = Write::of(INSERT_EVENT)
        .bind(event.id.to_string())
        .bind(event.tenant.as_str())
        .bind(event.kind.event_type().as_str())
        .bind(At(event.at))
        .bind(event.kind.path())
        .bind(Value::from(event.kind.data(batch)))
        .bind(trace.map(Trace::traceparent).as_deref())
        .bind(trace.and_then(Trace::tracestate));
    tx.later(write);
    Ok(())
}

fn insert_delivery(tx: &mut Tx, id: DeliveryId, now: OffsetDateTime, event: &Event, endpoint: &str) {
    let write = Write::of(INSERT_DELIVERY)
        .bind(id.to_string())
        .bind(event.tenant.as_str())
        .bind(endpoint)
        .bind(event.id.to_string())
        .bind(At(now));
    tx.later(write);
}
