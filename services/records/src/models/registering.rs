//! Models that are registered by somebody, before any weights of them are here.

use super::inserting;
use crate::{Db, RecordsError, Stamp};
use domain::{names::TenantName, registration::Registration};
use serde_json::json;

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
    let license = (&model.license, model.license_source.as_str());
    if !inserting::model(&mut tx, &model.name, license, &model.card, model.registered_at).await? {
        return Ok(Registered::Already);
    }
    inserting::registered_by(&mut tx, &model.name, tenant).await?;
    for edge in &new.parents {
        inserting::edge(&mut tx, edge).await?;
    }
    let detail = json!({
        "license": model.license, "license_source": model.license_source, "parents": new.parents,
    });
    let subject = model.name.to_string();
    stamp.audit(&mut tx, tenant, "model.registered", subject, None, detail);
    stamp.made(&mut tx, tenant, &model.name).await?;
    tx.commit().await?;
    Ok(Registered::New)
}
