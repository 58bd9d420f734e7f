//! What time does to acceptances: their ends, and reminders before.

use super::{
    changing::{self, Change, Changed, settle},
    lock,
    row::AcceptanceRow,
};
use crate::{At, Db, RecordsError, Stamp, on};
use domain::{acceptance::Acceptance, id::AcceptanceId, webhook::AcceptanceChange};
use serde_json::json;
use time::{Duration, OffsetDateTime};

const RUN_OUT: &str = "SELECT id FROM acceptances WHERE valid_until <= $1 AND active_since IS NOT NULL \
        AND valid_until IS NOT NULL AND expired_at IS NULL AND revoked_at IS NULL AND superseded_at IS NULL \
    ORDER BY valid_until, id LIMIT $2";
const TO_REMIND: &str = "SELECT id FROM acceptances WHERE valid_until > $1 AND valid_until <= $2 \
        AND active_since IS NOT NULL AND valid_until IS NOT NULL AND expired_at IS NULL AND revoked_at IS NULL \
        AND superseded_at IS NULL AND suspended_at IS NULL AND (reminded_days IS NULL OR reminded_days > $3) \
    ORDER BY valid_until, id LIMIT $4";
const REMIND: &str = "UPDATE acceptances SET reminded_days = $2 \
    WHERE id = $1 AND (reminded_days IS NULL OR reminded_days > $2) RETURNING *";

pub(super) const STATEMENTS: &[&str] = &[RUN_OUT, TO_REMIND, REMIND];

/// Up to `limit` acceptances whose end has come and has not been written down.
pub async fn run_out(db: &Db, now: OffsetDateTime, limit: u32) -> Result<Vec<AcceptanceId>, RecordsError> {
    let ids: Vec<String> = on!(db, |c| sqlx::query_scalar(RUN_OUT)
        .bind(At(now))
        .bind(i64::from(limit))
        .fetch_all(c))?;
    read(ids)
}

/// Writes down that an acceptance has run out, and raises the epoch of its tenant. `None`: it has not, or that is
/// written down already.
pub async fn expire(db: &Db, stamp: Stamp<'_>, id: AcceptanceId) -> Result<Option<Changed>, RecordsError> {
    let mut tx = db.begin().await?;
    let Some((held, others)) = lock(&mut tx, id).await? else {
        return Ok(None);
    };
    let Ok(after) = held.clone().expire(stamp.at) else {
        return Ok(None);
    };
    let change = Change::told(held, after, AcceptanceChange::Expired, json!({}));
    let changed = settle(&mut tx, stamp, change, others).await?;
    tx.commit().await?;
    Ok(Some(changed))
}

/// Up to `limit` active acceptances that end within `days` from now, and of which that has not been told.
pub async fn to_remind(
    db: &Db,
    now: OffsetDateTime,
    days: u32,
    limit: u32,
) -> Result<Vec<AcceptanceId>, RecordsError> {
    let ids: Vec<String> = on!(db, |c| sqlx::query_scalar(TO_REMIND)
        .bind(At(now))
        .bind(At(now + Duration::days(days.into())))
        .bind(i64::from(days))
        .bind(i64::from(limit))
        .fetch_all(c))?;
    read(ids)
}

/// Tells, once, that an active acceptance ends within `days`. Reminders that would have come earlier are settled by
/// it. Gives whether there was something to tell.
pub async fn remind(db: &Db, stamp: Stamp<'_>, id: AcceptanceId, days: u32) -> Result<bool, RecordsError> {
    let mut tx = db.begin().await?;
    let row: Option<AcceptanceRow> = on!(tx: &mut tx, |c| sqlx::query_as(REMIND)
        .bind(id.to_string())
        .bind(i64::from(days))
        .fetch_optional(c))?;
    let Some(held) = row.map(AcceptanceRow::read).transpose()? else {
        return Ok(false);
    };
    let left = days_left(&held, stamp.at).filter(|&left| held.stands(stamp.at) && left <= days);
    let Some(days_left) = left else {
        return Ok(false);
    };
    let change = AcceptanceChange::Expiring { days_left };
    let (kind, detail) = (change.event_type().as_str(), json!({ "days_left": days_left }));
    changing::audit(&mut tx, stamp, &held, kind, detail).await?;
    changing::tell(&mut tx, stamp, &held, change).await?;
    tx.commit().await?;
    Ok(true)
}

/// In how many days it ends, rounded up.
fn days_left(acceptance: &Acceptance, at: OffsetDateTime) -> Option<u32> {
    let left = acceptance.valid_until? - at;
    let whole = left.whole_days() + i64::from(left > Duration::days(left.whole_days()));
    u32::try_from(whole).ok()
}

fn read(ids: Vec<String>) -> Result<Vec<AcceptanceId>, RecordsError> {
    ids.iter()
        .map(|id| super::reading("acceptances", id).parsed(id))
        .collect()
}
