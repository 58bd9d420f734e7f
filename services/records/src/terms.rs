//! The exact texts of licenses, by digest.

use crate::{At, Db, RecordsError, Stamp, Tx, on, read::Reading, run::Run as _};
use domain::{
    digest::Sha256,
    names::{LicenseName, ModelName, TenantName},
};
use serde_json::json;
use time::OffsetDateTime;

const KEEP: &str = "INSERT INTO terms (license, sha256, text, seen_at) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (license, sha256) DO NOTHING";
const TEXT: &str = "SELECT text FROM terms WHERE license = $1 AND sha256 = $2";
const LIST: &str = "SELECT license, sha256, seen_at FROM terms ORDER BY license, seen_at DESC, sha256";
const OF_LICENSE: &str =
    "SELECT license, sha256, seen_at FROM terms WHERE license = $1 ORDER BY seen_at DESC, sha256";
// The text of the model's newest revision; if that came without one, the newest text of its license.
const CURRENT_OF_MODEL: &str = "SELECT m.license, COALESCE( \
        (SELECT r.terms_sha256 FROM revisions r WHERE r.model = m.name \
            ORDER BY r.imported_at DESC, r.sha256 DESC LIMIT 1), \
        (SELECT t.sha256 FROM terms t WHERE t.license = m.license \
            ORDER BY t.seen_at DESC, t.sha256 LIMIT 1)) AS sha256 \
    FROM models m WHERE m.name = $1";
// The text of the newest revision of each model under the license; of models without a text, null.
const OF_MODELS: &str = "SELECT m.name, (SELECT r.terms_sha256 FROM revisions r WHERE r.model = m.name \
        ORDER BY r.imported_at DESC, r.sha256 DESC LIMIT 1) AS sha256 \
    FROM models m WHERE m.license = $1 ORDER BY m.name";

pub(crate) const STATEMENTS: &[&str] = &[KEEP, TEXT, LIST, OF_LICENSE, CURRENT_OF_MODEL, OF_MODELS];

/// A text, without the text itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownTerms {
    /// The license that it is the text of.
    pub license: LicenseName,
    /// The digest of its exact bytes.
    pub sha256: Sha256,
    /// When it first came with weights, or was published.
    pub seen_at: OffsetDateTime,
}

/// Keeps a text. One that is kept already stays as it is.
pub(crate) async fn keep(
    tx: &mut Tx,
    license: &LicenseName,
    text: &str,
    seen_at: OffsetDateTime,
) -> Result<Sha256, RecordsError> {
    keep_new(tx, license, text, seen_at)
        .await
        .map(|(sha256, _)| sha256)
}

/// As [`keep`], and tells whether the text is new.
async fn keep_new(
    tx: &mut Tx,
    license: &LicenseName,
    text: &str,
    seen_at: OffsetDateTime,
) -> Result<(Sha256, bool), RecordsError> {
    let sha256 = Sha256::of(text.as_bytes());
    let kept = on!(tx: tx, |c| sqlx::query(KEEP)
        .bind(license.as_str())
        .bind(sha256.to_string())
        .bind(text)
        .bind(At(seen_at))
        .run(c))?;
    Ok((sha256, kept > 0))
}

/// A text that was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// Its digest.
    pub sha256: Sha256,
    /// Whether it was not here before.
    pub new: bool,
}

/// Publishes a text of a license on behalf of a member of `tenant`, without weights. Models whose newest revision came
/// with a text stay under that. One that is here already stays as it is.
pub async fn publish(
    db: &Db,
    stamp: Stamp<'_>,
    tenant: &TenantName,
    license: &LicenseName,
    text: &str,
) -> Result<Published, RecordsError> {
    let mut tx = db.begin().await?;
    let (sha256, new) = keep_new(&mut tx, license, text, stamp.at).await?;
    if new {
        let detail = json!({ "license": license, "bytes": text.len() });
        let subject = sha256.to_string();
        stamp.audit(&mut tx, tenant, "terms.published", subject, None, detail);
    }
    tx.commit().await?;
    Ok(Published { sha256, new })
}

/// The models under `license`, each with the text that its newest revision came with, if it did.
pub async fn of_models(
    db: &Db,
    license: &LicenseName,
) -> Result<Vec<(ModelName, Option<Sha256>)>, RecordsError> {
    let rows: Vec<(String, Option<String>)> = on!(db, |c| sqlx::query_as(OF_MODELS)
        .bind(license.as_str())
        .fetch_all(c))?;
    rows.iter().map(read_model).collect()
}

fn read_model(
    (model, sha256): &(String, Option<String>),
) -> Result<(ModelName, Option<Sha256>), RecordsError> {
    let row = Reading {
        table: "models",
        id: model,
    };
    Ok((row.parsed(model)?, row.parsed_if(sha256.as_deref())?))
}

/// The texts of `license` that can be accepted now: its newest, and those of the newest revisions of models.
pub(crate) async fn in_force(tx: &mut Tx, license: &LicenseName) -> Result<Vec<Sha256>, RecordsError> {
    let known: Vec<Row> = on!(tx: &mut *tx, |c| sqlx::query_as(OF_LICENSE)
        .bind(license.as_str())
        .fetch_all(c))?;
    let newest = known.first().map(Row::read).transpose()?;
    let rows: Vec<(String, Option<String>)> = on!(tx: tx, |c| sqlx::query_as(OF_MODELS)
        .bind(license.as_str())
        .fetch_all(c))?;
    let mut texts: Vec<Sha256> = newest.into_iter().map(|known| known.sha256).collect();
    for row in &rows {
        texts.extend(read_model(row)?.1);
    }
    Ok(texts)
}

/// The exact text.
pub async fn text(db: &Db, license: &LicenseName, sha256: &Sha256) -> Result<Option<String>, RecordsError> {
    Ok(on!(db, |c| sqlx::query_scalar(TEXT)
        .bind(license.as_str())
        .bind(sha256.to_string())
        .fetch_optional(c))?)
}

/// All texts, by license, newest first.
pub async fn list(db: &Db) -> Result<Vec<KnownTerms>, RecordsError> {
    let rows: Vec<Row> = on!(db, |c| sqlx::query_as(LIST).fetch_all(c))?;
    rows.iter().map(Row::read).collect()
}

/// The texts of one license, newest first. The first is the current one.
pub async fn of_license(db: &Db, license: &LicenseName) -> Result<Vec<KnownTerms>, RecordsError> {
    let rows: Vec<Row> = on!(db, |c| sqlx::query_as(OF_LICENSE)
        .bind(license.as_str())
        .fetch_all(c))?;
    rows.iter().map(Row::read).collect()
}

/// The license of a model and the text that is to be accepted for it now; no model, no answer.
pub async fn current_of_model(
    db: &Db,
    model: &ModelName,
) -> Result<Option<(LicenseName, Option<Sha256>)>, RecordsError> {
    let row: Option<(String, Option<String>)> = on!(db, |c| sqlx::query_as(CURRENT_OF_MODEL)
        .bind(model.as_str())
        .fetch_optional(c))?;
    let read = |(license, sha256): (String, Option<String>)| {
        let row = Reading {
            table: "models",
            id: model.as_str(),
        };
        Ok((row.parsed(&license)?, row.parsed_if(sha256.as_deref())?))
    };
    row.map(read).transpose()
}

#[derive(sqlx::FromRow)]
struct Row {
    license: String,
    sha256: String,
    seen_at: At,
}

impl Row {
    fn read(&self) -> Result<KnownTerms, RecordsError> {
        let row = Reading {
            table: "terms",
            id: &self.sha256,
        };
        let (license, sha256) = (row.parsed(&self.license)?, row.parsed(&self.sha256)?);
        Ok(KnownTerms {
            license,
            sha256,
            seen_at: self.seen_at.0,
        })
    }
}
