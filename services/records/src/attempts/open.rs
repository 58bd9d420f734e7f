//! Orders that are out, as the records believe; the sweep compares them with what the queue holds.

use crate::{At, Db, RecordsError, many, on, read::Reading, run::Run as _};
use domain::id::OrderId;
use time::OffsetDateTime;

pub(super) const OPEN_AFTER: &str = "SELECT order_id, dispatched_at, missing_since FROM attempts \
    WHERE closed_at IS NULL AND order_id > $1 ORDER BY order_id LIMIT $2";
// Which attempts are open is hidden from the planner, or it might go through all that are.
pub(super) const MARK_MISSING: &str = "UPDATE attempts SET missing_since = $2 WHERE order_id IN \
    (SELECT r.value ->> 'id' FROM json_each($1) AS r) AND COALESCE(closed_at, closed_at) IS NULL AND missing_since IS NULL";
pub(super) const FORGET_MISSING: &str = "UPDATE attempts SET missing_since = NULL WHERE order_id IN \
    (SELECT r.value ->> 'id' FROM json_each($1) AS r)";

/// An order that is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenAttempt {
    /// The order.
    pub order: OrderId,
    /// When it was made.
    pub dispatched_at: OffsetDateTime,
    /// Since when the queue has not held it, as far as the sweep saw.
    pub missing_since: Option<OffsetDateTime>,
}

/// Up to `limit` orders that are out, in order of their ids, after `after`.
pub async fn open_after(
    db: &Db,
    after: Option<OrderId>,
    limit: u32,
) -> Result<Vec<OpenAttempt>, RecordsError> {
    let after = after.map(|id| id.to_string()).unwrap_or_default();
    let rows = on!(db, |c| sqlx::query_as::<_, (String, At, Option<At>)>(OPEN_AFTER)
        .bind(&after)
        .bind(i64::from(limit))
        .fetch_all(c))?;
    let read = |(id, dispatched_at, missing_since): (String, At, Option<At>)| {
        let order = Reading {
            table: "attempts",
            id: &id,
        }
        .parsed(&id)?;
        Ok(OpenAttempt {
            order,
            dispatched_at: dispatched_at.0,
            missing_since: missing_since.map(|at| at.0),
        })
    };
    rows.into_iter().map(read).collect()
}

/// The queue does not hold these orders.
pub async fn mark_missing(db: &Db, orders: &[OrderId], at: OffsetDateTime) -> Result<(), RecordsError> {
    if !orders.is_empty() {
        let orders = many::ids(orders);
        on!(db, |c| sqlx::query(MARK_MISSING)
            .bind(&orders)
            .bind(At(at))
            .run(c))?;
    }
    Ok(())
}

/// The queue holds these orders after all.
pub async fn forget_missing(db: &Db, orders: &[OrderId]) -> Result<(), RecordsError> {
    if !orders.is_empty() {
        let orders = many::ids(orders);
        on!(db, |c| sqlx::query(FORGET_MISSING).bind(&orders).run(c))?;
    }
    Ok(())
}
