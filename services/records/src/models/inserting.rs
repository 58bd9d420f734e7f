//! Writing a model and an edge of lineage: what is there stays as it is.

use crate::{At, RecordsError, Tx, on, run::Run as _};
use domain::{
    lineage::LineageEdge,
    model::Card,
    names::{LicenseName, ModelName},
};
use sqlx::types::Json;
use time::OffsetDateTime;

const MODEL: &str = "INSERT INTO models (name, license, license_source, card, registered_at) \
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (name) DO NOTHING RETURNING name";
const EDGE: &str = "INSERT INTO lineage_edges (child, parent, relation, evidence) \
    VALUES ($1, $2, $3, $4) ON CONFLICT (child, parent, relation) DO NOTHING";

pub(super) const STATEMENTS: &[&str] = &[MODEL, EDGE];

/// Writes a model; gives whether it is new.
pub(super) async fn model(
    tx: &mut Tx,
    name: &ModelName,
    license: (&LicenseName, &str),
    card: &Card,
    at: OffsetDateTime,
) -> Result<bool, RecordsError> {
    let fresh: Option<String> = on!(tx: tx, |c| sqlx::query_scalar(MODEL)
        .bind(name.as_str())
        .bind(license.0.as_str())
        .bind(license.1)
        .bind(Json(card))
        .bind(At(at))
        .fetch_optional(c))?;
    Ok(fresh.is_some())
}

/// Writes an edge of lineage.
pub(super) async fn edge(tx: &mut Tx, edge: &LineageEdge) -> Result<(), RecordsError> {
    on!(tx: tx, |c| sqlx::query(EDGE)
        .bind(edge.child.as_str())
        .bind(edge.parent.as_str())
        .bind(edge.relation.as_str())
        .bind(&edge.evidence)
        .run(c))?;
    Ok(())
}
