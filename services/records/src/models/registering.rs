//! Models that are registered by somebody, before any weights of them are here.

use super::seeding::{INSERT_EDGE, INSERT_MODEL};
use crate::{At, Db, RecordsError, Stamp, on, run::Run as _};
use domain::{names::TenantName, registration::Registration};
use serde_json::json;
use sqlx::types::Json;

/// What became of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registered {
    /// The model is registered now.
    New,
    /// A model of that name was registered before; nothing changed.
    Already,
}

/// Registers a model with what it was made from, on behalf of a member of `tenant`.
pub async fn register(
    db: &Db,
    stamp: Stamp<'_>,
    tenant: &TenantName,
    new: &Registration,
) -> Result<Registered, RecordsError> {
    let (mut tx, model) = (db.begin().await?, &new.model);
    let fresh: Option<String> = on!(tx: &mut tx, |c| sqlx::query_scalar(INSERT_MODEL)
        .bind(model.name.as_str())
        .bind(model.license.as_str())
        .bind(&model.license_source)
        .bind(Json(&model.card))
        .bind(At(model.registered_at))
        .fetch_optional(c))?;
    if fresh.is_none() {
        return Ok(Registered::Already);
    }
    for edge in &new.parents {
        on!(tx: &mut tx, |c| sqlx::query(INSERT_EDGE)
            .bind(edge.child.as_str())
            .bind(edge.parent.as_str())
            .bind(edge.relation.as_str())
            .bind(&edge.evidence)
            .run(c))?;
    }
    let detail = json!({
        "license": model.license, "license_source": model.license_source, "parents": new.parents,
    });
    let subject = model.name.to_string();
    stamp
        .audit(&mut tx, tenant, "model.registered", subject, None, detail)
        .await?;
    tx.commit().await?;
    Ok(Registered::New)
}
