//! Reading the audit log: entries with their places, checkpoints, and proofs.

use super::{
    EntryRow,
    sealing::{hashes, reading},
};
use crate::{At, Db, RecordsError, Tx, on, read::number};
use domain::{
    audit::{
        AuditEntry,
        tree::{Question, TreeError},
    },
    digest::Sha256,
};
use time::OffsetDateTime;

const PAGE: &str = "SELECT e.*, l.place FROM audit_entries e LEFT JOIN audit_leaves l ON l.entry = e.id \
    WHERE e.id > $1 AND e.tenant = COALESCE($2, e.tenant) AND e.kind = COALESCE($3, e.kind) \
    AND e.subject = COALESCE($4, e.subject) AND (CAST($5 AS TEXT) IS NULL OR e.decision = $5) AND e.at >= $6 \
    ORDER BY e.id LIMIT $7";
const ABOUT: &str = "SELECT e.*, l.place FROM audit_entries e LEFT JOIN audit_leaves l ON l.entry = e.id \
    WHERE e.subject = $1 ORDER BY e.id";
const GET: &str =
    "SELECT e.*, l.place FROM audit_entries e LEFT JOIN audit_leaves l ON l.entry = e.id WHERE e.id = $1";
const NEWEST_CHECKPOINT: &str = "SELECT size, note FROM audit_checkpoints ORDER BY size DESC LIMIT 1";
const CHECKPOINTS: &str = "SELECT size, note FROM audit_checkpoints WHERE size > $1 ORDER BY size LIMIT $2";

const SEALED: &str = "SELECT e.*, l.place FROM audit_leaves l JOIN audit_entries e ON e.id = l.entry \
    WHERE l.place >= $1 ORDER BY l.place LIMIT $2";

pub(crate) const STATEMENTS: &[&str] = &[PAGE, ABOUT, GET, NEWEST_CHECKPOINT, CHECKPOINTS, SEALED];

/// Which entries are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Only of this tenant.
    pub tenant: Option<String>,
    /// Only of this kind.
    pub kind: Option<String>,
    /// Only about this.
    pub subject: Option<String>,
    /// Only of this decision.
    pub decision: Option<String>,
    /// Only from then on.
    pub since: OffsetDateTime,
}

/// An entry, and its place in the tree once it is sealed.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed {
    /// The entry.
    pub entry: AuditEntry,
    /// Its leaf, from 0; none yet, if it waits.
    pub place: Option<u64>,
}

/// A signed checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// How many entries it is about.
    pub size: u64,
    /// The signed note.
    pub note: String,
}

#[derive(sqlx::FromRow)]
struct PlacedRow {
    #[sqlx(flatten)]
    entry: EntryRow,
    place: Option<i64>,
}

impl PlacedRow {
    fn read(self) -> Result<Placed, RecordsError> {
        let place = self.place.map(|place| reading("leaf").whole(place)).transpose()?;
        Ok(Placed {
            entry: self.entry.read(),
            place,
        })
    }
}

/// The entries that are wanted after the one with the id `after`, oldest first.
pub async fn page(
    db: &Db,
    wanted: &Wanted,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<Placed>, RecordsError> {
    let rows = on!(db, |c| sqlx::query_as::<_, PlacedRow>(PAGE)
        .bind(after.unwrap_or_default())
        .bind(&wanted.tenant)
        .bind(&wanted.kind)
        .bind(&wanted.subject)
        .bind(&wanted.decision)
        .bind(At(wanted.since))
        .bind(i64::from(limit))
        .fetch_all(c))?;
    rows.into_iter().map(PlacedRow::read).collect()
}

/// All entries about `subject`, oldest first.
pub(crate) async fn about(tx: &mut Tx, subject: &str) -> Result<Vec<Placed>, RecordsError> {
    let rows: Vec<PlacedRow> = on!(tx: tx, |c| sqlx::query_as(ABOUT).bind(subject).fetch_all(c))?;
    rows.into_iter().map(PlacedRow::read).collect()
}

/// The newest checkpoint within a transaction.
pub(crate) async fn newest_in(tx: &mut Tx) -> Result<Option<Checkpoint>, RecordsError> {
    let row: Option<(i64, String)> = on!(tx: tx, |c| sqlx::query_as(NEWEST_CHECKPOINT).fetch_optional(c))?;
    row.map(read_checkpoint).transpose()
}

/// An entry by its id.
pub async fn get(db: &Db, id: &str) -> Result<Option<Placed>, RecordsError> {
    let row: Option<PlacedRow> = on!(db, |c| sqlx::query_as(GET).bind(id).fetch_optional(c))?;
    row.map(PlacedRow::read).transpose()
}

/// The sealed entries in their order, from a place on.
pub async fn sealed(db: &Db, from: u64, limit: u32) -> Result<Vec<Placed>, RecordsError> {
    let rows = on!(db, |c| sqlx::query_as::<_, PlacedRow>(SEALED)
        .bind(number(from))
        .bind(i64::from(limit))
        .fetch_all(c))?;
    rows.into_iter().map(PlacedRow::read).collect()
}

/// The checkpoint that was signed last.
pub async fn newest_checkpoint(db: &Db) -> Result<Option<Checkpoint>, RecordsError> {
    let row: Option<(i64, String)> = on!(db, |c| sqlx::query_as(NEWEST_CHECKPOINT).fetch_optional(c))?;
    row.map(read_checkpoint).transpose()
}

/// The next checkpoints of more than `after` entries.
pub async fn checkpoints(db: &Db, after: u64, limit: u32) -> Result<Vec<Checkpoint>, RecordsError> {
    let rows: Vec<(i64, String)> = on!(db, |c| sqlx::query_as(CHECKPOINTS)
        .bind(number(after))
        .bind(i64::from(limit))
        .fetch_all(c))?;
    rows.into_iter().map(read_checkpoint).collect()
}

pub(crate) fn read_checkpoint((size, note): (i64, String)) -> Result<Checkpoint, RecordsError> {
    let size = reading("checkpoint").whole(size)?;
    Ok(Checkpoint { size, note })
}

/// What the kept hashes answer to `question`. The question must be about no more entries than are sealed.
pub async fn proof(db: &Db, question: Question) -> Result<Vec<Sha256>, RecordsError> {
    proof_in(&mut db.snapshot().await?, question).await
}

/// [`proof`] within a transaction.
pub(crate) async fn proof_in(tx: &mut Tx, question: Question) -> Result<Vec<Sha256>, RecordsError> {
    let fault = |error: TreeError| RecordsError::nonsense("audit_hashes", "proof", error);
    let places = question.places().map_err(fault)?;
    let found = hashes(tx, &places).await?;
    question.answer(&found).map_err(fault)
}
