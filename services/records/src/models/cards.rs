//! A model's card as it changes.

use super::inserting::words;
use crate::{
    Db, RecordsError, Tx, on,
    read::{Reading, number},
    run::Run as _,
};
use domain::{
    card_change::{CardFacts, NamedLicense},
    model::Card,
    names::ModelName,
};
use sqlx::types::Json;

const FACTS: &str = "SELECT license, license_source, card, card_version FROM models WHERE name = $1";
// What came with the hub does not follow its releases any more.
const CHANGE: &str = "UPDATE models SET license = $3, license_source = $4, card = $5, family = $6, modality = $7, \
    words = $8, seed_sha256 = NULL, card_version = card_version + 1 WHERE name = $1 AND card_version = $2";

pub(super) const STATEMENTS: &[&str] = &[FACTS, CHANGE];

/// What a change may change of a model, and how often that was done.
pub async fn facts(db: &Db, model: &ModelName) -> Result<Option<(CardFacts, u64)>, RecordsError> {
    type Row = (String, String, Json<Card>, i64);
    let row: Option<Row> = on!(db, |c| sqlx::query_as(FACTS)
        .bind(model.as_str())
        .fetch_optional(c))?;
    let Some((license, source, Json(card), version)) = row else {
        return Ok(None);
    };
    let row = Reading {
        table: "models",
        id: model.as_str(),
    };
    let license = NamedLicense {
        id: row.parsed(&license)?,
        source,
    };
    Ok(Some((CardFacts { license, card }, row.whole(version)?)))
}

/// Puts other facts in force, if the card changed `version` times before. Gives whether it did.
pub(crate) async fn change(
    tx: &mut Tx,
    model: &ModelName,
    facts: &CardFacts,
    version: u64,
) -> Result<bool, RecordsError> {
    let changed = on!(tx: tx, |c| sqlx::query(CHANGE)
        .bind(model.as_str())
        .bind(number(version))
        .bind(facts.license.id.as_str())
        .bind(&facts.license.source)
        .bind(Json(&facts.card))
        .bind(facts.card.family.as_deref())
        .bind(facts.card.modality.map(|modality| modality.as_str()))
        .bind(words(model, &facts.card))
        .run(c))?;
    Ok(changed > 0)
}
