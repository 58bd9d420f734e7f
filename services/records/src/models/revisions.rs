//! Revisions and their artifacts.

use super::inserting;
use crate::{At, Db, RecordsError, Stamp, Tx, on, read::Reading, read::number, run::Run as _, terms};
use domain::{
    audit::NewAudit,
    digest::Sha256,
    gate::Allowed,
    hardware::Need,
    model::{Artifact, Model, Revision},
    names::ModelName,
};
use serde_json::json;
use sqlx::types::Json;

const CURRENT: &str = "SELECT model, sha256, terms_sha256, bytes, imported_at FROM revisions WHERE model = $1 \
    ORDER BY imported_at DESC, sha256 DESC LIMIT 1";
const GET: &str =
    "SELECT model, sha256, terms_sha256, bytes, imported_at FROM revisions WHERE model = $1 AND sha256 = $2";
const BEGINNING: &str = "SELECT model, sha256, terms_sha256, bytes, imported_at FROM revisions \
    WHERE model = $1 AND substr(sha256, 1, length($2)) = $2 ORDER BY imported_at DESC, sha256 DESC LIMIT 1";
const PAGE: &str = "SELECT r.model, r.sha256, r.terms_sha256, r.bytes, r.imported_at FROM revisions r \
    WHERE r.model = $1 AND (CAST($2 AS TEXT) IS NULL OR (r.imported_at, r.sha256) < \
        (SELECT a.imported_at, a.sha256 FROM revisions a WHERE a.model = $1 AND a.sha256 = $2)) \
    ORDER BY r.imported_at DESC, r.sha256 DESC LIMIT $3";
const ARTIFACTS: &str = "SELECT path, sha256, bytes FROM artifacts WHERE revision_sha256 = $1 ORDER BY path";
const ARTIFACTS_OF_MODEL: &str = "SELECT DISTINCT a.path, a.sha256, a.bytes FROM artifacts a \
    JOIN revisions r ON r.sha256 = a.revision_sha256 WHERE r.model = $1 ORDER BY a.path, a.sha256";
const NEED: &str = "SELECT need FROM revisions WHERE model = $1 AND sha256 = $2";
const INSERT: &str = "INSERT INTO revisions (model, sha256, terms_sha256, bytes, need, imported_at) \
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (model, sha256) DO NOTHING RETURNING sha256";
const INSERT_ARTIFACT: &str = "INSERT INTO artifacts (revision_sha256, path, sha256, bytes) \
    VALUES ($1, $2, $3, $4) ON CONFLICT (revision_sha256, path) DO NOTHING";

pub(super) const STATEMENTS: &[&str] = &[
    CURRENT,
    GET,
    BEGINNING,
    PAGE,
    ARTIFACTS,
    ARTIFACTS_OF_MODEL,
    NEED,
    INSERT,
    INSERT_ARTIFACT,
];

/// The newest revision of a model: the one that new batches are answered with.
pub async fn current_revision(db: &Db, model: &ModelName) -> Result<Option<Revision>, RecordsError> {
    let row: Option<Row> = on!(db, |c| sqlx::query_as(CURRENT)
        .bind(model.as_str())
        .fetch_optional(c))?;
    row.map(Row::read).transpose()
}

/// One revision of a model.
pub async fn revision(db: &Db, model: &ModelName, sha256: &Sha256) -> Result<Option<Revision>, RecordsError> {
    let row: Option<Row> = on!(db, |c| sqlx::query_as(GET)
        .bind(model.as_str())
        .bind(sha256.to_string())
        .fetch_optional(c))?;
    row.map(Row::read).transpose()
}

/// The revision of a model whose digest begins so; the newest, if several do.
pub async fn revision_beginning(
    db: &Db,
    model: &ModelName,
    beginning: &str,
) -> Result<Option<Revision>, RecordsError> {
    let row: Option<Row> = on!(db, |c| sqlx::query_as(BEGINNING)
        .bind(model.as_str())
        .bind(beginning)
        .fetch_optional(c))?;
    row.map(Row::read).transpose()
}

/// Up to `limit` revisions of a model, newest first, older than `after`.
pub async fn revisions(
    db: &Db,
    model: &ModelName,
    after: Option<&Sha256>,
    limit: u32,
) -> Result<Vec<Revision>, RecordsError> {
    let rows: Vec<Row> = on!(db, |c| sqlx::query_as(PAGE)
        .bind(model.as_str())
        .bind(after.map(|sha256| sha256.to_string()))
        .bind(i64::from(limit))
        .fetch_all(c))?;
    rows.into_iter().map(Row::read).collect()
}

/// The files of a revision, by path.
pub async fn revision_artifacts(db: &Db, sha256: &Sha256) -> Result<Vec<Artifact>, RecordsError> {
    let rows: Vec<ArtifactRow> = on!(db, |c| sqlx::query_as(ARTIFACTS)
        .bind(sha256.to_string())
        .fetch_all(c))?;
    rows.into_iter().map(ArtifactRow::read).collect()
}

/// What a revision takes in memory, if it is known.
pub async fn revision_need(
    db: &Db,
    model: &ModelName,
    sha256: &Sha256,
) -> Result<Option<Need>, RecordsError> {
    let need: Option<Option<Json<Need>>> = on!(db, |c| sqlx::query_scalar(NEED)
        .bind(model.as_str())
        .bind(sha256.to_string())
        .fetch_optional(c))?;
    Ok(need.flatten().map(|Json(need)| need))
}

/// The files of all revisions of a model, each state of each path once.
pub async fn artifacts_of_model(db: &Db, model: &ModelName) -> Result<Vec<Artifact>, RecordsError> {
    let rows: Vec<ArtifactRow> = on!(db, |c| sqlx::query_as(ARTIFACTS_OF_MODEL)
        .bind(model.as_str())
        .fetch_all(c))?;
    rows.into_iter().map(ArtifactRow::read).collect()
}

/// A revision to be added.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRevision {
    /// The model as it is to be registered if it is not yet. Its license is that of the terms.
    pub model: Model,
    /// The digest of the manifest.
    pub sha256: Sha256,
    /// The files.
    pub artifacts: Vec<Artifact>,
    /// What it takes in memory, if it is known.
    pub need: Option<Need>,
    /// The exact text of the terms that came with them.
    pub terms: Option<String>,
    /// What the audit log says.
    pub entry: NewAudit,
}

/// What became of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Imported {
    /// The revision is new, and now the current one.
    New,
    /// It was there already; nothing changed.
    Already,
}

/// Adds a revision with everything that belongs to it, or nothing.
pub async fn add_revision(db: &Db, new: &NewRevision) -> Result<Imported, RecordsError> {
    let mut tx = db.begin().await?;
    let imported = add_revision_in(&mut tx, new).await?;
    if imported == Imported::New {
        tx.commit().await?;
    }
    Ok(imported)
}

/// As [`add_revision`], within `tx`. Of a revision that was there already, at most the text of its terms is written, once
/// more.
pub(crate) async fn add_revision_in(tx: &mut Tx, new: &NewRevision) -> Result<Imported, RecordsError> {
    let (model, at) = (&new.model, new.entry.at);
    let license = (&model.license, model.license_source.as_str());
    // It may be registered already; then it stays as it is.
    inserting::model(tx, &model.name, license, &model.card, model.registered_at).await?;
    let terms_sha256 = match &new.terms {
        Some(text) => Some(terms::keep(tx, &new.model.license, text, at).await?),
        None => None,
    };
    let bytes: u64 = new.artifacts.iter().map(|artifact| artifact.bytes).sum();
    let fresh: Option<String> = on!(tx: &mut *tx, |c| sqlx::query_scalar(INSERT)
        .bind(new.model.name.as_str())
        .bind(new.sha256.to_string())
        .bind(terms_sha256.map(|sha256| sha256.to_string()))
        .bind(number(bytes))
        .bind(new.need.map(Json))
        .bind(At(at))
        .fetch_optional(c))?;
    if fresh.is_none() {
        return Ok(Imported::Already);
    }
    for artifact in &new.artifacts {
        on!(tx: &mut *tx, |c| sqlx::query(INSERT_ARTIFACT)
            .bind(new.sha256.to_string())
            .bind(&artifact.path)
            .bind(artifact.sha256.to_string())
            .bind(number(artifact.bytes))
            .run(c))?;
    }
    tx.append(new.entry.clone());
    Ok(Imported::New)
}

/// Notes in the audit log that the tenant of `allowed` was given files of its revision.
pub async fn record_download(
    db: &Db,
    stamp: Stamp<'_>,
    allowed: &Allowed,
    files: usize,
) -> Result<(), RecordsError> {
    let mut tx = db.begin().await?;
    let detail = json!({
        "model": allowed.model(), "revision_sha256": allowed.revision_sha256(), "purpose": allowed.purpose(),
        "files": files,
    });
    let (subject, decision) = (allowed.model().to_string(), Some(allowed.decision()));
    stamp.audit(
        &mut tx,
        allowed.tenant(),
        "model.downloaded",
        subject,
        decision,
        detail,
    );
    Ok(tx.commit().await?)
}

#[derive(sqlx::FromRow)]
struct Row {
    model: String,
    sha256: String,
    terms_sha256: Option<String>,
    bytes: i64,
    imported_at: At,
}

impl Row {
    fn read(self) -> Result<Revision, RecordsError> {
        let row = Reading {
            table: "revisions",
            id: &self.sha256,
        };
        Ok(Revision {
            model: row.parsed(&self.model)?,
            sha256: row.parsed(&self.sha256)?,
            terms_sha256: row.parsed_if(self.terms_sha256.as_deref())?,
            bytes: row.whole(self.bytes)?,
            imported_at: self.imported_at.0,
        })
    }
}

#[derive(sqlx::FromRow)]
struct ArtifactRow {
    path: String,
    sha256: String,
    bytes: i64,
}

impl ArtifactRow {
    fn read(self) -> Result<Artifact, RecordsError> {
        let row = Reading {
            table: "artifacts",
            id: &self.sha256,
        };
        let (sha256, bytes) = (row.parsed(&self.sha256)?, row.whole(self.bytes)?);
        Ok(Artifact {
            path: self.path,
            sha256,
            bytes,
        })
    }
}
