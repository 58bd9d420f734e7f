//! What the deliver loop does with deliveries: claim, send, record.
//!
//! A claim moves `due_at` to the end of a lease: a sender that vanishes is followed by another one. What an attempt
//! came to is stored only while its number is the last one, so a sender that was given up cannot overrule its follower.

use super::{
    deliveries::AttemptEnding,
    endpoints::{self, Choices, DISABLED_FAILING, DISABLED_GONE, reached},
};
use crate::{
    At, Db, RecordsError, Stamp, Tx, on,
    read::{Reading, number, trace},
    run::Run as _,
};
use domain::{
    id::{DeliveryId, EventId, WebhookEndpointId},
    trace::Trace,
    webhook::{
        EndpointSecret, EndpointSeed, EventType,
        delivery::{DeliveryState, ENDPOINT_DELETED, ENDPOINT_DISABLED, ENDPOINT_GONE},
    },
};
use serde_json::{Map, Value};
use sqlx::types::Json;
use time::OffsetDateTime;

const DUE_ENDPOINTS: &str = "SELECT DISTINCT endpoint FROM deliveries \
    WHERE state = 'pending' AND due_at <= $1 AND endpoint > $2 ORDER BY endpoint LIMIT $3";
const CLAIM: &str = "UPDATE deliveries SET due_at = $3, claimed_at = $2, attempts = attempts + 1 WHERE id IN \
    (SELECT id FROM deliveries WHERE endpoint = $1 AND state = 'pending' AND due_at <= $2 \
    ORDER BY due_at, id LIMIT $4) AND state = 'pending' AND due_at <= $2 RETURNING id, event, attempts, tries";
const BEGIN_ATTEMPT: &str = "INSERT INTO delivery_attempts (delivery, number, begun_at) VALUES ($1, $2, $3)";
const ENDPOINT: &str = "SELECT url, secret, disabled_at, deleted_at, signature, form, seed, previous_secret, \
    previous_seed, previous_until FROM webhook_endpoints WHERE id = $1";
const EVENT: &str = "SELECT type, at, path, data, traceparent, tracestate FROM events WHERE id = $1";
const END_ATTEMPT: &str = "UPDATE delivery_attempts SET duration_ms = $3, status = $4, error = $5 \
    WHERE delivery = $1 AND number = $2";
const SETTLE: &str = "UPDATE deliveries SET state = $3, due_at = $4, claimed_at = NULL, settled_at = $5, code = $6, \
    tries = tries + 1 WHERE id = $1 AND attempts = $2 AND state = 'pending'";
const SETTLE_PENDING: &str = "UPDATE deliveries SET state = 'failed', due_at = NULL, claimed_at = NULL, \
    settled_at = $2, code = $3 WHERE endpoint = $1 AND state = 'pending'";
const RELEASE: &str = "UPDATE deliveries SET due_at = $1, claimed_at = NULL \
    WHERE state = 'pending' AND claimed_at IS NOT NULL";

pub(crate) const STATEMENTS: &[&str] = &[
    DUE_ENDPOINTS,
    CLAIM,
    BEGIN_ATTEMPT,
    ENDPOINT,
    EVENT,
    END_ATTEMPT,
    SETTLE,
    SETTLE_PENDING,
    RELEASE,
];

/// A delivery that somebody is about to send.
#[derive(Debug)]
pub struct Claimed {
    /// Its id.
    pub delivery: DeliveryId,
    /// The number of the attempt that begins, from 1.
    pub attempt: u32,
    /// How many attempts failed before, since it was last asked for.
    pub tries: u32,
    /// The event that it tells.
    pub event: EventId,
    /// The event's type.
    pub event_type: EventType,
    /// When it happened.
    pub at: OffsetDateTime,
    /// Where the whole of it is read.
    pub path: String,
    /// Its facts.
    pub data: Map<String, Value>,
    /// Where it goes.
    pub url: String,
    /// The trace of what happened.
    pub trace: Option<Trace>,
}

/// A secret, and a key if there is one, that are used together.
#[derive(Debug)]
pub struct EndpointKeys {
    /// The receiver has it too.
    pub secret: EndpointSecret,
    /// The receiver has its public half.
    pub seed: Option<EndpointSeed>,
}

/// What is to be sent to one endpoint.
#[derive(Debug)]
pub struct ClaimedPortion {
    /// How the endpoint's webhooks are signed, and in which form they come.
    pub choices: Choices,
    /// What they are signed with: what is used now, and then what was used before.
    pub keys: Vec<EndpointKeys>,
    /// The deliveries.
    pub deliveries: Vec<Claimed>,
}

/// Up to `limit` endpoints with something due at `now`, in the order of their ids, after `after`.
pub async fn due_endpoints(
    db: &Db,
    now: OffsetDateTime,
    after: Option<WebhookEndpointId>,
    limit: u32,
) -> Result<Vec<WebhookEndpointId>, RecordsError> {
    let after = after.map(|id| id.to_string()).unwrap_or_default();
    let rows: Vec<String> = on!(db, |c| sqlx::query_scalar(DUE_ENDPOINTS)
        .bind(At(now))
        .bind(&after)
        .bind(i64::from(limit))
        .fetch_all(c))?;
    rows.iter()
        .map(|id| {
            Reading {
                table: "deliveries",
                id,
            }
            .parsed(id)
        })
        .collect()
}

/// Claims up to `limit` due deliveries to an endpoint until `until`. `None`: there are none any more, or the endpoint
/// takes nothing and they were settled.
pub async fn claim(
    db: &Db,
    now: OffsetDateTime,
    until: OffsetDateTime,
    endpoint: WebhookEndpointId,
    limit: usize,
) -> Result<Option<ClaimedPortion>, RecordsError> {
    let mut tx = db.begin().await?;
    let Some(target) = open_target(&mut tx, now, endpoint).await? else {
        tx.commit().await?;
        return Ok(None);
    };
    let rows: Vec<(String, String, i64, i64)> = on!(tx: &mut tx, |c| sqlx::query_as(CLAIM)
        .bind(endpoint.to_string())
        .bind(At(now))
        .bind(At(until))
        .bind(number(limit))
        .fetch_all(c))?;
    let mut deliveries = Vec::with_capacity(rows.len());
    for row in rows {
        deliveries.push(begin_attempt(&mut tx, now, &target.url, row).await?);
    }
    tx.commit().await?;
    let Target { choices, keys, .. } = target;
    let portion = ClaimedPortion {
        choices,
        keys,
        deliveries,
    };
    Ok(Some(portion).filter(|portion| !portion.deliveries.is_empty()))
}

/// An endpoint that takes webhooks.
struct Target {
    url: String,
    choices: Choices,
    keys: Vec<EndpointKeys>,
}

#[derive(sqlx::FromRow)]
struct TargetRow {
    url: String,
    secret: Option<String>,
    disabled_at: Option<At>,
    deleted_at: Option<At>,
    signature: String,
    form: String,
    seed: Option<String>,
    previous_secret: Option<String>,
    previous_seed: Option<String>,
    previous_until: Option<At>,
}

impl TargetRow {
    fn read(self, id: &str, secret: &str, now: OffsetDateTime) -> Result<Target, RecordsError> {
        let reading = Reading {
            table: "webhook_endpoints",
            id,
        };
        let keys = |secret: &str, seed: Option<&str>| {
            Ok::<_, RecordsError>(EndpointKeys {
                secret: reading.parsed(secret)?,
                seed: reading.parsed_if(seed)?,
            })
        };
        let mut all = vec![keys(secret, self.seed.as_deref())?];
        if let Some(previous) = self.previous_secret.as_deref()
            && self.previous_until.is_some_and(|until| until.0 > now)
        {
            all.push(keys(previous, self.previous_seed.as_deref())?);
        }
        Ok(Target {
            choices: Choices {
                signature: reading.parsed(&self.signature)?,
                form: reading.parsed(&self.form)?,
            },
            keys: all,
            url: self.url,
        })
    }
}

/// An endpoint that takes webhooks. What is on its way to one that does not is settled.
async fn open_target(
    tx: &mut Tx,
    now: OffsetDateTime,
    endpoint: WebhookEndpointId,
) -> Result<Option<Target>, RecordsError> {
    let id = endpoint.to_string();
    let row: TargetRow = on!(tx: &mut *tx, |c| sqlx::query_as(ENDPOINT).bind(&id).fetch_one(c))?;
    match (row.secret.clone(), row.disabled_at, row.deleted_at) {
        (Some(secret), None, None) => row.read(&id, &secret, now).map(Some),
        (_, _, deleted) => {
            let code = if deleted.is_some() {
                ENDPOINT_DELETED
            } else {
                ENDPOINT_DISABLED
            };
            settle_pending(tx, now, endpoint, code).await?;
            Ok(None)
        }
    }
}

async fn begin_attempt(
    tx: &mut Tx,
    now: OffsetDateTime,
    url: &str,
    (id, event, attempt, tries): (String, String, i64, i64),
) -> Result<Claimed, RecordsError> {
    on!(tx: &mut *tx, |c| sqlx::query(BEGIN_ATTEMPT).bind(&id).bind(attempt).bind(At(now)).run(c))?;
    type Row = (
        String,
        At,
        String,
        Json<Map<String, Value>>,
        Option<String>,
        Option<String>,
    );
    let row: Row = on!(tx: tx, |c| sqlx::query_as(EVENT).bind(&event).fetch_one(c))?;
    let (event_type, at, path, Json(data), traceparent, tracestate) = row;
    let reading = Reading {
        table: "deliveries",
        id: &id,
    };
    Ok(Claimed {
        delivery: reading.parsed(&id)?,
        attempt: reading.whole(attempt)?,
        tries: reading.whole(tries)?,
        event: reading.parsed(&event)?,
        event_type: reading.parsed(&event_type)?,
        at: at.0,
        path,
        data,
        url: url.to_owned(),
        trace: trace(traceparent.as_deref(), tracestate.as_deref()),
    })
}

/// Stores how an attempt ended and what is true of the delivery then. An endpoint that is gone is disabled, and so is one
/// that took nothing since `too_long_ago`, if that is given; the result is why it was. An attempt that is no longer the
/// last one changes nothing of its delivery but its own line of the log.
pub async fn record(
    db: &Db,
    stamp: Stamp<'_>,
    endpoint: WebhookEndpointId,
    sent: &Claimed,
    ending: &AttemptEnding,
    state: &DeliveryState,
    too_long_ago: Option<OffsetDateTime>,
) -> Result<Option<&'static str>, RecordsError> {
    let mut tx = db.begin().await?;
    let (id, attempt) = (sent.delivery.to_string(), number(sent.attempt));
    on!(tx: &mut tx, |c| sqlx::query(END_ATTEMPT)
        .bind(&id)
        .bind(attempt)
        .bind(number(ending.duration_ms))
        .bind(ending.status.map(i64::from))
        .bind(ending.error.as_deref())
        .run(c))?;
    let (due_at, settled_at, code) = match state {
        DeliveryState::Pending { due_at } => (Some(At(*due_at)), None, None),
        DeliveryState::Delivered { at } => (None, Some(At(*at)), None),
        DeliveryState::Failed { at, code } | DeliveryState::Refused { at, code } => {
            (None, Some(At(*at)), Some(code.as_str()))
        }
    };
    on!(tx: &mut tx, |c| sqlx::query(SETTLE)
        .bind(&id)
        .bind(attempt)
        .bind(state.phase().as_str())
        .bind(due_at)
        .bind(settled_at)
        .bind(code)
        .run(c))?;
    let disabled = if code == Some(ENDPOINT_GONE) {
        endpoints::disable(&mut tx, stamp, endpoint, DISABLED_GONE)
            .await?
            .then_some(DISABLED_GONE)
    } else {
        let has_taken = matches!(state, DeliveryState::Delivered { .. });
        reached(&mut tx, stamp, endpoint, has_taken, too_long_ago)
            .await?
            .then_some(DISABLED_FAILING)
    };
    tx.commit().await?;
    Ok(disabled)
}

/// Nothing that is on its way to an endpoint will be sent, for the reason `code`.
pub(super) async fn settle_pending(
    tx: &mut Tx,
    now: OffsetDateTime,
    endpoint: WebhookEndpointId,
    code: &str,
) -> Result<(), RecordsError> {
    on!(tx: tx, |c| sqlx::query(SETTLE_PENDING)
        .bind(endpoint.to_string())
        .bind(At(now))
        .bind(code)
        .run(c))?;
    Ok(())
}

/// Gives up every claim. Only for the start of a process that is the only one: nobody is sending yet.
pub async fn release_claims(db: &Db, now: OffsetDateTime) -> Result<(), RecordsError> {
    on!(db, |c| sqlx::query(RELEASE).bind(At(now)).run(c))?;
    Ok(())
}
