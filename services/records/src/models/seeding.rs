//! Models that every hub knows from its first start.

use super::inserting;
use crate::{Db, RecordsError, Tx, on, read::number, run::Run as _};
use domain::model::{Seed, SeedModel};
use time::OffsetDateTime;

const MARK: &str = "UPDATE models SET seed_sha256 = '' WHERE name = $1";
const CLEAR_VARIANTS: &str = "DELETE FROM variants WHERE model = $1";
const INSERT_VARIANT: &str = "INSERT INTO variants (model, place, name, file_bytes, memory_bytes, note) \
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (model, name) DO NOTHING";

pub(super) const STATEMENTS: &[&str] = &[MARK, CLEAR_VARIANTS, INSERT_VARIANT];

/// Registers the models of `seed` that are not registered yet, with their variants and lineage, and renews the cards
/// that an older seed brought. What others registered stays as it is, and so does every license. Safe to call from
/// several processes at once.
pub async fn seed(db: &Db, seed: &Seed, now: OffsetDateTime) -> Result<(), RecordsError> {
    let mut tx = db.begin().await?;
    for model in &seed.models {
        insert(&mut tx, model, now).await?;
    }
    for edge in &seed.edges {
        inserting::edge(&mut tx, edge).await?;
    }
    tx.commit().await?;
    Ok(())
}

async fn insert(tx: &mut Tx, model: &SeedModel, now: OffsetDateTime) -> Result<(), RecordsError> {
    let license = (&model.license, model.license_source.as_str());
    if inserting::model(tx, &model.name, license, &model.card, now).await? {
        on!(tx: &mut *tx, |c| sqlx::query(MARK).bind(model.name.as_str()).run(c))?;
    }
    if !inserting::refresh(tx, &model.name, &model.card, &model.digest()).await? {
        return Ok(());
    }
    on!(tx: &mut *tx, |c| sqlx::query(CLEAR_VARIANTS).bind(model.name.as_str()).run(c))?;
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
