//! Checks the whole database against its audit log: every leaf, every hash, every checkpoint, every row that the log
//! vouches for.

use super::{
    EntryRow,
    reading::read_checkpoint,
    rows::{self, Fact},
    sealing::reading,
};
use crate::{Db, RecordsError, Tx, on, read::number};
use domain::{
    audit::{
        AuditEntry,
        check::{Checker, Finding, SignedRoot},
    },
    deletion::Deleted,
    digest::Sha256,
};
use sqlx::FromRow as _;
use std::collections::{BTreeMap, HashMap, HashSet};

const SIZE: &str = "SELECT size FROM audit_tree WHERE one = 1";
const ALL_CHECKPOINTS: &str = "SELECT size, note FROM audit_checkpoints ORDER BY size";
const LEAVES: &str = "SELECT l.place, l.entry AS leaf_entry, e.* FROM audit_leaves l \
    LEFT JOIN audit_entries e ON e.id = l.entry WHERE l.place >= $1 ORDER BY l.place LIMIT $2";
const HASHES: &str = "SELECT place, sha256 FROM audit_hashes WHERE place >= $1 AND place <= $2";
const COUNT_HASHES: &str = "SELECT COUNT(*) FROM audit_hashes";
const STILL_PENDING: &str =
    "SELECT e.* FROM audit_pending p JOIN audit_entries e ON e.id = p.entry ORDER BY e.id";
const ASTRAY: &str = "SELECT e.id FROM audit_entries e LEFT JOIN audit_leaves l ON l.entry = e.id \
    LEFT JOIN audit_pending p ON p.entry = e.id WHERE l.entry IS NULL AND p.entry IS NULL ORDER BY e.id";

pub(crate) const STATEMENTS: &[&str] = &[
    SIZE,
    ALL_CHECKPOINTS,
    LEAVES,
    HASHES,
    COUNT_HASHES,
    STILL_PENDING,
    ASTRAY,
];

/// How many leaves are read at a time.
const PORTION: u64 = 500;

/// What a check looked at, and what it found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Entries in the tree.
    pub entries: u64,
    /// Entries that wait to be sealed: the tree does not vouch for them yet.
    pub pending: u64,
    /// Checkpoints whose signature and root fit.
    pub checkpoints: u64,
    /// Rows of other tables that the log vouches for.
    pub rows: u64,
    /// What is not as it was signed; nothing, if all is well.
    pub findings: Vec<Finding>,
}

/// What the log gives of rows.
#[derive(Default)]
struct Vouched {
    /// Their digests, newest last, each with the batch of its row if the entry names it.
    digests: HashMap<(String, String), (String, Option<String>)>,
    /// Batches whose answers were deleted, which the log tells.
    without_answers: HashSet<String>,
}

impl Vouched {
    fn take(&mut self, entry: &AuditEntry) {
        if let Some((of, sha256)) = entry.row_sha256() {
            let key = (of.to_owned(), entry.subject.clone());
            let batch = entry.detail["batch"].as_str().map(str::to_owned);
            self.digests.insert(key, (sha256.to_owned(), batch));
        }
        let deleted: Option<Deleted> = entry.detail["deleted"]
            .as_str()
            .and_then(|word| word.parse().ok());
        if entry.kind == "batch.deleting" && deleted.is_some_and(Deleted::answers) {
            self.without_answers.insert(entry.subject.clone());
        }
    }

    /// The rows that should be there and were not looked at.
    fn left(self) -> Vec<(String, String)> {
        let may_be_gone = |of: &str, batch: Option<String>| {
            of == Fact::Answer.as_str() && batch.is_some_and(|batch| self.without_answers.contains(&batch))
        };
        let left = self.digests.into_iter();
        let left = left.filter(|((of, _), (_, batch))| !may_be_gone(of, batch.clone()));
        left.map(|(key, _)| key).collect()
    }
}

/// Checks everything as it is at one moment. `believe` gives the size and root of a note whose signature is good;
/// `kept` are roots from checkpoints that were kept elsewhere.
pub async fn check(
    db: &Db,
    kept: Vec<SignedRoot>,
    believe: impl Fn(&str) -> Result<(u64, Sha256), String>,
) -> Result<Checked, RecordsError> {
    check_within(&mut db.snapshot().await?, kept, believe).await
}

pub(super) async fn check_within(
    tx: &mut Tx,
    kept: Vec<SignedRoot>,
    believe: impl Fn(&str) -> Result<(u64, Sha256), String>,
) -> Result<Checked, RecordsError> {
    let mut found = Vec::new();
    let mut roots = signed_roots(tx, &believe, &mut found).await?;
    let checkpoints = roots.len() as u64;
    roots.extend(kept);
    let (mut checker, mut vouched) = (Checker::new(roots), Vouched::default());
    leaves(tx, &mut checker, &mut vouched).await?;
    let entries = checker.size();
    let pending = waiting(tx, &mut vouched, &mut found).await?;
    let rows = vouched_rows(tx, vouched, &mut found).await?;
    let mut findings = checker.finish();
    findings.extend(found);
    Ok(Checked {
        entries,
        pending,
        checkpoints,
        rows,
        findings,
    })
}

fn finding(of: &str, id: impl ToString, why: impl ToString) -> Finding {
    Finding {
        place: None,
        of: of.to_owned(),
        id: id.to_string(),
        why: why.to_string(),
    }
}

async fn signed_roots(
    tx: &mut Tx,
    believe: &impl Fn(&str) -> Result<(u64, Sha256), String>,
    found: &mut Vec<Finding>,
) -> Result<Vec<SignedRoot>, RecordsError> {
    let rows: Vec<(i64, String)> = on!(tx: tx, |c| sqlx::query_as(ALL_CHECKPOINTS).fetch_all(c))?;
    let mut roots = Vec::with_capacity(rows.len());
    for row in rows {
        let checkpoint = read_checkpoint(row)?;
        match believe(&checkpoint.note) {
            Ok((size, root)) if size == checkpoint.size => roots.push(SignedRoot {
                size,
                root,
                whence: format!("the checkpoint of {size} entries"),
            }),
            Ok((size, _)) => {
                let why = format!("it was signed for {size} entries");
                found.push(finding("checkpoint", checkpoint.size, why));
            }
            Err(why) => found.push(finding("checkpoint", checkpoint.size, why)),
        }
    }
    Ok(roots)
}

/// A leaf with its entry, or the reason why that cannot be read.
struct Leaf {
    place: u64,
    id: String,
    entry: Result<AuditEntry, String>,
}

async fn leaves(tx: &mut Tx, checker: &mut Checker, vouched: &mut Vouched) -> Result<(), RecordsError> {
    let (mut next, mut hashes) = (0, 0);
    loop {
        let portion = portion(tx, next).await?;
        let Some(last) = portion.last() else { break };
        next = last.place + 1;
        let mut new = BTreeMap::new();
        for leaf in portion {
            let bytes = match &leaf.entry {
                Ok(entry) => {
                    vouched.take(entry);
                    entry.leaf()
                }
                Err(why) => {
                    checker.report(Some(leaf.place), "entry", &leaf.id, why);
                    Vec::new()
                }
            };
            let fault = |error| RecordsError::nonsense("audit_hashes", leaf.place, error);
            let hashed = checker.entry(leaf.place, &leaf.id, &bytes).map_err(fault)?;
            hashes += hashed.len() as u64;
            let of = |(at, sha256): (usize, (u64, Sha256))| {
                (sha256.0, (sha256.1, at, leaf.place, leaf.id.clone()))
            };
            new.extend(hashed.into_iter().enumerate().map(of));
        }
        compare(tx, checker, new).await?;
    }
    let size: i64 = on!(tx: &mut *tx, |c| sqlx::query_scalar(SIZE).fetch_one(c))?;
    let kept: i64 = on!(tx: tx, |c| sqlx::query_scalar(COUNT_HASHES).fetch_one(c))?;
    if number(checker.size()) != size {
        let why = format!("the tree had {size} entries, and {} are left", checker.size());
        checker.report(None, "log", "end", why);
    }
    if number(hashes) != kept {
        checker.report(
            None,
            "hashes",
            "all",
            format!("{kept} are kept, and there are {hashes}"),
        );
    }
    Ok(())
}

async fn portion(tx: &mut Tx, from: u64) -> Result<Vec<Leaf>, RecordsError> {
    type Raw = (i64, String, Result<EntryRow, sqlx::Error>);
    let rows: Result<Vec<Raw>, sqlx::Error> = on!(tx: tx, |c| async {
        let rows = sqlx::query(LEAVES).bind(number(from)).bind(number(PORTION)).fetch_all(c).await?;
        let raw = |row| Ok((place(row)?, entry_id(row)?, EntryRow::from_row(row)));
        rows.iter().map(raw).collect()
    });
    let leaf = |(place, id, entry): Raw| {
        Ok(Leaf {
            place: reading("leaf").whole(place)?,
            id,
            entry: entry
                .map(EntryRow::read)
                .map_err(|error| format!("it is gone or cannot be read: {error}")),
        })
    };
    rows?.into_iter().map(leaf).collect()
}

fn place<'r, R: sqlx::Row>(row: &'r R) -> Result<i64, sqlx::Error>
where
    &'static str: sqlx::ColumnIndex<R>,
    i64: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
{
    row.try_get("place")
}

fn entry_id<'r, R: sqlx::Row>(row: &'r R) -> Result<String, sqlx::Error>
where
    &'static str: sqlx::ColumnIndex<R>,
    String: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
{
    row.try_get("leaf_entry")
}

/// Compares hashes as they must be with those that are kept. Each comes with which of its leaf's hashes it is, and
/// the leaf's place and entry.
async fn compare(
    tx: &mut Tx,
    checker: &mut Checker,
    new: BTreeMap<u64, (Sha256, usize, u64, String)>,
) -> Result<(), RecordsError> {
    let (Some(first), Some(last)) = (new.keys().next(), new.keys().next_back()) else {
        return Ok(());
    };
    let rows: Vec<(i64, String)> = on!(tx: tx, |c| sqlx::query_as(HASHES)
        .bind(number(*first))
        .bind(number(*last))
        .fetch_all(c))?;
    let kept: HashMap<i64, String> = rows.into_iter().collect();
    let differs = |at: u64, sha256: &Sha256| kept.get(&number(at)) != Some(&sha256.to_string());
    let mut leaf_differs = false;
    for (at, (sha256, nth, place, id)) in &new {
        if !differs(*at, sha256) {
            continue;
        }
        if *nth == 0 {
            leaf_differs = true;
            checker.report(Some(*place), "entry", id, "it is not what was sealed");
        } else if !leaf_differs {
            checker.report(
                Some(*place),
                "hash",
                &at.to_string(),
                "it is not the hash of the leaves below it",
            );
        }
    }
    Ok(())
}

async fn waiting(tx: &mut Tx, vouched: &mut Vouched, found: &mut Vec<Finding>) -> Result<u64, RecordsError> {
    let rows: Vec<EntryRow> = on!(tx: &mut *tx, |c| sqlx::query_as(STILL_PENDING).fetch_all(c))?;
    let pending = rows.len() as u64;
    rows.into_iter()
        .map(EntryRow::read)
        .for_each(|entry| vouched.take(&entry));
    let astray: Vec<String> = on!(tx: tx, |c| sqlx::query_scalar(ASTRAY).fetch_all(c))?;
    let why = "it is in no tree and does not wait for one: it was put in behind the log's back";
    found.extend(astray.into_iter().map(|id| finding("entry", id, why)));
    Ok(pending)
}

async fn vouched_rows(
    tx: &mut Tx,
    mut vouched: Vouched,
    found: &mut Vec<Finding>,
) -> Result<u64, RecordsError> {
    let mut seen = 0;
    for fact in Fact::ALL {
        let mut after = String::new();
        loop {
            let portion = rows::after(tx, fact, &after).await?;
            let Some((last, _)) = portion.last() else { break };
            after.clone_from(last);
            for (id, row) in portion {
                seen += 1;
                let logged = vouched.digests.remove(&(fact.as_str().to_owned(), id.clone()));
                found.extend(judge(fact, id, row, logged.map(|(sha256, _)| sha256)));
            }
        }
    }
    let mut gone = vouched.left();
    gone.sort_unstable();
    found.extend(
        gone.into_iter()
            .map(|(of, id)| finding(&of, id, "the log tells of it, and it is gone")),
    );
    Ok(seen)
}

fn judge(
    fact: Fact,
    id: String,
    row: Result<serde_json::Value, String>,
    logged: Option<String>,
) -> Option<Finding> {
    let why = match (row, logged) {
        (Err(why), _) => format!("it cannot be read: {why}"),
        (Ok(_), None) => "no entry of the log tells of it".into(),
        (Ok(row), Some(logged)) if rows::sha256(&row).to_string() == logged => return None,
        (Ok(_), Some(_)) => "it is not what the log says".into(),
    };
    Some(finding(fact.as_str(), id, why))
}
