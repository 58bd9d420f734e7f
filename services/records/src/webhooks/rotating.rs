//! What webhooks of an endpoint are signed with, changed.

use super::endpoints::{Endpoint, NewKey, get_in};
use crate::{At, Db, RecordsError, Stamp, Tx, on, run::Run as _};
use domain::{id::WebhookEndpointId, names::TenantName, webhook::EndpointSecret};
use serde_json::json;
use time::OffsetDateTime;

const GIVE_KEY: &str = "UPDATE webhook_endpoints SET seed = $3, public_key = $4 \
    WHERE id = $1 AND tenant = $2 AND public_key IS NULL AND deleted_at IS NULL";
const ROTATE: &str = "UPDATE webhook_endpoints SET previous_secret = secret, previous_seed = seed, \
    previous_public_key = public_key, previous_until = $6, secret = $3, seed = $4, public_key = $5 \
    WHERE id = $1 AND tenant = $2 AND deleted_at IS NULL";

pub(crate) const STATEMENTS: &[&str] = &[GIVE_KEY, ROTATE];

/// Gives an endpoint of `tenant` a key, if it has none.
pub(super) async fn give_key(
    tx: &mut Tx,
    tenant: &TenantName,
    id: WebhookEndpointId,
    key: &NewKey,
) -> Result<(), RecordsError> {
    on!(tx: tx, |c| sqlx::query(GIVE_KEY)
        .bind(id.to_string())
        .bind(tenant.as_str())
        .bind(key.seed.reveal())
        .bind(&key.public)
        .run(c))?;
    Ok(())
}

/// From now on webhooks of an endpoint of `tenant` are signed with `secret` and `key`, and until `until` with what was used
/// before too. Gives it as it is then. `None`: the tenant has no such endpoint.
pub async fn rotate(
    db: &Db,
    stamp: Stamp<'_>,
    tenant: &TenantName,
    id: WebhookEndpointId,
    secret: &EndpointSecret,
    key: &NewKey,
    until: OffsetDateTime,
) -> Result<Option<Endpoint>, RecordsError> {
    let mut tx = db.begin().await?;
    on!(tx: &mut tx, |c| sqlx::query(ROTATE)
        .bind(id.to_string())
        .bind(tenant.as_str())
        .bind(secret.reveal())
        .bind(key.seed.reveal())
        .bind(&key.public)
        .bind(At(until))
        .run(c))?;
    let Some(endpoint) = get_in(&mut tx, tenant, id).await? else {
        return Ok(None);
    };
    let detail = json!({ "public_key": key.public, "previous": endpoint.previous.as_ref().map(|one| &one.public_key) });
    stamp.audit(
        &mut tx,
        tenant,
        "webhook_endpoint.rotated",
        id.to_string(),
        None,
        detail,
    );
    stamp.made(&mut tx, tenant, id).await?;
    tx.commit().await?;
    Ok(Some(endpoint))
}
