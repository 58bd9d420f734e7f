//! Weights that registrars put into the bucket in parts: what was opened, and what the bucket calls its parts.

mod ending;

pub use ending::{Taken, abort, cleared, complete, expire, prolong, refuse, submit, take, uncleared};

use crate::{
    At, Db, RecordsError, Stamp, Tx, on,
    read::{Reading, number},
    run::Run as _,
};
use domain::{
    digest::Sha256,
    id::ModelUploadId,
    model::Artifact,
    model_upload::{UploadState, UploadWord},
    names::{MemberName, ModelName, TenantName},
};
use serde_json::json;
use time::OffsetDateTime;

const GET: &str = "SELECT * FROM model_uploads WHERE id = $1 AND tenant = $2";
const SAME: &str = "SELECT * FROM model_uploads WHERE tenant = $1 AND model = $2 AND files_sha256 = $3 \
    AND ended_at IS NULL";
const OPEN: &str = "SELECT COUNT(*) FROM model_uploads WHERE tenant = $1 AND ended_at IS NULL";
const INSERT: &str = "INSERT INTO model_uploads (id, tenant, member, model, files_sha256, bytes, opened_at, expires_at, state) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'open') ON CONFLICT DO NOTHING";
const INSERT_FILE: &str = "INSERT INTO model_upload_files (upload, path, sha256, bytes, part_bytes) \
    VALUES ($1, $2, $3, $4, $5)";
const FILES: &str = "SELECT path, sha256, bytes, part_bytes, parts_id, joined_at FROM model_upload_files \
    WHERE upload = $1 ORDER BY path";
const BEGIN_PARTS: &str = "UPDATE model_upload_files SET parts_id = $3 \
    WHERE upload = $1 AND sha256 = $2 AND parts_id IS NULL AND part_bytes IS NOT NULL";
const PARTS: &str = "SELECT DISTINCT parts_id FROM model_upload_files WHERE upload = $1 AND sha256 = $2";
const JOINED: &str = "UPDATE model_upload_files SET joined_at = $3 \
    WHERE upload = $1 AND sha256 = $2 AND joined_at IS NULL AND part_bytes IS NOT NULL";

pub(crate) const STATEMENTS: &[&str] = &[
    GET,
    SAME,
    OPEN,
    INSERT,
    INSERT_FILE,
    FILES,
    BEGIN_PARTS,
    PARTS,
    JOINED,
];
pub(crate) const MORE_STATEMENTS: &[&[&str]] = &[ending::STATEMENTS];

/// An upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelUpload {
    /// Which one.
    pub id: ModelUploadId,
    /// Whose.
    pub tenant: TenantName,
    /// Who opened it.
    pub member: MemberName,
    /// Of which model.
    pub model: ModelName,
    /// All bytes of its files.
    pub bytes: u64,
    /// When it was opened.
    pub opened_at: OffsetDateTime,
    /// Until when all has to be there.
    pub expires_at: OffsetDateTime,
    /// What is true of it.
    pub state: UploadState,
}

impl ModelUpload {
    /// What is true of it at `now`, whether or not a loop has written it down.
    pub fn state_at(&self, now: OffsetDateTime) -> UploadState {
        self.state.clone().at(now, self.expires_at)
    }
}

/// A file of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadFile {
    /// What it was declared to be.
    pub artifact: Artifact,
    /// How large its parts are; nothing for one that is not asked for, because the model has it already.
    pub part_bytes: Option<u64>,
    /// How the bucket calls the upload of its parts.
    pub parts_id: Option<String>,
    /// Since when the parts are one object.
    pub joined_at: Option<OffsetDateTime>,
}

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    id: String,
    tenant: String,
    member: String,
    model: String,
    bytes: i64,
    opened_at: At,
    expires_at: At,
    state: String,
    ended_at: Option<At>,
    revision_sha256: Option<String>,
    refusal: Option<String>,
}

impl Row {
    pub(super) fn read(self) -> Result<ModelUpload, RecordsError> {
        let row = Reading {
            table: "model_uploads",
            id: &self.id,
        };
        let ended = || row.required(self.ended_at, "ended_at").map(|at| at.0);
        let state = match row.parsed(&self.state)? {
            UploadWord::Open => UploadState::Open,
            UploadWord::Checking => UploadState::Checking,
            UploadWord::Completed => UploadState::Completed {
                at: ended()?,
                revision: row.parsed(&row.required(self.revision_sha256.clone(), "revision_sha256")?)?,
            },
            UploadWord::Refused => UploadState::Refused {
                at: ended()?,
                reason: row.required(self.refusal.clone(), "refusal")?,
            },
            UploadWord::Aborted => UploadState::Aborted { at: ended()? },
            UploadWord::Expired => UploadState::Expired { at: ended()? },
        };
        Ok(ModelUpload {
            id: row.parsed(&self.id)?,
            tenant: row.parsed(&self.tenant)?,
            member: row.parsed(&self.member)?,
            model: row.parsed(&self.model)?,
            bytes: row.whole(self.bytes)?,
            opened_at: self.opened_at.0,
            expires_at: self.expires_at.0,
            state,
        })
    }
}

#[derive(sqlx::FromRow)]
struct FileRow {
    path: String,
    sha256: String,
    bytes: i64,
    part_bytes: Option<i64>,
    parts_id: Option<String>,
    joined_at: Option<At>,
}

impl FileRow {
    fn read(self) -> Result<UploadFile, RecordsError> {
        let row = Reading {
            table: "model_upload_files",
            id: &self.path,
        };
        let (sha256, bytes) = (row.parsed(&self.sha256)?, row.whole(self.bytes)?);
        let part_bytes = self.part_bytes.map(|bytes| row.whole(bytes)).transpose()?;
        Ok(UploadFile {
            artifact: Artifact {
                path: self.path,
                sha256,
                bytes,
            },
            part_bytes,
            parts_id: self.parts_id,
            joined_at: self.joined_at.map(|at| at.0),
        })
    }
}

/// What is to be opened.
#[derive(Debug)]
pub struct NewUpload<'a> {
    /// Its id.
    pub id: ModelUploadId,
    /// Of which model.
    pub model: &'a ModelName,
    /// The digest of the list of its files.
    pub files_sha256: Sha256,
    /// Its files, each with the size of its parts if it is asked for.
    pub files: &'a [(Artifact, Option<u64>)],
    /// Until when all has to be there.
    pub expires_at: OffsetDateTime,
}

/// What became of an opening.
#[derive(Debug, PartialEq, Eq)]
pub enum Opened {
    /// It is open.
    New(ModelUpload),
    /// The tenant has opened the same before, and it is not over.
    Before(ModelUpload),
    /// The tenant has as many as it may.
    TooMany,
}

/// Opens an upload for a member of `tenant`, which may have `most` that are not over.
pub async fn open(
    db: &Db,
    stamp: Stamp<'_>,
    tenant: &TenantName,
    member: &MemberName,
    new: &NewUpload<'_>,
    most: u32,
) -> Result<Opened, RecordsError> {
    loop {
        // Whoever opens the same at the same moment is found at the next look.
        if let Some(opened) = try_open(db, stamp, tenant, member, new, most).await? {
            return Ok(opened);
        }
    }
}

async fn try_open(
    db: &Db,
    stamp: Stamp<'_>,
    tenant: &TenantName,
    member: &MemberName,
    new: &NewUpload<'_>,
    most: u32,
) -> Result<Option<Opened>, RecordsError> {
    let mut tx = db.begin().await?;
    ending::expire_in(&mut tx, stamp).await?;
    let same: Option<Row> = on!(tx: &mut tx, |c| sqlx::query_as(SAME)
        .bind(tenant.as_str())
        .bind(new.model.as_str())
        .bind(new.files_sha256.to_string())
        .fetch_optional(c))?;
    if let Some(same) = same {
        tx.commit().await?;
        return Ok(Some(Opened::Before(same.read()?)));
    }
    let open: i64 = on!(tx: &mut tx, |c| sqlx::query_scalar(OPEN).bind(tenant.as_str()).fetch_one(c))?;
    if open >= i64::from(most) {
        return Ok(Some(Opened::TooMany));
    }
    let bytes = new.files.iter().map(|(file, _)| file.bytes).sum();
    let inserted = on!(tx: &mut tx, |c| sqlx::query(INSERT)
        .bind(new.id.to_string())
        .bind(tenant.as_str())
        .bind(member.as_str())
        .bind(new.model.as_str())
        .bind(new.files_sha256.to_string())
        .bind(number(bytes))
        .bind(At(stamp.at))
        .bind(At(new.expires_at))
        .run(c))?;
    if inserted == 0 {
        return Ok(None);
    }
    for file in new.files {
        insert_file(&mut tx, new.id, file).await?;
    }
    let detail = json!({
        "model": new.model, "files": new.files.len(), "bytes": bytes, "files_sha256": new.files_sha256,
    });
    let id = new.id.to_string();
    stamp.audit(&mut tx, tenant, "model_upload.opened", id, None, detail);
    stamp.made(&mut tx, tenant, new.id).await?;
    tx.commit().await?;
    Ok(Some(Opened::New(ModelUpload {
        id: new.id,
        tenant: tenant.clone(),
        member: member.clone(),
        model: new.model.clone(),
        bytes,
        opened_at: stamp.at,
        expires_at: new.expires_at,
        state: UploadState::Open,
    })))
}

async fn insert_file(
    tx: &mut Tx,
    upload: ModelUploadId,
    (file, part_bytes): &(Artifact, Option<u64>),
) -> Result<(), RecordsError> {
    on!(tx: tx, |c| sqlx::query(INSERT_FILE)
        .bind(upload.to_string())
        .bind(&file.path)
        .bind(file.sha256.to_string())
        .bind(number(file.bytes))
        .bind(part_bytes.map(number))
        .run(c))?;
    Ok(())
}

/// One upload of a tenant.
pub async fn get(
    db: &Db,
    tenant: &TenantName,
    id: ModelUploadId,
) -> Result<Option<ModelUpload>, RecordsError> {
    let row: Option<Row> = on!(db, |c| sqlx::query_as(GET)
        .bind(id.to_string())
        .bind(tenant.as_str())
        .fetch_optional(c))?;
    row.map(Row::read).transpose()
}

/// The files of an upload, by name.
pub async fn files(db: &Db, id: ModelUploadId) -> Result<Vec<UploadFile>, RecordsError> {
    let rows: Vec<FileRow> = on!(db, |c| sqlx::query_as(FILES).bind(id.to_string()).fetch_all(c))?;
    rows.into_iter().map(FileRow::read).collect()
}

/// Notes how the bucket calls the parts of the bytes `sha256`, unless that is known: who was first is heard. Gives how they
/// are called.
pub async fn begin_parts(
    db: &Db,
    id: ModelUploadId,
    sha256: Sha256,
    parts_id: &str,
) -> Result<Option<String>, RecordsError> {
    let (id, sha256) = (id.to_string(), sha256.to_string());
    on!(db, |c| sqlx::query(BEGIN_PARTS)
        .bind(&id)
        .bind(&sha256)
        .bind(parts_id)
        .run(c))?;
    let known: Option<Option<String>> = on!(db, |c| sqlx::query_scalar(PARTS)
        .bind(&id)
        .bind(&sha256)
        .fetch_optional(c))?;
    Ok(known.flatten())
}

/// Notes that the parts of the bytes `sha256` are one object.
pub async fn joined(
    db: &Db,
    id: ModelUploadId,
    sha256: Sha256,
    at: OffsetDateTime,
) -> Result<(), RecordsError> {
    on!(db, |c| sqlx::query(JOINED)
        .bind(id.to_string())
        .bind(sha256.to_string())
        .bind(At(at))
        .run(c))?;
    Ok(())
}

#[cfg(test)]
mod tests;
