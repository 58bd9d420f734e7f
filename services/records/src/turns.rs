//! Whose turn it is: tenants in rounds by weight, and which page of the tenant goes first.
//!
//! `turns` has a row for every tenant that ever had a job waiting. Its `due_at` says from when on a look is worth while:
//! it is set by whoever lets a job wait ([`mark`]), in that transaction, and taken back by dispatch when a look found
//! nothing. Most marks find it set and write nothing, so that transactions of one tenant do not wait for each other.
//! So a job may come while dispatch takes the mark back. What is committed before that is seen by a look after it; what is
//! committed later is marked again by whoever let it wait ([`mark_again`]). Should the latter die in between, dispatch
//! looks once more after a while, and the sweep looks for waiting tenants that have no mark ([`recall`]).
//!
//! Whoever marks a tenant or locks its turn does so before it counts anything of it (`usage`, `backlog`): transactions that
//! lock rows in one order never wait for each other in a circle.

mod locking;

pub(crate) use locking::{LockedTurn, lock, lock_if_first, store};

use crate::{At, Db, RecordsError, Tx, later::Write, on, read::Reading, read::number, run::Run as _};
use domain::{
    id::{BatchId, PageId},
    names::TenantName,
    turn::Priority,
};
use time::{Duration, OffsetDateTime};

const MARK: &str = "INSERT INTO turns (tenant, due_at) SELECT b.tenant, COALESCE($2, t.due_at) \
    FROM batches b LEFT JOIN turns t ON t.tenant = b.tenant \
    WHERE b.id = $1 AND (t.due_at IS NULL OR t.due_at > $2) ON CONFLICT (tenant) DO UPDATE \
    SET due_at = excluded.due_at WHERE turns.due_at IS NULL OR turns.due_at > excluded.due_at";

/// The first waiting job of each priority of a tenant.
macro_rules! firsts {
    ($tenant:literal) => {
        concat!(
            firsts!($tenant, "2", "high"),
            " UNION ALL ",
            firsts!($tenant, "1", "normal"),
            " UNION ALL ",
            firsts!($tenant, "0", "low")
        )
    };
    ($tenant:literal, $rank:literal, $name:literal) => {
        concat!(
            "SELECT * FROM (SELECT priority, not_before, batch, page FROM jobs WHERE tenant = ",
            $tenant,
            " AND state = 'queued' AND priority = ",
            $rank,
            " ORDER BY not_before, id LIMIT 1) AS ",
            $name
        )
    };
}

const FIRSTS: &str = concat!(
    "SELECT batch, page, not_before FROM (",
    firsts!("$1"),
    ") AS firsts ORDER BY priority DESC"
);
// With the firsts of the tenant whose turn it is.
const NEXT: &str = concat!(
    "WITH next AS (SELECT tenant, empty_since, (SELECT COUNT(*) FROM attempts WHERE closed_at IS NULL) AS orders_out \
    FROM turns WHERE due_at <= $1 AND (SELECT COUNT(*) FROM attempts WHERE attempts.tenant = turns.tenant \
    AND attempts.closed_at IS NULL) < COALESCE(most_orders, $2) ORDER BY round, tenant LIMIT 1) \
    SELECT next.tenant, next.empty_since, next.orders_out, firsts.batch, firsts.page, firsts.not_before \
    FROM next LEFT JOIN (",
    firsts!("(SELECT tenant FROM next)"),
    ") AS firsts ON TRUE ORDER BY firsts.priority DESC"
);
const LOOK_AGAIN: &str = "UPDATE turns SET due_at = $3, empty_since = $4 WHERE tenant = $1 AND due_at <= $2";
const DUE: &str = "UPDATE turns SET due_at = $2 WHERE tenant = $1 AND (due_at IS NULL OR due_at > $2)";
const REST: &str =
    "UPDATE turns SET due_at = NULL WHERE tenant = $1 AND due_at <= $2 AND empty_since IS NOT NULL";
const RECALL: &str = "WITH RECURSIVE waiting(tenant) AS (SELECT MIN(tenant) FROM jobs WHERE state = 'queued' \
    UNION ALL SELECT (SELECT MIN(jobs.tenant) FROM jobs WHERE state = 'queued' AND jobs.tenant > waiting.tenant) \
        FROM waiting WHERE waiting.tenant IS NOT NULL) \
    INSERT INTO turns (tenant, due_at) SELECT w.tenant, COALESCE($1, t.due_at) \
    FROM waiting w LEFT JOIN turns t ON t.tenant = w.tenant WHERE w.tenant IS NOT NULL AND t.due_at IS NULL \
    ON CONFLICT (tenant) DO UPDATE SET due_at = excluded.due_at WHERE turns.due_at IS NULL";
const FORGET_SHARES: &str =
    "UPDATE turns SET weight = 1, most_orders = NULL WHERE weight <> 1 OR most_orders IS NOT NULL";
const SET_SHARE: &str = "INSERT INTO turns (tenant, weight, most_orders) VALUES ($1, $2, $3) \
    ON CONFLICT (tenant) DO UPDATE SET weight = excluded.weight, most_orders = excluded.most_orders";

pub(crate) const STATEMENTS: &[&str] = &[
    MARK,
    NEXT,
    FIRSTS,
    LOOK_AGAIN,
    DUE,
    REST,
    locking::LOCK,
    locking::STANDING,
    locking::SERVED,
    locking::BEGIN_ROUND,
    RECALL,
    FORGET_SHARES,
    SET_SHARE,
];

/// When dispatch looks at a tenant again that had nothing due: longer than what lets jobs wait takes to mark them again.
const SECOND_LOOK: Duration = Duration::seconds(5);

/// A page with jobs that are due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuePage {
    /// Whose it is.
    pub tenant: TenantName,
    /// Its batch.
    pub batch: BatchId,
    /// The page.
    pub page: PageId,
    /// How many orders of all tenants are out.
    pub out: u64,
}

/// What a tenant gets of the workers, where it is not what everybody gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// Whose it is.
    pub tenant: TenantName,
    /// What each round gives it, in questions.
    pub weight: u64,
    /// The most of its orders that are out at once.
    pub most_orders: Option<u64>,
}

/// The page that goes out next: of the tenant in the lowest round that has a page due and less than its most orders
/// out, which is `most` unless its share says otherwise; of that tenant the one that has been due for longest among
/// those of the highest priority.
pub async fn next_page(db: &Db, now: OffsetDateTime, most: u64) -> Result<Option<DuePage>, RecordsError> {
    loop {
        let rows: Vec<NextRow> = on!(db, |c| sqlx::query_as(NEXT)
            .bind(At(now))
            .bind(number(most))
            .fetch_all(c))?;
        let Some((tenant, empty_since, out, ..)) = rows.first() else {
            return Ok(None);
        };
        let firsts = rows
            .iter()
            .filter_map(|(.., batch, page, at)| Some((batch.as_ref()?, page.as_ref()?, (*at)?)));
        let Some((batch, page, _)) = firsts.clone().find(|(.., at)| at.0 <= now) else {
            let later = firsts.map(|(.., at)| at.0).min();
            take_back(db, tenant, now, later, empty_since.is_some()).await?;
            continue;
        };
        let reading = Reading {
            table: "jobs",
            id: page,
        };
        return Ok(Some(DuePage {
            tenant: reading.parsed(tenant)?,
            batch: reading.parsed(batch)?,
            page: reading.parsed(page)?,
            out: reading.whole(*out)?,
        }));
    }
}

/// The tenant whose turn it is, since when it has had nothing, how many orders of all are out; and the batch and page of
/// its first job of a priority, and when that is due, if it has one.
type NextRow = (
    String,
    Option<At>,
    i64,
    Option<String>,
    Option<String>,
    Option<At>,
);

/// The batch and page of the first job of each priority, and when it is due.
async fn firsts(db: &Db, tenant: &str) -> Result<Vec<(String, String, At)>, RecordsError> {
    Ok(on!(db, |c| sqlx::query_as(FIRSTS).bind(tenant).fetch_all(c))?)
}

/// Nothing of `tenant` was due: it is looked at again when something is, or soon, or when it is marked.
async fn take_back(
    db: &Db,
    tenant: &str,
    now: OffsetDateTime,
    later: Option<OffsetDateTime>,
    second: bool,
) -> Result<(), RecordsError> {
    if later.is_none() && second {
        on!(db, |c| sqlx::query(REST).bind(tenant).bind(At(now)).run(c))?;
    } else {
        let soon = now + SECOND_LOOK;
        let (again, empty_since) = match later {
            Some(later) => (later.min(soon), None),
            None => (soon, Some(At(now))),
        };
        on!(db, |c| sqlx::query(LOOK_AGAIN)
            .bind(tenant)
            .bind(At(now))
            .bind(At(again))
            .bind(empty_since)
            .run(c))?;
    }
    // What came since the look before found the mark set. It may be due a little later than `now`, which was before.
    if let Some(soonest) = firsts(db, tenant).await?.iter().map(|(.., at)| at.0).min() {
        on!(db, |c| sqlx::query(DUE).bind(tenant).bind(At(soonest)).run(c))?;
    }
    Ok(())
}

/// Jobs of a batch wait from now on, and are due `at` then: its tenant is looked at.
pub(crate) fn mark(tx: &mut Tx, batch: BatchId, at: OffsetDateTime) {
    tx.later(Write::of(MARK).bind(batch.to_string()).bind(At(at)));
    tx.marks(Mark { batch, at });
}

/// What [`mark`] has marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    batch: BatchId,
    at: OffsetDateTime,
}

/// Marks once more after the transaction that did it was committed: dispatch may have taken a mark back in between, when
/// it could not see the jobs yet. The jobs are stored, so that it cannot be done is nobody's error: they are found a
/// little later.
pub(crate) async fn mark_again(db: Db, marks: Vec<Mark>) {
    for Mark { batch, at } in marks {
        let _ = on!(&db, |c| sqlx::query(MARK)
            .bind(batch.to_string())
            .bind(At(at))
            .run(c));
    }
}

/// Marks tenants with waiting jobs that no mark tells of. Gives how many.
pub async fn recall(db: &Db, now: OffsetDateTime) -> Result<u64, RecordsError> {
    Ok(on!(db, |c| sqlx::query(RECALL).bind(At(now)).run(c))?)
}

/// What the settings say of tenants' shares; everybody else has what everybody has.
pub async fn set_shares(db: &Db, shares: &[Share]) -> Result<(), RecordsError> {
    let mut tx = db.begin().await?;
    on!(tx: &mut tx, |c| sqlx::query(FORGET_SHARES).run(c))?;
    for share in shares {
        on!(tx: &mut tx, |c| sqlx::query(SET_SHARE)
            .bind(share.tenant.as_str())
            .bind(number(share.weight))
            .bind(share.most_orders.map(number))
            .run(c))?;
    }
    tx.commit().await?;
    Ok(())
}

/// The priority that a row of `table` has.
pub(crate) fn priority(reading: Reading<'_>, rank: i64) -> Result<Priority, RecordsError> {
    reading.required(Priority::of_rank(rank), "a priority")
}

#[cfg(test)]
mod tests;
