//! How much is accepted and has no verdict yet, of each tenant and of all: jobs, and documents that are no pages yet.
//!
//! The counts change with the counters of batches, in their transactions, so that asking for them never counts jobs.
//! They are kept in a few parts for each tenant, or all that concerns a tenant would go through one row. A reader sums
//! the parts as they are committed: calls that come at the same moment may all find the last place free.

use crate::{Db, RecordsError, Tx, later::Write, on, read::Reading, run::Run as _};
use domain::{id::BatchId, names::TenantName};

const MORE: &str = "INSERT INTO backlog (tenant, part, waiting) SELECT tenant, backlog_part, $2 FROM batches \
    WHERE id = $1 ON CONFLICT (tenant, part) DO UPDATE SET waiting = backlog.waiting + excluded.waiting";
// Hubs of before this table leave it as it is: it never goes below zero for that.
const LESS: &str = "UPDATE backlog SET waiting = CASE WHEN waiting > $2 THEN waiting - $2 ELSE 0 END FROM batches AS b \
    WHERE b.id = $1 AND backlog.tenant = b.tenant AND backlog.part = b.backlog_part";
const LOCK: &str = "UPDATE backlog SET waiting = waiting";
const RECOUNT: &str = "INSERT INTO backlog (tenant, part, waiting) SELECT tenant, backlog_part, \
    CAST(SUM(documents_waiting + jobs_queued + jobs_dispatched + jobs_running + jobs_held) AS BIGINT) \
    FROM batches WHERE TRUE GROUP BY tenant, backlog_part \
    ON CONFLICT (tenant, part) DO UPDATE SET waiting = excluded.waiting";
// Sums of BIGINT are NUMERIC on PostgreSQL.
const WAITING: &str = "SELECT CAST(COALESCE(SUM(CASE WHEN tenant = $1 THEN waiting END), 0) AS BIGINT), \
    CAST(COALESCE(SUM(waiting), 0) AS BIGINT) FROM backlog";

pub(crate) const STATEMENTS: &[&str] = &[MORE, LESS, LOCK, RECOUNT, WAITING];

/// How much may wait. `None`: without a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Of one tenant.
    pub of_tenant: Option<u64>,
    /// Of all.
    pub of_all: Option<u64>,
}

/// Why nothing more is taken now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// As much of the tenant waits as may.
    #[error("{most} jobs of the tenant wait, as many as may")]
    OfTenant {
        /// The bound.
        most: u64,
    },
    /// As much of all tenants waits as may.
    #[error("{most} jobs wait, as many as may")]
    OfAll {
        /// The bound.
        most: u64,
    },
}

/// Whether more of `tenant` may be taken now.
pub async fn room(db: &Db, tenant: &TenantName, bounds: Bounds) -> Result<Result<(), Full>, RecordsError> {
    let waiting: (i64, i64) = on!(db, |c| sqlx::query_as(WAITING).bind(tenant.as_str()).fetch_one(c))?;
    judge(waiting, bounds)
}

/// As [`room`], within a transaction.
pub(crate) async fn room_in(
    tx: &mut Tx,
    tenant: &TenantName,
    bounds: Bounds,
) -> Result<Result<(), Full>, RecordsError> {
    let waiting: (i64, i64) = on!(tx: tx, |c| sqlx::query_as(WAITING).bind(tenant.as_str()).fetch_one(c))?;
    judge(waiting, bounds)
}

fn judge((of_tenant, of_all): (i64, i64), bounds: Bounds) -> Result<Result<(), Full>, RecordsError> {
    let reading = Reading {
        table: "backlog",
        id: "*",
    };
    let reached = |waiting: u64, most: Option<u64>| most.filter(|most| waiting >= *most);
    if let Some(most) = reached(reading.whole(of_tenant)?, bounds.of_tenant) {
        return Ok(Err(Full::OfTenant { most }));
    }
    Ok(match reached(reading.whole(of_all)?, bounds.of_all) {
        Some(most) => Err(Full::OfAll { most }),
        None => Ok(()),
    })
}

/// `change` more of a batch waits, or less.
pub(crate) fn add(tx: &mut Tx, batch: BatchId, change: i64) {
    let sql = match change {
        0 => return,
        1.. => MORE,
        _ => LESS,
    };
    tx.later(Write::of(sql).bind(batch.to_string()).bind(change.abs()));
}

/// Counts anew, by the counters of batches: for the start of a hub, as one of an earlier version may have worked here.
pub async fn recount(db: &Db) -> Result<(), RecordsError> {
    let mut tx = db.begin().await?;
    // Whoever has changed a count by now is done, and seen by the statement after; whoever comes waits.
    on!(tx: &mut tx, |c| sqlx::query(LOCK).run(c))?;
    on!(tx: &mut tx, |c| sqlx::query(RECOUNT).run(c))?;
    Ok(tx.commit().await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::databases::on_each;
    use domain::{clock::HandClock, id::IdMaker};
    use std::sync::Arc;
    use time::OffsetDateTime;

    async fn batch(db: &Db, ids: &IdMaker, tenant: &str) -> BatchId {
        let id: BatchId = ids.make();
        let insert = "INSERT INTO batches (id, tenant, member, model, revision_sha256, purpose, decision, duties, \
        metadata, opened_at) VALUES ($1, $2, 'li', 'acme/tiny', 'none', 'research', 'dec', '[]', '{}', $3)";
        on!(db, |c| sqlx::query(insert)
            .bind(id.to_string())
            .bind(tenant)
            .bind(crate::At(OffsetDateTime::UNIX_EPOCH))
            .run(c))
        .unwrap();
        id
    }

    async fn change(db: &Db, batch: BatchId, by: i64) -> Result<(), RecordsError> {
        let mut tx = db.begin().await?;
        add(&mut tx, batch, by);
        Ok(tx.commit().await?)
    }

    /// Exactly so much waits of acme, and of all.
    async fn waits(db: &Db, of_tenant: u64, of_all: u64) {
        let acme: TenantName = "acme".parse().unwrap();
        let full = async |of_tenant, of_all| {
            let bounds = Bounds { of_tenant, of_all };
            room(db, &acme, bounds).await.unwrap()
        };
        let reached = Full::OfTenant { most: of_tenant };
        assert_eq!(full(Some(of_tenant), None).await, Err(reached));
        assert_eq!(full(None, Some(of_all)).await, Err(Full::OfAll { most: of_all }));
        assert_eq!(full(Some(of_tenant + 1), Some(of_all + 1)).await, Ok(()));
    }

    #[tokio::test]
    async fn counts_are_sums_over_batches_and_are_mended_by_counting_anew() {
        on_each(async |db| {
            let ids = IdMaker::new(Arc::new(HandClock::at(OffsetDateTime::UNIX_EPOCH)));
            waits(db, 0, 0).await;
            let mut batches = Vec::new();
            for tenant in ["acme", "acme", "acme", "other"] {
                batches.push(batch(db, &ids, tenant).await);
            }
            for batch in &batches {
                change(db, *batch, 5).await.unwrap();
            }
            waits(db, 15, 20).await;
            change(db, batches[0], -5).await.unwrap();
            change(db, batches[3], -1).await.unwrap();
            change(db, batches[1], 0).await.unwrap();
            waits(db, 10, 14).await;
            // One of an earlier version has put some in unseen.
            change(db, batches[3], -5).await.unwrap();
            waits(db, 10, 10).await;
            let more = "UPDATE batches SET jobs_queued = 3, jobs_held = 4, jobs_stopped = 4, jobs_total = 7 WHERE id = $1";
            for batch in &batches[2..] {
                on!(db, |c| sqlx::query(more).bind(batch.to_string()).run(c)).unwrap();
            }
            recount(db).await.unwrap();
            waits(db, 7, 14).await;
        })
        .await;
    }

    #[tokio::test]
    async fn those_who_change_one_count_at_once_all_count() {
        on_each(async |db| {
            let ids = IdMaker::new(Arc::new(HandClock::at(OffsetDateTime::UNIX_EPOCH)));
            let batch = batch(db, &ids, "acme").await;
            let mut changes = tokio::task::JoinSet::new();
            for _ in 0..20 {
                let db = db.clone();
                changes.spawn(async move { change(&db, batch, 3).await });
            }
            for changed in changes.join_all().await {
                changed.unwrap();
            }
            waits(db, 60, 60).await;
        })
        .await;
    }
}
