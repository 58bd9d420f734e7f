//! The exact texts of licenses, by digest.

use crate::{At, Db, RecordsError, Tx, on, read::Reading, run::Run as _};
use domain::{
    digest::Sha256,
    names::{LicenseName, ModelName},
};
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

pub(crate) const STATEMENTS: &[&str] = &[KEEP, TEXT, LIST, OF_LICENSE, CURRENT_OF_MODEL];

/// A text, without the text itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownTerms {
    /// The license that it is the text of.
    pub license: LicenseName,
    /// The digest of its exact bytes.
    pub sha256: Sha256,
    /// When it first came with weights.
    pub seen_at: OffsetDateTime,
}

/// Keeps a text. One that is kept already stays as it is.
pub(crate) async fn keep(
    tx: &mut Tx,
    license: &LicenseName,
    text: &str,
    seen_at: OffsetDateTime,
) -> Result<Sha256, RecordsError> {
    let sha256 = Sha256::of(text.as_bytes());
    on!(tx: tx, |c| sqlx::query(KEEP)
        .bind(license.as_str())
        .bind(sha256.to_string())
        .bind(text)
        .bind(At(seen_at))
        .run(c))?;
    Ok(sha256)
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
