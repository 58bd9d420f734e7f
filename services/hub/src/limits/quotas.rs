//! Pages and tokens in a day, asked for before new work is taken.

use super::{
    Keeper, Whose,
    left::{Left, Of},
    tell,
};
use crate::{caller::Authenticated, idempotency::Once, problem::Problem};
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, dev::Payload, web::Data};
use domain::{
    clock::SharedClock,
    id::ApiKeyId,
    limits::{Limits, Quota},
    names::TenantName,
};
use futures_util::future::LocalBoxFuture;
use records::{Db, usage};
use std::ops::Deref;
use time::{OffsetDateTime, Time};

const DAY: u64 = 24 * 60 * 60;

/// The caller of a request that brings new work, as a handler's argument: it has some of its day's pages and tokens left.
/// Problems: those of [`Authenticated`], and 429 `quota_exhausted`.
pub struct Submitting(Authenticated);

impl Deref for Submitting {
    type Target = Authenticated;

    fn deref(&self) -> &Authenticated {
        &self.0
    }
}

impl FromRequest for Submitting {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let caller = Authenticated::extract(&request).await?;
            // A repetition brings nothing new.
            let is_again = request
                .extensions()
                .get::<Once>()
                .is_some_and(|once| once.job().is_some());
            if !is_again {
                check(&request, &caller).await?;
            }
            Ok(Self(caller))
        })
    }
}

async fn check(request: &HttpRequest, caller: &Authenticated) -> Result<(), Problem> {
    let keeper = request.app_data::<Data<Keeper>>().ok_or_else(Problem::lacking)?;
    let db = request.app_data::<Data<Db>>().ok_or_else(Problem::lacking)?;
    let clock = request
        .app_data::<Data<SharedClock>>()
        .ok_or_else(Problem::lacking)?;
    let (tenant, now) = (&caller.itself().tenant, clock.now());
    let told = |left| tell(request, left);
    are_within(keeper.of(caller), db, tenant, now, told).await
}

/// Whether a tenant, and the key that its work came with, has some of its day's pages and tokens left. Problem: 429
/// `quota_exhausted`.
pub(crate) async fn has_some_left(
    keeper: &Keeper,
    db: &Db,
    tenant: &TenantName,
    key: Option<(ApiKeyId, Limits)>,
    now: OffsetDateTime,
) -> Result<(), Problem> {
    are_within(keeper.of_both(tenant, key), db, tenant, now, drop).await
}

async fn are_within(
    of: impl Iterator<Item = (Whose, Limits)>,
    db: &Db,
    tenant: &TenantName,
    now: OffsetDateTime,
    told: impl Fn(Left),
) -> Result<(), Problem> {
    for (whose, limits) in of.filter(|(_, limits)| limits.has_quotas()) {
        let key = match &whose {
            Whose::Tenant(_) => None,
            Whose::Key(id) => Some(*id),
        };
        let used = usage::of_day(db, tenant, key, now).await?;
        for quota in Quota::ALL {
            let Some((most, remaining)) = quota.left(&limits, &used) else {
                continue;
            };
            let left = left(quota, key.is_some(), (most, remaining), seconds_left(now));
            told(left);
            if !left.is_within {
                return Err(exhausted(quota, &whose, left));
            }
        }
    }
    Ok(())
}

fn left(quota: Quota, is_of_key: bool, (most, remaining): (u64, u64), seconds: u64) -> Left {
    Left {
        of: match quota {
            Quota::Pages => Of::Pages,
            Quota::Tokens => Of::Tokens,
        },
        is_of_key,
        is_within: remaining > 0,
        most,
        remaining,
        seconds,
        window: DAY,
    }
}

/// How many seconds are left of the day of `now` in UTC, at least one.
fn seconds_left(now: OffsetDateTime) -> u64 {
    let gone = (now.time() - Time::MIDNIGHT).whole_seconds();
    DAY.saturating_sub(gone.unsigned_abs())
}

fn exhausted(quota: Quota, whose: &Whose, left: Left) -> Problem {
    let (of, what) = (whose.as_str(), quota.as_str());
    metrics::counter!("glmhub_refused_quota_total", "of" => of, "quota" => what).increment(1);
    let detail = format!(
        "the {of} has used up its {} {what} of this day (UTC); what was taken goes on, and new work is taken tomorrow",
        left.most
    );
    Problem::too_many("quota_exhausted", detail, left.seconds)
        .with("of", of)
        .with("quota", what)
        .with("limit", left.most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn the_day_ends_at_midnight_of_utc() {
        assert_eq!(seconds_left(datetime!(2026-03-01 00:00 UTC)), DAY);
        assert_eq!(seconds_left(datetime!(2026-03-01 23:59:59 UTC)), 1);
        assert_eq!(seconds_left(datetime!(2026-03-01 23:59:59.9 UTC)), 1);
    }
}
