//! Writing a model and an edge of lineage: what is there stays as it is.

use crate::{At, RecordsError, Tx, on, run::Run as _};
use domain::{
    digest::Sha256,
    lineage::LineageEdge,
    model::Card,
    names::{LicenseName, ModelName, TenantName},
};
use sqlx::types::Json;
use time::OffsetDateTime;

const MODEL: &str = "INSERT INTO models (name, license, license_source, card, registered_at, family, modality, words) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (name) DO NOTHING RETURNING name";
const REGISTERED_BY: &str = "UPDATE models SET registered_by = $2 WHERE name = $1";
const REFRESH: &str = "UPDATE models SET card = $2, family = $3, modality = $4, words = $5, seed_sha256 = $6, \
    card_version = card_version + 1 \
    WHERE name = $1 AND seed_sha256 IS NOT NULL AND seed_sha256 <> $6 RETURNING name";
const EDGE: &str = "INSERT INTO lineage_edges (child, parent, relation, evidence) \
    VALUES ($1, $2, $3, $4) ON CONFLICT (child, parent, relation) DO NOTHING";

pub(super) const STATEMENTS: &[&str] = &[MODEL, REGISTERED_BY, REFRESH, EDGE];

/// What a model is found by.
pub(super) fn words(name: &ModelName, card: &Card) -> String {
    let chinese = card.chinese.as_ref().and_then(|texts| texts.summary.as_ref());
    let told = [
        card.publisher.as_ref(),
        card.family.as_ref(),
        card.summary.as_ref(),
        chinese,
    ];
    let all = told.into_iter().flatten().map(String::as_str);
    let all: Vec<&str> = [name.as_str()].into_iter().chain(all).collect();
    all.join(" ").to_lowercase()
}

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
        .bind(card.family.as_deref())
        .bind(card.modality.map(|modality| modality.as_str()))
        .bind(words(name, card))
        .fetch_optional(c))?;
    Ok(fresh.is_some())
}

/// Writes down whose registrar has registered a model.
pub(super) async fn registered_by(
    tx: &mut Tx,
    name: &ModelName,
    tenant: &TenantName,
) -> Result<(), RecordsError> {
    on!(tx: tx, |c| sqlx::query(REGISTERED_BY)
        .bind(name.as_str())
        .bind(tenant.as_str())
        .run(c))?;
    Ok(())
}

/// Writes a card that came with the hub over an older one that did too; gives whether there was one.
pub(super) async fn refresh(
    tx: &mut Tx,
    name: &ModelName,
    card: &Card,
    seed: &Sha256,
) -> Result<bool, RecordsError> {
    let older: Option<String> = on!(tx: tx, |c| sqlx::query_scalar(REFRESH)
        .bind(name.as_str())
        .bind(Json(card))
        .bind(card.family.as_deref())
        .bind(card.modality.map(|modality| modality.as_str()))
        .bind(words(name, card))
        .bind(seed.to_string())
        .fetch_optional(c))?;
    Ok(older.is_some())
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
