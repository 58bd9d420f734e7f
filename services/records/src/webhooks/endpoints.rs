//! Webhook endpoints. Their secrets leave the records only with what is to be sent.

pub use super::endpoint_row::{Choices, Endpoint, NewKey, Previous};

use super::{
    asking, deliveries, endpoint_row::EndpointRow, enqueue, enqueue_to, rotating::give_key,
    sending::settle_pending,
};
use crate::{
    At, Db, RecordsError, Stamp, Tx, on,
    read::{Reading, below, number},
    run::Run as _,
};
use domain::{
    id::WebhookEndpointId,
    names::{MemberName, TenantName},
    webhook::{
        EndpointSecret, EndpointState, Event, EventKind, EventTypes,
        delivery::{ENDPOINT_DELETED, ENDPOINT_DISABLED},
    },
};
use serde_json::json;
use sqlx::types::Json;
use time::OffsetDateTime;

/// A member asked for it.
pub const DISABLED_ASKED: &str = "asked";
/// The receiver answered 410.
pub const DISABLED_GONE: &str = "gone";
/// For too long the receiver took nothing.
pub const DISABLED_FAILING: &str = "failing";

const COUNT: &str = "SELECT COUNT(*) FROM webhook_endpoints WHERE tenant = $1 AND deleted_at IS NULL";
const INSERT: &str = "INSERT INTO webhook_endpoints (id, tenant, member, url, description, event_types, secret, \
    created_at, signature, form, seed, public_key) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
const GET: &str = "SELECT id, tenant, member, url, description, event_types, created_at, disabled_at, disabled_code, \
    failing_since, signature, form, public_key, previous_public_key, previous_until FROM webhook_endpoints WHERE id = $1 AND tenant = $2 AND deleted_at IS NULL";
const LIST: &str = "SELECT id, tenant, member, url, description, event_types, created_at, disabled_at, disabled_code, \
    failing_since, signature, form, public_key, previous_public_key, previous_until FROM webhook_endpoints WHERE tenant = $1 AND deleted_at IS NULL AND id < $2 ORDER BY id DESC LIMIT $3";
const CHANGE: &str = "UPDATE webhook_endpoints SET url = $3, description = $4, event_types = $5, disabled_at = $6, \
    disabled_code = $7, signature = $8, form = $9, \
    failing_since = CASE WHEN url = $3 AND COALESCE($6, disabled_at) IS NULL THEN failing_since END \
    WHERE id = $1 AND tenant = $2 AND deleted_at IS NULL RETURNING failing_since";
const DISABLE: &str = "UPDATE webhook_endpoints SET disabled_at = $2, disabled_code = $3, failing_since = NULL \
    WHERE id = $1 AND disabled_at IS NULL AND deleted_at IS NULL RETURNING tenant";
const WORKS: &str =
    "UPDATE webhook_endpoints SET failing_since = NULL WHERE id = $1 AND failing_since IS NOT NULL";
const FAILS: &str = "UPDATE webhook_endpoints SET failing_since = $2 \
    WHERE id = $1 AND failing_since IS NULL AND disabled_at IS NULL AND deleted_at IS NULL";
const FAILS_SINCE: &str =
    "SELECT COUNT(*) FROM webhook_endpoints WHERE id = $1 AND failing_since <= $2 AND disabled_at IS NULL";
const DELETE: &str = "UPDATE webhook_endpoints SET deleted_at = $3, secret = NULL, seed = NULL, previous_secret = NULL, \
    previous_seed = NULL WHERE id = $1 AND tenant = $2 AND deleted_at IS NULL";

pub(crate) const STATEMENTS: &[&str] = &[
    COUNT,
    INSERT,
    GET,
    LIST,
    CHANGE,
    DISABLE,
    WORKS,
    FAILS,
    FAILS_SINCE,
    DELETE,
];

/// An endpoint about to be stored.
#[derive(Debug)]
pub struct NewEndpoint<'a> {
    /// Its id.
    pub id: WebhookEndpointId,
    /// Whose it is.
    pub tenant: &'a TenantName,
    /// Who made it.
    pub member: &'a MemberName,
    /// Where its webhooks go, checked by the guard.
    pub url: &'a str,
    /// The tenant's own words.
    pub description: Option<&'a str>,
    /// What it asked for.
    pub event_types: &'a EventTypes,
    /// What its webhooks are signed with.
    pub secret: &'a EndpointSecret,
    /// How they are signed, and in which form they come.
    pub choices: Choices,
    /// What they are signed with whose public half the receiver has, if there is such a key.
    pub key: Option<&'a NewKey>,
}

/// Stores an endpoint, unless its tenant has `most` already. Gives whether it was stored.
pub async fn create(
    db: &Db,
    stamp: Stamp<'_>,
    new: &NewEndpoint<'_>,
    most: u32,
) -> Result<bool, RecordsError> {
    let mut tx = db.begin().await?;
    let count: i64 = on!(tx: &mut tx, |c| sqlx::query_scalar(COUNT).bind(new.tenant.as_str()).fetch_one(c))?;
    if count >= number(most) {
        return Ok(false);
    }
    on!(tx: &mut tx, |c| sqlx::query(INSERT)
        .bind(new.id.to_string())
        .bind(new.tenant.as_str())
        .bind(new.member.as_str())
        .bind(new.url)
        .bind(new.description)
        .bind(Json(new.event_types))
        .bind(new.secret.reveal())
        .bind(At(stamp.at))
        .bind(new.choices.signature.as_str())
        .bind(new.choices.form.as_str())
        .bind(new.key.map(|key| key.seed.reveal()))
        .bind(new.key.map(|key| key.public.as_str()))
        .run(c))?;
    let detail = json!({
        "url": new.url, "event_types": new.event_types, "signature": new.choices.signature, "form": new.choices.form,
        "public_key": new.key.map(|key| &key.public),
    });
    stamp.audit(
        &mut tx,
        new.tenant,
        "webhook_endpoint.created",
        new.id.to_string(),
        None,
        detail,
    );
    stamp.made(&mut tx, new.tenant, new.id).await?;
    tx.commit().await?;
    Ok(true)
}

/// An endpoint of `tenant`.
pub async fn get(
    db: &Db,
    tenant: &TenantName,
    id: WebhookEndpointId,
) -> Result<Option<Endpoint>, RecordsError> {
    let row: Option<EndpointRow> = on!(db, |c| sqlx::query_as(GET)
        .bind(id.to_string())
        .bind(tenant.as_str())
        .fetch_optional(c))?;
    row.map(EndpointRow::read).transpose()
}

pub(super) async fn get_in(
    tx: &mut Tx,
    tenant: &TenantName,
    id: WebhookEndpointId,
) -> Result<Option<Endpoint>, RecordsError> {
    let row: Option<EndpointRow> = on!(tx: tx, |c| sqlx::query_as(GET)
        .bind(id.to_string())
        .bind(tenant.as_str())
        .fetch_optional(c))?;
    row.map(EndpointRow::read).transpose()
}

/// Up to `limit` endpoints of `tenant`, newest first, older than `after`.
pub async fn list(
    db: &Db,
    tenant: &TenantName,
    after: Option<WebhookEndpointId>,
    limit: u32,
) -> Result<Vec<Endpoint>, RecordsError> {
    let before = below(after);
    let rows: Vec<EndpointRow> = on!(db, |c| sqlx::query_as(LIST)
        .bind(tenant.as_str())
        .bind(&before)
        .bind(i64::from(limit))
        .fetch_all(c))?;
    rows.into_iter().map(EndpointRow::read).collect()
}

/// Changes what `change` changes of an endpoint of `tenant`, and gives it as it is then. Disabling it settles what is
/// on its way to it. If it is to sign with a key and has none, that is `key`. `None`: the tenant has no such endpoint.
pub async fn change(
    db: &Db,
    stamp: Stamp<'_>,
    tenant: &TenantName,
    id: WebhookEndpointId,
    key: &NewKey,
    change: impl FnOnce(&mut Endpoint),
) -> Result<Option<Endpoint>, RecordsError> {
    let mut tx = db.begin().await?;
    let Some(mut endpoint) = get_in(&mut tx, tenant, id).await? else {
        return Ok(None);
    };
    change(&mut endpoint);
    let (disabled_at, disabled_code) = match &endpoint.state {
        EndpointState::Enabled => (None, None),
        EndpointState::Disabled { at, code } => (Some(At(*at)), Some(code.as_str())),
    };
    let failing_since: Option<Option<At>> = on!(tx: &mut tx, |c| sqlx::query_scalar(CHANGE)
        .bind(id.to_string())
        .bind(tenant.as_str())
        .bind(&endpoint.url)
        .bind(endpoint.description.as_deref())
        .bind(Json(&endpoint.event_types))
        .bind(disabled_at)
        .bind(disabled_code)
        .bind(endpoint.choices.signature.as_str())
        .bind(endpoint.choices.form.as_str())
        .fetch_optional(c))?;
    let Some(failing_since) = failing_since else {
        return Ok(None);
    };
    endpoint.failing_since = failing_since.map(|since| since.0);
    if endpoint.choices.signature.has_v1a() && endpoint.public_key.is_none() {
        give_key(&mut tx, tenant, id, key).await?;
        endpoint.public_key = Some(key.public.clone());
    }
    if disabled_at.is_some() {
        settle_pending(&mut tx, stamp.at, id, ENDPOINT_DISABLED).await?;
    }
    let detail = json!({
        "url": endpoint.url, "event_types": endpoint.event_types, "disabled": disabled_code,
        "signature": endpoint.choices.signature, "form": endpoint.choices.form, "public_key": endpoint.public_key,
    });
    stamp.audit(
        &mut tx,
        tenant,
        "webhook_endpoint.changed",
        id.to_string(),
        None,
        detail,
    );
    tx.commit().await?;
    Ok(Some(endpoint))
}

/// What an attempt to reach an endpoint says of it. One that took nothing since `too_long_ago` is disabled, if that is
/// given. Gives whether it was.
pub(super) async fn reached(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    id: WebhookEndpointId,
    has_taken: bool,
    too_long_ago: Option<OffsetDateTime>,
) -> Result<bool, RecordsError> {
    let text = id.to_string();
    if has_taken {
        on!(tx: &mut *tx, |c| sqlx::query(WORKS).bind(&text).run(c))?;
        return Ok(false);
    }
    on!(tx: &mut *tx, |c| sqlx::query(FAILS).bind(&text).bind(At(stamp.at)).run(c))?;
    let Some(too_long_ago) = too_long_ago else {
        return Ok(false);
    };
    let failing: i64 = on!(tx: &mut *tx, |c| sqlx::query_scalar(FAILS_SINCE)
        .bind(&text)
        .bind(At(too_long_ago))
        .fetch_one(c))?;
    Ok(failing > 0 && disable(tx, stamp, id, DISABLED_FAILING).await?)
}

/// Disables an endpoint that is enabled, for the reason `code`, settles what is on its way to it, and tells the tenant's
/// other endpoints. Gives whether it was enabled.
pub(super) async fn disable(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    id: WebhookEndpointId,
    code: &'static str,
) -> Result<bool, RecordsError> {
    let text = id.to_string();
    let tenant: Option<String> = on!(tx: &mut *tx, |c| sqlx::query_scalar(DISABLE)
        .bind(&text)
        .bind(At(stamp.at))
        .bind(code)
        .fetch_optional(c))?;
    let Some(tenant) = tenant else { return Ok(false) };
    settle_pending(tx, stamp.at, id, ENDPOINT_DISABLED).await?;
    let tenant = Reading {
        table: "webhook_endpoints",
        id: &text,
    }
    .parsed(&tenant)?;
    stamp.audit(
        tx,
        &tenant,
        "webhook_endpoint.disabled",
        text,
        None,
        json!({ "code": code }),
    );
    let event = Event {
        id: stamp.ids.make(),
        tenant: tenant.clone(),
        at: stamp.at,
        kind: EventKind::EndpointDisabled { endpoint: id, code },
    };
    let asking = asking(tx, &tenant).await?;
    enqueue(tx, stamp.ids, stamp.at, &asking, &[event]).await?;
    Ok(true)
}

/// Deletes an endpoint of `tenant` with its secret; what was delivered to it stays in the log. Gives whether there was
/// one.
pub async fn delete(
    db: &Db,
    stamp: Stamp<'_>,
    tenant: &TenantName,
    id: WebhookEndpointId,
) -> Result<bool, RecordsError> {
    let mut tx = db.begin().await?;
    let deleted = on!(tx: &mut tx, |c| sqlx::query(DELETE)
        .bind(id.to_string())
        .bind(tenant.as_str())
        .bind(At(stamp.at))
        .run(c))?;
    if deleted == 0 {
        return Ok(false);
    }
    settle_pending(&mut tx, stamp.at, id, ENDPOINT_DELETED).await?;
    stamp.audit(
        &mut tx,
        tenant,
        "webhook_endpoint.deleted",
        id.to_string(),
        None,
        json!({}),
    );
    tx.commit().await?;
    Ok(true)
}

/// Why nothing is sent to an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disabled;

/// Sends a test event to an endpoint of `tenant`. `None`: the tenant has no such endpoint.
pub async fn test(
    db: &Db,
    stamp: Stamp<'_>,
    tenant: &TenantName,
    id: WebhookEndpointId,
) -> Result<Option<Result<deliveries::Delivery, Disabled>>, RecordsError> {
    let mut tx = db.begin().await?;
    let Some(endpoint) = get_in(&mut tx, tenant, id).await? else {
        return Ok(None);
    };
    if endpoint.state != EndpointState::Enabled {
        return Ok(Some(Err(Disabled)));
    }
    let kind = EventKind::EndpointTest { endpoint: id };
    let event = Event {
        id: stamp.ids.make(),
        tenant: tenant.clone(),
        at: stamp.at,
        kind,
    };
    let delivery = enqueue_to(&mut tx, stamp.ids, stamp.at, &event, id).await?;
    let stored = deliveries::get_in(&mut tx, tenant, delivery).await?;
    tx.commit().await?;
    Ok(stored.map(Ok))
}
