//! Deliveries as their tenant sees them: the log, and sending again.

use super::endpoints;
use crate::{
    At, Db, RecordsError, Stamp, Tx, on,
    read::{Reading, below},
    run::Run as _,
};
use domain::{
    id::{DeliveryId, EventId, WebhookEndpointId},
    names::TenantName,
    webhook::{
        EventType,
        delivery::{DeliveryPhase, DeliveryState},
    },
};
use serde_json::json;
use time::OffsetDateTime;

const GET: &str = "SELECT d.id, d.endpoint, d.event, e.type AS event_type, d.created_at, d.state, d.due_at, \
    d.settled_at, d.code, d.attempts FROM deliveries d JOIN events e ON e.id = d.event \
    WHERE d.id = $1 AND d.tenant = $2";
const LIST: &str = "SELECT d.id, d.endpoint, d.event, e.type AS event_type, d.created_at, d.state, d.due_at, \
    d.settled_at, d.code, d.attempts FROM deliveries d JOIN events e ON e.id = d.event \
    WHERE d.tenant = $1 AND d.id < $2 AND d.endpoint = COALESCE(CAST($3 AS TEXT), d.endpoint) \
    AND d.state = COALESCE(CAST($4 AS TEXT), d.state) ORDER BY d.id DESC LIMIT $5";
const ATTEMPTS: &str = "SELECT number, begun_at, duration_ms, status, error FROM delivery_attempts \
    WHERE delivery = $1 ORDER BY number";
const ENABLED: &str = "SELECT COUNT(*) FROM webhook_endpoints \
    WHERE id = $1 AND disabled_at IS NULL AND deleted_at IS NULL";
const SEND_AGAIN: &str = "UPDATE deliveries SET state = 'pending', due_at = $3, claimed_at = NULL, settled_at = NULL, \
    code = NULL, tries = 0 WHERE id = $1 AND tenant = $2 AND state <> 'pending'";
const SEND_RANGE_AGAIN: &str = "UPDATE deliveries SET state = 'pending', due_at = $6, claimed_at = NULL, \
    settled_at = NULL, code = NULL, tries = 0 WHERE id IN (SELECT id FROM deliveries WHERE endpoint = $1 AND id > $3 \
    AND tenant = $2 AND created_at >= $4 AND created_at < $5 \
    AND (state IN ('failed', 'refused') OR (state = 'delivered' AND $7)) ORDER BY id LIMIT $8) \
    AND state <> 'pending' RETURNING id";
const COUNT_RANGE: &str = "SELECT COUNT(*) FROM deliveries WHERE endpoint = $1 AND id > $3 AND tenant = $2 \
    AND created_at >= $4 AND created_at < $5 AND (state IN ('failed', 'refused') OR (state = 'delivered' AND $6))";
const PENDING: &str = "SELECT COUNT(*) FROM deliveries WHERE state = 'pending'";

pub(crate) const STATEMENTS: &[&str] = &[
    GET,
    LIST,
    ATTEMPTS,
    ENABLED,
    SEND_AGAIN,
    SEND_RANGE_AGAIN,
    COUNT_RANGE,
    PENDING,
];

/// A delivery as the records tell of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// Where it goes.
    pub endpoint: WebhookEndpointId,
    /// What it tells.
    pub event: EventId,
    /// The event's type.
    pub event_type: EventType,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// What is true of it now.
    pub state: DeliveryState,
    /// How many attempts were begun.
    pub attempts: u32,
}

/// One sending of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryAttempt {
    /// Its number, from 1.
    pub number: u32,
    /// When it began.
    pub begun_at: OffsetDateTime,
    /// How it ended; `None` while it is on its way, or if the process died then.
    pub ending: Option<AttemptEnding>,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptEnding {
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// The status of the response, if there was one.
    pub status: Option<u16>,
    /// What went wrong, if something did.
    pub error: Option<String>,
}

/// Why a delivery is not sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedeliverRefusal {
    /// It is to be sent anyway.
    Pending,
    /// Its endpoint is disabled or deleted.
    EndpointOff,
}

#[derive(sqlx::FromRow)]
struct DeliveryRow {
    id: String,
    endpoint: String,
    event: String,
    event_type: String,
    created_at: At,
    state: String,
    due_at: Option<At>,
    settled_at: Option<At>,
    code: Option<String>,
    attempts: i64,
}

impl DeliveryRow {
    fn read(self) -> Result<Delivery, RecordsError> {
        let reading = Reading {
            table: "deliveries",
            id: &self.id,
        };
        let at = || reading.required(self.settled_at, "settled_at").map(|at| at.0);
        let code = || reading.required(self.code.clone(), "code");
        let state = match reading.parsed(&self.state)? {
            DeliveryPhase::Pending => DeliveryState::Pending {
                due_at: reading.required(self.due_at, "due_at")?.0,
            },
            DeliveryPhase::Delivered => DeliveryState::Delivered { at: at()? },
            DeliveryPhase::Failed => DeliveryState::Failed {
                at: at()?,
                code: code()?,
            },
            DeliveryPhase::Refused => DeliveryState::Refused {
                at: at()?,
                code: code()?,
            },
        };
        Ok(Delivery {
            id: reading.parsed(&self.id)?,
            endpoint: reading.parsed(&self.endpoint)?,
            event: reading.parsed(&self.event)?,
            event_type: reading.parsed(&self.event_type)?,
            created_at: self.created_at.0,
            state,
            attempts: reading.whole(self.attempts)?,
        })
    }
}

/// A delivery of `tenant`.
pub async fn get(db: &Db, tenant: &TenantName, id: DeliveryId) -> Result<Option<Delivery>, RecordsError> {
    let row: Option<DeliveryRow> = on!(db, |c| sqlx::query_as(GET)
        .bind(id.to_string())
        .bind(tenant.as_str())
        .fetch_optional(c))?;
    row.map(DeliveryRow::read).transpose()
}

pub(super) async fn get_in(
    tx: &mut Tx,
    tenant: &TenantName,
    id: DeliveryId,
) -> Result<Option<Delivery>, RecordsError> {
    let row: Option<DeliveryRow> =
        on!(tx: tx, |c| sqlx::query_as(GET).bind(id.to_string()).bind(tenant.as_str()).fetch_optional(c))?;
    row.map(DeliveryRow::read).transpose()
}

/// Which deliveries are listed.
#[derive(Debug, Clone, Copy, Default)]
pub struct DeliveryFilter {
    /// Only those to this endpoint.
    pub endpoint: Option<WebhookEndpointId>,
    /// Only those in this state.
    pub phase: Option<DeliveryPhase>,
}

/// Up to `limit` deliveries of `tenant`, newest first, older than `after`.
pub async fn list(
    db: &Db,
    tenant: &TenantName,
    filter: DeliveryFilter,
    after: Option<DeliveryId>,
    limit: u32,
) -> Result<Vec<Delivery>, RecordsError> {
    let before = below(after);
    let rows: Vec<DeliveryRow> = on!(db, |c| sqlx::query_as(LIST)
        .bind(tenant.as_str())
        .bind(&before)
        .bind(filter.endpoint.map(|id| id.to_string()))
        .bind(filter.phase.map(DeliveryPhase::as_str))
        .bind(i64::from(limit))
        .fetch_all(c))?;
    rows.into_iter().map(DeliveryRow::read).collect()
}

/// The attempts at a delivery, in their order. The caller has seen that it is the tenant's.
pub async fn attempts(db: &Db, delivery: &Delivery) -> Result<Vec<DeliveryAttempt>, RecordsError> {
    type Row = (i64, At, Option<i64>, Option<i64>, Option<String>);
    let id = delivery.id.to_string();
    let rows: Vec<Row> = on!(db, |c| sqlx::query_as(ATTEMPTS).bind(&id).fetch_all(c))?;
    let reading = Reading {
        table: "delivery_attempts",
        id: &id,
    };
    let read = |(number, begun_at, duration, status, error): Row| {
        let ending = match duration {
            None => None,
            Some(duration) => {
                let status = status.map(|status| reading.whole(status)).transpose()?;
                Some(AttemptEnding {
                    duration_ms: reading.whole(duration)?,
                    status,
                    error,
                })
            }
        };
        Ok(DeliveryAttempt {
            number: reading.whole(number)?,
            begun_at: begun_at.0,
            ending,
        })
    };
    rows.into_iter().map(read).collect()
}

/// Sends a settled delivery of `tenant` again, from the foot of the ladder, as the same event. `None`: the tenant has no
/// such delivery.
pub async fn redeliver(
    db: &Db,
    stamp: Stamp<'_>,
    tenant: &TenantName,
    id: DeliveryId,
) -> Result<Option<Result<Delivery, RedeliverRefusal>>, RecordsError> {
    let mut tx = db.begin().await?;
    let Some(delivery) = get_in(&mut tx, tenant, id).await? else {
        return Ok(None);
    };
    if !is_enabled(&mut tx, delivery.endpoint).await? {
        return Ok(Some(Err(RedeliverRefusal::EndpointOff)));
    }
    let changed = on!(tx: &mut tx, |c| sqlx::query(SEND_AGAIN)
        .bind(id.to_string())
        .bind(tenant.as_str())
        .bind(At(stamp.at))
        .run(c))?;
    if changed == 0 {
        return Ok(Some(Err(RedeliverRefusal::Pending)));
    }
    stamp.audit(
        &mut tx,
        tenant,
        "delivery.redelivered",
        id.to_string(),
        None,
        json!({}),
    );
    let delivery = get_in(&mut tx, tenant, id).await?;
    tx.commit().await?;
    Ok(delivery.map(Ok))
}

async fn is_enabled(tx: &mut Tx, endpoint: WebhookEndpointId) -> Result<bool, RecordsError> {
    let enabled: i64 = on!(tx: tx, |c| sqlx::query_scalar(ENABLED).bind(endpoint.to_string()).fetch_one(c))?;
    Ok(enabled > 0)
}

/// Which deliveries of an endpoint are sent again.
#[derive(Debug, Clone, Copy)]
pub struct Range {
    /// Those that were made from then on,
    pub from: OffsetDateTime,
    /// and before then.
    pub to: OffsetDateTime,
    /// Whether those too that were taken.
    pub delivered: bool,
    /// Those that come after this one.
    pub after: Option<DeliveryId>,
    /// The oldest so many.
    pub most: u32,
}

/// How many deliveries [`redeliver_range`] would send again if it sent all of a range at once.
pub async fn count_range(
    db: &Db,
    tenant: &TenantName,
    id: WebhookEndpointId,
    range: Range,
) -> Result<u64, RecordsError> {
    let count: i64 = on!(db, |c| sqlx::query_scalar(COUNT_RANGE)
        .bind(id.to_string())
        .bind(tenant.as_str())
        .bind(range.after.map(|id| id.to_string()).unwrap_or_default())
        .bind(At(range.from))
        .bind(At(range.to))
        .bind(range.delivered)
        .fetch_one(c))?;
    Reading {
        table: "deliveries",
        id: "*",
    }
    .whole(count)
}

/// Sends settled deliveries of a range again, as [`redeliver`] does. Gives how many, and the last one if there may be more.
/// `None`: the tenant has no such endpoint.
pub async fn redeliver_range(
    db: &Db,
    stamp: Stamp<'_>,
    tenant: &TenantName,
    id: WebhookEndpointId,
    range: Range,
) -> Result<Option<Result<(u64, Option<DeliveryId>), RedeliverRefusal>>, RecordsError> {
    let mut tx = db.begin().await?;
    if endpoints::get_in(&mut tx, tenant, id).await?.is_none() {
        return Ok(None);
    }
    if !is_enabled(&mut tx, id).await? {
        return Ok(Some(Err(RedeliverRefusal::EndpointOff)));
    }
    let again: Vec<String> = on!(tx: &mut tx, |c| sqlx::query_scalar(SEND_RANGE_AGAIN)
        .bind(id.to_string())
        .bind(tenant.as_str())
        .bind(range.after.map(|id| id.to_string()).unwrap_or_default())
        .bind(At(range.from))
        .bind(At(range.to))
        .bind(At(stamp.at))
        .bind(range.delivered)
        .bind(i64::from(range.most))
        .fetch_all(c))?;
    let count = again.len() as u64;
    let last = again.iter().max().filter(|_| count >= u64::from(range.most));
    let reading = Reading {
        table: "deliveries",
        id: "*",
    };
    let last = reading.parsed_if(last.map(String::as_str))?;
    let (kind, detail) = ("webhook_endpoint.redelivered", json!({ "deliveries": count }));
    stamp.audit(&mut tx, tenant, kind, id.to_string(), None, detail);
    tx.commit().await?;
    Ok(Some(Ok((count, last))))
}

/// How many deliveries of all tenants are pending.
pub async fn pending(db: &Db) -> Result<u64, RecordsError> {
    let count: i64 = on!(db, |c| sqlx::query_scalar(PENDING).fetch_one(c))?;
    Reading {
        table: "deliveries",
        id: "*",
    }
    .whole(count)
}
