//! Sealing: entries that wait become leaves of the tree, and a checkpoint is signed for them.

use super::EntryRow;
use crate::{
    At, Db, RecordsError, Tx, many, on,
    read::{Reading, number},
    run::Run as _,
};
use domain::{
    audit::{
        AuditEntry,
        tree::{Hashes, Question, Tree, TreeError},
    },
    digest::Sha256,
};
use serde::Serialize;
use time::OffsetDateTime;

const WAITING: &str = "SELECT entry FROM audit_pending LIMIT 1";
// Whoever seals holds the tree until the end of the transaction.
const LOCK: &str = "UPDATE audit_tree SET size = size WHERE one = 1 RETURNING size";
const PENDING: &str =
    "SELECT e.* FROM audit_pending p JOIN audit_entries e ON e.id = p.entry ORDER BY p.entry LIMIT $1";
const HASH: &str = "SELECT sha256 FROM audit_hashes WHERE place = $1";
const ADD_LEAVES: &str = "INSERT INTO audit_leaves (place, entry) \
    SELECT CAST(r.value ->> 'place' AS BIGINT), r.value ->> 'entry' FROM json_each($1) AS r";
const ADD_HASHES: &str = "INSERT INTO audit_hashes (place, sha256) \
    SELECT CAST(r.value ->> 'place' AS BIGINT), r.value ->> 'sha256' FROM json_each($1) AS r";
const NO_LONGER_PENDING: &str =
    "DELETE FROM audit_pending WHERE entry IN (SELECT r.value ->> 'entry' FROM json_each($1) AS r)";
const GROW: &str = "UPDATE audit_tree SET size = $1 WHERE one = 1";
const ADD_CHECKPOINT: &str = "INSERT INTO audit_checkpoints (size, signed_at, note) VALUES ($1, $2, $3)";

pub(crate) const STATEMENTS: &[&str] = &[
    WAITING,
    LOCK,
    PENDING,
    HASH,
    ADD_LEAVES,
    ADD_HASHES,
    NO_LONGER_PENDING,
    GROW,
    ADD_CHECKPOINT,
];

/// Entries could not be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The records failed.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// The kept hashes are not those of a tree.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The checkpoint could not be signed.
    #[error("the checkpoint cannot be signed: {0}")]
    Signature(String),
}

impl From<sqlx::Error> for SealError {
    fn from(error: sqlx::Error) -> Self {
        SealError::Records(error.into())
    }
}

/// Makes up to `most` waiting entries leaves of the tree and keeps the checkpoint that `sign` makes of the new size
/// and root. Gives how many it took. Several may seal at once: each waits for the one before it.
pub async fn seal(
    db: &Db,
    at: OffsetDateTime,
    most: u32,
    sign: impl Fn(u64, &Sha256) -> Result<String, String>,
) -> Result<u32, SealError> {
    let waiting: Option<String> = on!(db, |c| sqlx::query_scalar(WAITING).fetch_optional(c))?;
    if waiting.is_none() {
        return Ok(0);
    }
    let mut tx = db.begin().await?;
    let size: i64 = on!(tx: &mut tx, |c| sqlx::query_scalar(LOCK).fetch_one(c))?;
    let size: u64 = reading("size").whole(size)?;
    let limit = i64::from(most);
    let rows: Vec<EntryRow> = on!(tx: &mut tx, |c| sqlx::query_as(PENDING).bind(limit).fetch_all(c))?;
    let entries: Vec<AuditEntry> = rows.into_iter().map(EntryRow::read).collect();
    if entries.is_empty() {
        return Ok(0);
    }
    let edge = hashes(&mut tx, &Question::Root { size }.places()?).await?;
    let mut tree = Tree::resume(size, edge);
    add(&mut tx, &mut tree, &entries).await?;
    let note = sign(tree.size(), &tree.root()?).map_err(SealError::Signature)?;
    on!(tx: &mut tx, |c| sqlx::query(GROW).bind(number(tree.size())).run(c))?;
    on!(tx: &mut tx, |c| sqlx::query(ADD_CHECKPOINT)
        .bind(number(tree.size()))
        .bind(At(at))
        .bind(&note)
        .run(c))?;
    tx.commit().await?;
    Ok(u32::try_from(entries.len()).unwrap_or(most))
}

async fn add(tx: &mut Tx, tree: &mut Tree, entries: &[AuditEntry]) -> Result<(), SealError> {
    #[derive(Serialize)]
    struct Leaf<'a> {
        place: u64,
        entry: &'a str,
    }
    #[derive(Serialize)]
    struct Hash {
        place: u64,
        sha256: Sha256,
    }
    let (mut leaves, mut hashes) = (Vec::with_capacity(entries.len()), Vec::new());
    for entry in entries {
        leaves.push(Leaf {
            place: tree.size(),
            entry: &entry.id,
        });
        let new = tree.push(&entry.leaf())?;
        hashes.extend(new.into_iter().map(|(place, sha256)| Hash { place, sha256 }));
    }
    let (leaves, hashes) = (many::rows(leaves), many::rows(hashes));
    on!(tx: &mut *tx, |c| sqlx::query(ADD_LEAVES).bind(&leaves).run(c))?;
    on!(tx: &mut *tx, |c| sqlx::query(ADD_HASHES).bind(&hashes).run(c))?;
    on!(tx: tx, |c| sqlx::query(NO_LONGER_PENDING).bind(&leaves).run(c))?;
    Ok(())
}

/// The kept hashes with these numbers.
pub(crate) async fn hashes(tx: &mut Tx, places: &[u64]) -> Result<Hashes, RecordsError> {
    let mut found = Vec::with_capacity(places.len());
    for &place in places {
        let sha256: Option<String> =
            on!(tx: &mut *tx, |c| sqlx::query_scalar(HASH).bind(number(place)).fetch_optional(c))?;
        let id = place.to_string();
        let row = Reading {
            table: "audit_hashes",
            id: &id,
        };
        let sha256 = row.required(sha256, "the hash")?;
        found.push((place, row.parsed(&sha256)?));
    }
    Ok(found.into_iter().collect())
}

pub(crate) fn reading(id: &str) -> Reading<'_> {
    Reading {
        table: "audit_tree",
        id,
    }
}
