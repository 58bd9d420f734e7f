//! Models that every hub knows from its first start.

use crate::{At, Db, RecordsError, Tx, on, read::number, run::Run as _};
use domain::model::{Seed, SeedModel};
use sqlx::types::Json;
use time::OffsetDateTime;

pub(super) const INSERT_MODEL: &str = "INSERT INTO models (name, license, license_source, card, registered_at) \
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (name) DO NOTHING RETURNING name";
const INSERT_VARIANT: &str = "INSERT INTO variants (model, place, name, file_bytes, memory_bytes, note) \
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (model, name) DO NOTHING";
pub(super) const INSERT_EDGE: &str = "INSERT INTO lineage_edges (child, parent, relation, evidence) \
    VALUES ($1, $2, $3, $4) ON CONFLICT (child, parent, relation) DO NOTHING";

pub(super) const STATEMENTS: &[&str] = &[INSERT_MODEL, INSERT_VARIANT, INSERT_EDGE];

/// Registers the models of `seed` that are not registered yet, with their variants and lineage. What is
/// there stays as it is. Safe to call from several processes at once.
pub async fn seed(db: &Db, seed: &Seed, now: OffsetDateTime) -> Result<(), RecordsError> {
    let mut tx = db.begin().await?;
    for model in &seed.models {
        insert(&mut tx, model, now).await?;
    }
    for edge in &seed.edges {
        on!(tx: &mut tx, |c| sqlx::query(INSERT_EDGE)
            .bind(edge.child.as_str())
            .bind(edge.parent.as_str())
            .bind(edge.relation.as_str())
            .bind(&edge.evidence)
            .run(c))?;
    }
    tx.commit().await?;
    Ok(())
}

async fn insert(tx: &mut Tx, model: &SeedModel, now: OffsetDateTime) -> Result<(), RecordsError> {
    let fresh: Option<String> = on!(tx: &mut *tx, |c| sqlx::query_scalar(INSERT_MODEL)
        .bind(model.name.as_str())
        .bind(model.license.as_str())
        .bind(&model.license_source)
        .bind(Json(&model.card))
        .bind(At(now))
        .fetch_optional(c))?;
    if fresh.is_none() {
        return Ok(());
    }
    for (place, variant) in model.variants.iter().enumerate() {
        on!(tx: &mut *tx, |c| sqlx::query(INSERT_VARIANT)
            .bind(model.name.as_str())
            .bind(number(place))
            .bind(&variant.name)
            .bind(variant.file_bytes.map(number))
            .bind(variant.memory_bytes.map(number))
            .bind(&variant.note)
            .run(c))?;
    }
    Ok(())
}
