//! Files as clients of OpenAI's API know them. Their bytes are blobs.

use crate::{
    At, Db, RecordsError, Stamp, Tx,
    deleting::files,
    on,
    read::{Reading, number},
    run::Run as _,
};
use domain::{
    digest::Sha256,
    id::FileId,
    names::{MemberName, TenantName},
};
use serde_json::json;
use time::OffsetDateTime;

const SENT: &str = "SELECT COUNT(*) FROM openai_files WHERE tenant = $1 AND purpose <> 'batch_output' \
    AND deleted_at IS NULL AND (expires_at IS NULL OR expires_at > $2)";
const INSERT: &str = "INSERT INTO openai_files (id, tenant, member, filename, purpose, bytes, sha256, created_at, \
    expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
const GET: &str = "SELECT * FROM openai_files WHERE id = $1 AND tenant = $2 AND deleted_at IS NULL \
    AND (expires_at IS NULL OR expires_at > $3)";
const WHATEVER: &str = "SELECT * FROM openai_files WHERE id = $1 AND tenant = $2";
const NEWEST: &str = "SELECT * FROM openai_files WHERE tenant = $1 AND deleted_at IS NULL \
    AND (expires_at IS NULL OR expires_at > $2) AND purpose = COALESCE(CAST($3 AS TEXT), purpose) AND id < $4 \
    ORDER BY id DESC LIMIT $5";
const OLDEST: &str = "SELECT * FROM openai_files WHERE tenant = $1 AND deleted_at IS NULL \
    AND (expires_at IS NULL OR expires_at > $2) AND purpose = COALESCE(CAST($3 AS TEXT), purpose) AND id > $4 \
    ORDER BY id LIMIT $5";
const SAME: &str = "SELECT * FROM openai_files WHERE tenant = $1 AND member = $2 AND filename = $3 AND purpose = $4 \
    AND sha256 = $5 AND created_at > $6 AND deleted_at IS NULL \
    AND (expires_at IS NULL OR expires_at > $7) ORDER BY id DESC LIMIT 1";

pub(crate) const STATEMENTS: &[&str] = &[SENT, INSERT, GET, WHATEVER, NEWEST, OLDEST, SAME];

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Which one.
    pub id: FileId,
    /// Who sent it.
    pub member: MemberName,
    /// What it is called.
    pub filename: String,
    /// What it is for, in OpenAI's words.
    pub purpose: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// Its bytes.
    pub sha256: Sha256,
    /// When it came.
    pub created_at: OffsetDateTime,
    /// From when on it is not there any more.
    pub expires_at: Option<OffsetDateTime>,
}

/// From which side a list begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The newest first.
    Newest,
    /// The oldest first.
    Oldest,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    member: String,
    filename: String,
    purpose: String,
    bytes: i64,
    sha256: String,
    created_at: At,
    expires_at: Option<At>,
}

impl Row {
    fn read(self) -> Result<File, RecordsError> {
        let row = Reading {
            table: "openai_files",
            id: &self.id,
        };
        Ok(File {
            id: row.parsed(&self.id)?,
            member: row.parsed(&self.member)?,
            bytes: row.whole(self.bytes)?,
            sha256: row.parsed(&self.sha256)?,
            filename: self.filename,
            purpose: self.purpose,
            created_at: self.created_at.0,
            expires_at: self.expires_at.map(|at| at.0),
        })
    }
}

/// Stores a file of `tenant` whose bytes are in the blobs, unless the tenant has sent `most` that are there. Tells whether it
/// was stored.
pub async fn create(
    db: &Db,
    stamp: Stamp<'_>,
    tenant: &TenantName,
    file: &File,
    most: u32,
) -> Result<bool, RecordsError> {
    let mut tx = db.begin().await?;
    let sent: i64 = on!(tx: &mut tx, |c| sqlx::query_scalar(SENT)
        .bind(tenant.as_str())
        .bind(At(stamp.at))
        .fetch_one(c))?;
    if sent >= number(most) {
        return Ok(false);
    }
    insert(&mut tx, stamp, tenant, file).await?;
    stamp.made(&mut tx, tenant, file.id).await?;
    tx.commit().await?;
    Ok(true)
}

/// As [`create`], within a transaction.
pub(crate) async fn insert(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    tenant: &TenantName,
    file: &File,
) -> Result<(), RecordsError> {
    files::want(tx, &[file.sha256]).await?;
    on!(tx: &mut *tx, |c| sqlx::query(INSERT)
        .bind(file.id.to_string())
        .bind(tenant.as_str())
        .bind(file.member.as_str())
        .bind(&file.filename)
        .bind(&file.purpose)
        .bind(number(file.bytes))
        .bind(file.sha256.to_string())
        .bind(At(file.created_at))
        .bind(file.expires_at.map(At))
        .run(c))?;
    let detail = json!({ "purpose": file.purpose, "bytes": file.bytes, "sha256": file.sha256 });
    let id = file.id.to_string();
    stamp.audit(tx, tenant, "file.created", id, None, detail);
    Ok(())
}

/// Notes files that were written for a batch of `tenant` and belong to none, as ended: their bytes are removed.
pub async fn leave(
    db: &Db,
    stamp: Stamp<'_>,
    tenant: &TenantName,
    files: &[&File],
) -> Result<(), RecordsError> {
    let mut tx = db.begin().await?;
    for file in files {
        let ended = File {
            expires_at: Some(stamp.at),
            ..(*file).clone()
        };
        insert(&mut tx, stamp, tenant, &ended).await?;
    }
    Ok(tx.commit().await?)
}

/// A file of `tenant` that is there at `now`.
pub async fn get(
    db: &Db,
    tenant: &TenantName,
    id: FileId,
    now: OffsetDateTime,
) -> Result<Option<File>, RecordsError> {
    let row: Option<Row> = on!(db, |c| sqlx::query_as(GET)
        .bind(id.to_string())
        .bind(tenant.as_str())
        .bind(At(now))
        .fetch_optional(c))?;
    row.map(Row::read).transpose()
}

/// A file of `tenant`, even if it was taken away.
pub async fn whatever(db: &Db, tenant: &TenantName, id: FileId) -> Result<Option<File>, RecordsError> {
    let row: Option<Row> = on!(db, |c| sqlx::query_as(WHATEVER)
        .bind(id.to_string())
        .bind(tenant.as_str())
        .fetch_optional(c))?;
    row.map(Row::read).transpose()
}

/// Up to `limit` files of `tenant` that are there at `now`, beyond `after`; those for `purpose`, if one is named.
pub async fn list(
    db: &Db,
    tenant: &TenantName,
    (purpose, order): (Option<&str>, Order),
    after: Option<FileId>,
    limit: u32,
    now: OffsetDateTime,
) -> Result<Vec<File>, RecordsError> {
    let (sql, end) = match order {
        Order::Newest => (NEWEST, "file_~"),
        Order::Oldest => (OLDEST, "file_"),
    };
    let after = after.map_or_else(|| end.to_owned(), |id| id.to_string());
    let rows: Vec<Row> = on!(db, |c| sqlx::query_as(sql)
        .bind(tenant.as_str())
        .bind(At(now))
        .bind(purpose)
        .bind(&after)
        .bind(i64::from(limit))
        .fetch_all(c))?;
    rows.into_iter().map(Row::read).collect()
}

/// The file that the same member sent under the same name for the same purpose with the same bytes after `since`.
pub async fn same(
    db: &Db,
    tenant: &TenantName,
    file: &File,
    since: OffsetDateTime,
) -> Result<Option<File>, RecordsError> {
    let row: Option<Row> = on!(db, |c| sqlx::query_as(SAME)
        .bind(tenant.as_str())
        .bind(file.member.as_str())
        .bind(&file.filename)
        .bind(&file.purpose)
        .bind(file.sha256.to_string())
        .bind(At(since))
        .bind(At(file.created_at))
        .fetch_optional(c))?;
    row.map(Row::read).transpose()
}
