//! Workers as they describe themselves. They work for all tenants, so no row is a tenant's.

use crate::{
    At, Db, RecordsError, on,
    read::{Reading, number},
    run::Run as _,
};
use domain::{
    digest::Sha256,
    hardware::{Need, Room},
    id::OrderId,
    names::ModelName,
    worker::{Announcement, Loaded, Speed},
};
use sqlx::types::Json;
use time::OffsetDateTime;

const HEAR: &str = "INSERT INTO workers (id, version, device, memory_bytes, value_bytes, loaded, speeds, since, \
    heard_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8) ON CONFLICT (id) DO UPDATE SET version = excluded.version, \
    device = excluded.device, memory_bytes = excluded.memory_bytes, value_bytes = excluded.value_bytes, loaded = excluded.loaded, \
    speeds = excluded.speeds, heard_at = excluded.heard_at WHERE workers.heard_at <= excluded.heard_at";
const ALIVE: &str = "SELECT id, version, device, memory_bytes, value_bytes, loaded, speeds, since, heard_at \
    FROM workers WHERE heard_at > $1 ORDER BY id";
const FORGET: &str = "DELETE FROM workers WHERE heard_at <= $1";
const ORDERS: &str = "SELECT m.model, CAST(COUNT(o.order_id) - COUNT(o.started_at) AS BIGINT), \
    CAST(COUNT(o.started_at) AS BIGINT) FROM (SELECT DISTINCT model FROM revisions) m \
    LEFT JOIN (SELECT b.model, a.order_id, a.started_at FROM attempts a JOIN batches b ON b.id = a.batch \
        WHERE a.closed_at IS NULL) o ON o.model = m.model GROUP BY m.model ORDER BY m.model";

const WAITING: &str = "SELECT b.model, b.revision_sha256, r.need, CAST(COUNT(*) AS BIGINT) FROM attempts a \
    JOIN batches b ON b.id = a.batch JOIN revisions r ON r.model = b.model AND r.sha256 = b.revision_sha256 \
    WHERE a.closed_at IS NULL AND a.started_at IS NULL AND a.dispatched_at <= $1 \
    GROUP BY b.model, b.revision_sha256, r.need ORDER BY b.model, b.revision_sha256";

const WAITING_OF: &str = "SELECT a.order_id FROM attempts a JOIN batches b ON b.id = a.batch \
    WHERE a.closed_at IS NULL AND a.started_at IS NULL AND b.model = $1 AND b.revision_sha256 = $2 ORDER BY a.order_id";

pub(crate) const STATEMENTS: &[&str] = &[HEAR, ALIVE, FORGET, ORDERS, WAITING, WAITING_OF];

/// A worker that is heard of.
#[derive(Debug, Clone, PartialEq)]
pub struct HeardWorker {
    /// What it last said of itself.
    pub announcement: Announcement,
    /// When it was first heard of.
    pub since: OffsetDateTime,
    /// When it was last heard of.
    pub heard_at: OffsetDateTime,
}

/// Orders of one model that are out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrdersOfModel {
    /// The model.
    pub model: String,
    /// Those that no worker has begun.
    pub waiting: u64,
    /// Those that a worker is at.
    pub begun: u64,
}

/// Orders of one revision that are out and that no worker has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingOrders {
    /// The model.
    pub model: ModelName,
    /// The revision.
    pub revision_sha256: Sha256,
    /// What it takes in memory, if it is known.
    pub need: Option<Need>,
    /// How many there are.
    pub orders: u64,
}

/// Revisions with orders that have waited for a worker since `since` or longer, and that none of `alive` has room for.
pub async fn lacking(
    db: &Db,
    alive: &[HeardWorker],
    since: OffsetDateTime,
) -> Result<Vec<WaitingOrders>, RecordsError> {
    let rows: Vec<(String, String, Option<Json<Need>>, i64)> =
        on!(db, |c| sqlx::query_as(WAITING).bind(At(since)).fetch_all(c))?;
    let read = |(model, revision, need, orders): (String, String, Option<Json<Need>>, i64)| {
        let row = Reading {
            table: "attempts",
            id: &revision,
        };
        Ok(WaitingOrders {
            model: row.parsed(&model)?,
            revision_sha256: row.parsed(&revision)?,
            need: need.map(|Json(need)| need),
            orders: row.whole(orders)?,
        })
    };
    let waiting: Result<Vec<WaitingOrders>, RecordsError> = rows.into_iter().map(read).collect();
    let held = |waiting: &WaitingOrders| {
        let mut rooms = alive.iter().map(|worker| worker.announcement.room);
        rooms.any(|room| room.holds(waiting.need))
    };
    Ok(waiting?.into_iter().filter(|one| !held(one)).collect())
}

/// The orders that `waiting` counts, those of before as well as later ones, oldest first.
pub async fn waiting_orders(db: &Db, waiting: &WaitingOrders) -> Result<Vec<OrderId>, RecordsError> {
    let rows: Vec<String> = on!(db, |c| sqlx::query_scalar(WAITING_OF)
        .bind(waiting.model.as_str())
        .bind(waiting.revision_sha256.to_string())
        .fetch_all(c))?;
    let parse = |id: &String| {
        Reading {
            table: "attempts",
            id,
        }
        .parsed(id)
    };
    rows.iter().map(parse).collect()
}

/// A worker was heard of `at`.
pub async fn hear(db: &Db, announcement: &Announcement, at: OffsetDateTime) -> Result<(), RecordsError> {
    on!(db, |c| sqlx::query(HEAR)
        .bind(announcement.worker.to_string())
        .bind(&announcement.version)
        .bind(&announcement.device)
        .bind(announcement.room.memory_bytes.map(number))
        .bind(number(announcement.room.value_bytes))
        .bind(Json(&announcement.loaded))
        .bind(Json(&announcement.speeds))
        .bind(At(at))
        .run(c))?;
    Ok(())
}

/// Workers that were heard of after `since`, in the order in which they started.
pub async fn alive(db: &Db, since: OffsetDateTime) -> Result<Vec<HeardWorker>, RecordsError> {
    let rows: Vec<Row> = on!(db, |c| sqlx::query_as(ALIVE).bind(At(since)).fetch_all(c))?;
    rows.into_iter().map(Row::read).collect()
}

/// Forgets workers that were not heard of after `since`. Gives how many.
pub async fn forget(db: &Db, since: OffsetDateTime) -> Result<u64, RecordsError> {
    Ok(on!(db, |c| sqlx::query(FORGET).bind(At(since)).run(c))?)
}

/// How many orders are out for each model that could have some, over all tenants.
pub async fn orders(db: &Db) -> Result<Vec<OrdersOfModel>, RecordsError> {
    let rows: Vec<(String, i64, i64)> = on!(db, |c| sqlx::query_as(ORDERS).fetch_all(c))?;
    let read = |(model, waiting, begun): (String, i64, i64)| {
        let row = Reading {
            table: "attempts",
            id: &model,
        };
        Ok(OrdersOfModel {
            waiting: row.whole(waiting)?,
            begun: row.whole(begun)?,
            model: model.clone(),
        })
    };
    rows.into_iter().map(read).collect()
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    version: String,
    device: String,
    memory_bytes: Option<i64>,
    value_bytes: i64,
    loaded: Json<Vec<Loaded>>,
    speeds: Json<Vec<Speed>>,
    since: At,
    heard_at: At,
}

impl Row {
    fn read(self) -> Result<HeardWorker, RecordsError> {
        let row = Reading {
            table: "workers",
            id: &self.id,
        };
        Ok(HeardWorker {
            announcement: Announcement {
                worker: row.parsed(&self.id)?,
                version: self.version,
                device: self.device,
                room: Room {
                    memory_bytes: self.memory_bytes.map(|bytes| row.whole(bytes)).transpose()?,
                    value_bytes: row.whole(self.value_bytes)?,
                },
                loaded: self.loaded.0,
                speeds: self.speeds.0,
            },
            since: self.since.0,
            heard_at: self.heard_at.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::databases::on_each;
    use domain::{clock::HandClock, id::IdMaker};
    use std::sync::Arc;
    use time::Duration;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn announcement(ids: &IdMaker) -> Announcement {
        Announcement {
            worker: ids.make(),
            version: "1.2.3".into(),
            device: "cpu".into(),
            room: Room {
                memory_bytes: Some(8_000_000_000),
                value_bytes: 2,
            },
            loaded: vec![],
            speeds: vec![],
        }
    }

    #[tokio::test]
    async fn a_worker_is_known_by_what_it_said_last_until_it_is_silent_for_too_long() {
        on_each(async |db| {
            let ids = IdMaker::new(Arc::new(HandClock::at(NOW)));
            let (first, other) = (announcement(&ids), announcement(&ids));
            hear(db, &first, NOW).await.unwrap();
            hear(db, &other, NOW).await.unwrap();
            let loaded = Loaded {
                model: "acme/tiny".parse().unwrap(),
                revision_sha256: Sha256::of(b"a revision"),
            };
            let later = Announcement {
                room: Room {
                    memory_bytes: None,
                    value_bytes: 4,
                },
                loaded: vec![loaded],
                ..first.clone()
            };
            let minute = NOW + Duration::MINUTE;
            hear(db, &later, minute).await.unwrap();
            // Two hubs may store in another order than they read.
            hear(db, &first, NOW + Duration::SECOND).await.unwrap();
            let all = alive(db, NOW - Duration::SECOND).await.unwrap();
            assert_eq!(all.len(), 2);
            let known = HeardWorker {
                announcement: later,
                since: NOW,
                heard_at: minute,
            };
            assert_eq!(alive(db, NOW).await.unwrap(), std::slice::from_ref(&known));
            assert_eq!(forget(db, NOW).await.unwrap(), 1);
            assert_eq!(alive(db, NOW - Duration::SECOND).await.unwrap(), [known]);
        })
        .await;
    }
}
