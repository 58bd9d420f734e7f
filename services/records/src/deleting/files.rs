//! Files of which something was deleted: each is removed when nothing else has the same bytes.
//!
//! Bytes are stored before what has them is, so somebody may find a file there that is about to be removed. Whoever
//! stores something with its bytes takes the mark away ([`want`]), in its own transaction, and the one that removes the
//! file changes the mark in its: of the two, one waits for the other, and sees what it did.

use super::add;
use crate::{At, Db, RecordsError, Tx, many, on, read::Reading, run::Run as _};
use domain::{deletion::DeletionCounts, digest::Sha256, id::DeletionId};
use std::fmt::Display;
use time::OffsetDateTime;

const UNREFER: &str = "INSERT INTO unreferred (sha256, deletion) SELECT r.value ->> 'id', $2 FROM json_each($1) AS r \
    WHERE TRUE ON CONFLICT DO NOTHING";
const NEXT: &str =
    "SELECT sha256 FROM unreferred WHERE deletion = $1 AND removed_at IS NULL ORDER BY sha256 LIMIT $2";
const REMOVE: &str = "UPDATE unreferred SET removed_at = $2 WHERE sha256 = $1 AND removed_at IS NULL \
    AND NOT EXISTS (SELECT 1 FROM documents WHERE sha256 = $1 AND deleted_at IS NULL) \
    AND NOT EXISTS (SELECT 1 FROM pages WHERE sha256 = $1 AND deleted_at IS NULL) \
    AND NOT EXISTS (SELECT 1 FROM artifacts WHERE sha256 = $1) \
    AND NOT EXISTS (SELECT 1 FROM revisions WHERE sha256 = $1) \
    AND NOT EXISTS (SELECT 1 FROM acceptance_evidence WHERE sha256 = $1) \
    AND NOT EXISTS (SELECT 1 FROM openai_files WHERE sha256 = $1 AND gone_at IS NULL)";
const KEEP: &str = "DELETE FROM unreferred WHERE sha256 = $1 AND deletion = $2 AND removed_at IS NULL";
const MARKED: &str = "SELECT COUNT(*) FROM unreferred \
    WHERE sha256 IN (SELECT r.value ->> 'id' FROM json_each($1) AS r)";
const WANT: &str = "DELETE FROM unreferred WHERE sha256 IN (SELECT r.value ->> 'id' FROM json_each($1) AS r) \
    AND removed_at IS NULL";
const REMOVED: &str = "SELECT DISTINCT sha256 FROM unreferred \
    WHERE sha256 IN (SELECT r.value ->> 'id' FROM json_each($1) AS r) AND removed_at IS NOT NULL";
const STORED_AGAIN: &str = "DELETE FROM unreferred WHERE sha256 IN \
    (SELECT r.value ->> 'id' FROM json_each($1) AS r) AND removed_at IS NOT NULL";
const FORGET: &str = "DELETE FROM unreferred WHERE removed_at <= $1";

pub(crate) const STATEMENTS: &[&str] = &[
    UNREFER,
    NEXT,
    REMOVE,
    KEEP,
    MARKED,
    WANT,
    REMOVED,
    STORED_AGAIN,
    FORGET,
];

/// Marks files by their digests: something with their bytes was deleted.
pub(super) async fn unrefer(
    tx: &mut Tx,
    deletion: DeletionId,
    files: &[impl Display],
) -> Result<(), RecordsError> {
    on!(tx: tx, |c| sqlx::query(UNREFER).bind(many::ids(files)).bind(deletion.to_string()).run(c))?;
    Ok(())
}

/// Whether something with any of these bytes was deleted: if not, [`want`] finds nothing to do.
pub(crate) async fn are_marked(db: &Db, files: &[Sha256]) -> Result<bool, RecordsError> {
    let wanted = many::ids(files);
    let marked: i64 = on!(db, |c| sqlx::query_scalar(MARKED).bind(&wanted).fetch_one(c))?;
    Ok(marked > 0)
}

/// Something is stored within `tx` that has these bytes: their files stay. The error [`RecordsError::Removed`] names
/// those that were removed before, and may be stored again by now.
pub(crate) async fn want(tx: &mut Tx, files: &[Sha256]) -> Result<(), RecordsError> {
    let wanted = many::ids(files);
    let marked: i64 = on!(tx: &mut *tx, |c| sqlx::query_scalar(MARKED).bind(&wanted).fetch_one(c))?;
    if marked == 0 {
        // A mark that somebody is about to make is followed by a look, which sees what is stored here.
        return Ok(());
    }
    on!(tx: &mut *tx, |c| sqlx::query(WANT).bind(&wanted).run(c))?;
    let removed: Vec<String> = on!(tx: tx, |c| sqlx::query_scalar(REMOVED).bind(&wanted).fetch_all(c))?;
    match removed.is_empty() {
        true => Ok(()),
        false => Err(RecordsError::Removed(read(&removed)?)),
    }
}

fn read(files: &[String]) -> Result<Vec<Sha256>, RecordsError> {
    let read = |id: &String| {
        let reading = Reading {
            table: "unreferred",
            id,
        };
        reading.parsed(id)
    };
    files.iter().map(read).collect()
}

/// Files that were removed are there again.
pub async fn stored_again(db: &Db, files: &[Sha256]) -> Result<(), RecordsError> {
    let files = many::ids(files);
    on!(db, |c| sqlx::query(STORED_AGAIN).bind(&files).run(c))?;
    Ok(())
}

/// Up to `limit` files of a deletion that may be removed.
pub async fn next(db: &Db, deletion: DeletionId, limit: u32) -> Result<Vec<Sha256>, RecordsError> {
    let files: Vec<String> = on!(db, |c| sqlx::query_scalar(NEXT)
        .bind(deletion.to_string())
        .bind(i64::from(limit))
        .fetch_all(c))?;
    read(&files)
}

/// A file that nothing has any more. Whoever would store something with its bytes waits until this is [done](Self::done)
/// or dropped.
pub struct Removal(Tx);

impl Removal {
    /// The file is gone.
    pub async fn done(self) -> Result<(), RecordsError> {
        Ok(self.0.commit().await?)
    }
}

/// Begins to remove a file for a deletion. `None`: something has its bytes, so it stays; or somebody else removes it.
pub async fn remove(
    db: &Db,
    at: OffsetDateTime,
    deletion: DeletionId,
    file: Sha256,
) -> Result<Option<Removal>, RecordsError> {
    let mut tx = db.begin().await?;
    let text = file.to_string();
    let removed: u64 = on!(tx: &mut tx, |c| sqlx::query(REMOVE).bind(&text).bind(At(at)).run(c))?;
    if removed > 0 {
        let one = DeletionCounts {
            files: 1,
            ..DeletionCounts::default()
        };
        add(&mut tx, deletion, &one).await?;
        return Ok(Some(Removal(tx)));
    }
    let kept: u64 = on!(tx: &mut tx, |c| sqlx::query(KEEP)
        .bind(&text)
        .bind(deletion.to_string())
        .run(c))?;
    let shared = DeletionCounts {
        shared: kept,
        ..DeletionCounts::default()
    };
    add(&mut tx, deletion, &shared).await?;
    tx.commit().await?;
    Ok(None)
}

/// Forgets which files were removed until `before`: who had found one there has long stored what has its bytes.
pub async fn forget(db: &Db, before: OffsetDateTime) -> Result<(), RecordsError> {
    on!(db, |c| sqlx::query(FORGET).bind(At(before)).run(c))?;
    Ok(())
}
