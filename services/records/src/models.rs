//! Models, their variants and lineage.

pub mod cards;
mod inserting;
mod registering;
mod revisions;
mod seeding;

pub use registering::{Registered, register};
pub(crate) use revisions::add_revision_in;
pub use revisions::{
    Imported, NewRevision, add_revision, artifacts_of_model, current_revision, record_download, revision,
    revision_artifacts, revision_beginning, revision_need, revisions,
};
pub use seeding::seed;

use crate::{
    At, Db, RecordsError, on,
    read::{Reading, number},
};
use domain::{
    lineage::{LineageEdge, Relation},
    model::{Card, Modality, Model, Revision, Variant},
    names::{ModelName, TenantName},
};
use sqlx::types::Json;
use std::ops::RangeInclusive;

const GET: &str = "SELECT name, license, license_source, card, registered_at FROM models WHERE name = $1";
const PAGE: &str = "SELECT name, license, license_source, card, registered_at FROM models \
    WHERE name > COALESCE($1, '') AND (CAST($3 AS TEXT) IS NULL OR family = CAST($3 AS TEXT)) \
        AND (CAST($4 AS TEXT) IS NULL OR modality = CAST($4 AS TEXT)) \
        AND (CAST($5 AS TEXT) IS NULL OR words LIKE CAST($5 AS TEXT) ESCAPE '!') ORDER BY name LIMIT $2";
const FAMILIES: &str = "SELECT DISTINCT family FROM models WHERE family IS NOT NULL ORDER BY family";
const VARIANTS: &str =
    "SELECT name, file_bytes, memory_bytes, note FROM variants WHERE model = $1 ORDER BY place, name";
const PARENTS: &str =
    "SELECT parent, relation, evidence FROM lineage_edges WHERE child = $1 ORDER BY parent, relation";

// The nearest on both sides, those in between included, and the nearest beyond.
const NEAR: &str = "SELECT name, license, license_source, card, registered_at FROM models WHERE name IN (\
    SELECT * FROM (SELECT name FROM models WHERE COALESCE(modality, '') = $1 AND parameters >= $2 AND name <> $6 \
        ORDER BY parameters, name LIMIT $5) AS more \
    UNION SELECT * FROM (SELECT name FROM models WHERE COALESCE(modality, '') = $1 AND parameters < $2 \
        ORDER BY parameters DESC, name DESC LIMIT $5) AS less \
    UNION SELECT * FROM (SELECT name FROM models WHERE COALESCE(modality, '') = $1 AND parameters > $4 \
        ORDER BY parameters, name LIMIT 1) AS above \
    UNION SELECT * FROM (SELECT name FROM models WHERE COALESCE(modality, '') = $1 AND parameters < $3 \
        ORDER BY parameters DESC, name DESC LIMIT 1) AS below)";
const REGISTERED_BY: &str = "SELECT registered_by FROM models WHERE name = $1";
const VERSION: &str = "SELECT version FROM catalogue_version";

pub(crate) const STATEMENTS: &[&str] = &[
    GET,
    PAGE,
    FAMILIES,
    VARIANTS,
    PARENTS,
    NEAR,
    REGISTERED_BY,
    VERSION,
];
pub(crate) const MORE_STATEMENTS: &[&[&str]] = &[
    cards::STATEMENTS,
    inserting::STATEMENTS,
    revisions::STATEMENTS,
    seeding::STATEMENTS,
];

/// A model with what hangs on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The model.
    pub model: Model,
    /// Its runnable forms.
    pub variants: Vec<Variant>,
    /// What it was made from.
    pub parents: Vec<LineageEdge>,
    /// Its newest revision.
    pub revision: Option<Revision>,
}

/// One model by name.
pub async fn get(db: &Db, name: &ModelName) -> Result<Option<Model>, RecordsError> {
    let row: Option<Row> = on!(db, |c| sqlx::query_as(GET).bind(name.as_str()).fetch_optional(c))?;
    row.map(Row::read).transpose()
}

/// The tenant whose registrar has registered a model, if one has.
pub async fn registered_by(db: &Db, name: &ModelName) -> Result<Option<TenantName>, RecordsError> {
    let tenant: Option<Option<String>> = on!(db, |c| sqlx::query_scalar(REGISTERED_BY)
        .bind(name.as_str())
        .fetch_optional(c))?;
    let row = Reading {
        table: "models",
        id: name.as_str(),
    };
    row.parsed_if(tenant.flatten().as_deref())
}

/// What the catalogue is narrowed by. Nothing narrows by nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Text that name, publisher, family or a summary has in it.
    pub text: Option<String>,
    /// The family.
    pub family: Option<String>,
    /// What it takes in and gives out.
    pub modality: Option<Modality>,
}

impl Wanted {
    /// The text as a pattern in which nothing but its ends is a wild card.
    fn pattern(&self) -> Option<String> {
        let text = self
            .text
            .as_deref()
            .map(str::trim)
            .filter(|text| !text.is_empty())?;
        let plain = text
            .to_lowercase()
            .replace('!', "!!")
            .replace('%', "!%")
            .replace('_', "!_");
        Some(format!("%{plain}%"))
    }
}

/// Up to `limit` models that are wanted by name, those after `after`.
pub async fn page(
    db: &Db,
    wanted: &Wanted,
    after: Option<&ModelName>,
    limit: u32,
) -> Result<Vec<Model>, RecordsError> {
    let rows: Vec<Row> = on!(db, |c| sqlx::query_as(PAGE)
        .bind(after.map(|name| name.as_str()))
        .bind(i64::from(limit))
        .bind(wanted.family.as_deref())
        .bind(wanted.modality.map(|modality| modality.as_str()))
        .bind(wanted.pattern())
        .fetch_all(c))?;
    rows.into_iter().map(Row::read).collect()
}

/// Models of the same modality as `model`, which has so many parameters: up to `most` each with as many or more and with
/// fewer, the nearest; and the nearest each beyond `band`. In no order.
pub async fn near(
    db: &Db,
    model: &Model,
    parameters: u64,
    band: RangeInclusive<u64>,
    most: u32,
) -> Result<Vec<Model>, RecordsError> {
    let rows: Vec<Row> = on!(db, |c| sqlx::query_as(NEAR)
        .bind(model.card.modality.map_or("", Modality::as_str))
        .bind(number(parameters))
        .bind(number(*band.start()))
        .bind(number(*band.end()))
        .bind(i64::from(most))
        .bind(model.name.as_str())
        .fetch_all(c))?;
    rows.into_iter().map(Row::read).collect()
}

/// How often models, variants, lineage or revisions were changed: what was read of them after a version was seen is good
/// until another one is.
pub async fn version(db: &Db) -> Result<i64, RecordsError> {
    Ok(on!(db, |c| sqlx::query_scalar(VERSION).fetch_one(c))?)
}

/// Every family that a model is of.
pub async fn families(db: &Db) -> Result<Vec<String>, RecordsError> {
    Ok(on!(db, |c| sqlx::query_scalar(FAMILIES).fetch_all(c))?)
}

/// What hangs on a model.
pub async fn entry(db: &Db, model: Model) -> Result<Entry, RecordsError> {
    let name = model.name.clone();
    let variants: Vec<VariantRow> = on!(db, |c| sqlx::query_as(VARIANTS).bind(name.as_str()).fetch_all(c))?;
    let parents: Vec<(String, String, String)> =
        on!(db, |c| sqlx::query_as(PARENTS).bind(name.as_str()).fetch_all(c))?;
    Ok(Entry {
        variants: variants
            .into_iter()
            .map(|row| row.read(&name))
            .collect::<Result<_, _>>()?,
        parents: parents
            .into_iter()
            .map(|row| edge(&name, row))
            .collect::<Result<_, _>>()?,
        revision: current_revision(db, &name).await?,
        model,
    })
}

fn edge(
    child: &ModelName,
    (parent, relation, evidence): (String, String, String),
) -> Result<LineageEdge, RecordsError> {
    let row = Reading {
        table: "lineage_edges",
        id: child.as_str(),
    };
    let relation = Relation::from_word(&relation).ok_or_else(|| row.nonsense("an odd relation"))?;
    Ok(LineageEdge {
        parent: row.parsed(&parent)?,
        child: child.clone(),
        relation,
        evidence,
    })
}

#[derive(sqlx::FromRow)]
struct Row {
    name: String,
    license: String,
    license_source: String,
    card: Json<Card>,
    registered_at: At,
}

impl Row {
    fn read(self) -> Result<Model, RecordsError> {
        let row = Reading {
            table: "models",
            id: &self.name,
        };
        Ok(Model {
            name: row.parsed(&self.name)?,
            license: row.parsed(&self.license)?,
            license_source: self.license_source,
            card: self.card.0,
            registered_at: self.registered_at.0,
        })
    }
}

#[derive(sqlx::FromRow)]
struct VariantRow {
    name: String,
    file_bytes: Option<i64>,
    memory_bytes: Option<i64>,
    note: Option<String>,
}

impl VariantRow {
    fn read(self, model: &ModelName) -> Result<Variant, RecordsError> {
        let row = Reading {
            table: "variants",
            id: model.as_str(),
        };
        let size = |bytes: Option<i64>| bytes.map(|bytes| row.whole(bytes)).transpose();
        let (file_bytes, memory_bytes) = (size(self.file_bytes)?, size(self.memory_bytes)?);
        Ok(Variant {
            name: self.name,
            file_bytes,
            memory_bytes,
            note: self.note,
        })
    }
}

#[cfg(test)]
mod tests;
