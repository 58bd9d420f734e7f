//! What is done with API keys, by the API and on the dashboard.

use super::desk::Desk;
use crate::{
    api_key_settings::ApiKeySettings, caller::Authenticated, problem::Problem, randomness::Randomness,
};
use actix_web::{FromRequest, HttpRequest, dev::Payload, http::StatusCode, web::Data};
use domain::{
    access::{Act, Caller, Role},
    api_key::{ApiKey, BadWish, Wish},
    id::ApiKeyId,
    limits::Limits,
    purpose::Purpose,
};
use records::{
    api_keys::{self, StoredKey},
    claims::Claim,
};
use serde::Deserialize;
use std::{
    collections::BTreeSet,
    future::{Ready, ready},
};
use time::Duration;

/// What making secrets takes beside the desk.
pub struct Maker {
    pub(crate) randomness: Data<Randomness>,
    pub(crate) settings: Data<ApiKeySettings>,
}

impl FromRequest for Maker {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let maker = || {
            Some(Self {
                randomness: request.app_data::<Data<Randomness>>()?.clone(),
                settings: request.app_data::<Data<ApiKeySettings>>()?.clone(),
            })
        };
        ready(maker().ok_or_else(Problem::lacking))
    }
}

/// The key that somebody wants.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WantedKey {
    pub(crate) name: String,
    pub(crate) roles: BTreeSet<Role>,
    pub(crate) purpose: Option<Purpose>,
    pub(crate) expires_in_days: Option<u32>,
    #[serde(default)]
    pub(crate) limits: Limits,
}

impl Desk {
    /// Makes a key for the caller, and gives it with its secret, which is kept nowhere. Problems: 400, 403
    /// `role_not_held` or `key_makes_no_keys`, 409 `too_many_api_keys`.
    pub(crate) async fn make_key(
        &self,
        caller: &Authenticated,
        maker: &Maker,
        wanted: WantedKey,
        claim: Option<Claim>,
    ) -> Result<(ApiKey, StoredKey), Problem> {
        let (caller, settings) = (may_make(caller)?, &maker.settings);
        let now = self.clock.now();
        let days = wanted.expires_in_days.unwrap_or(settings.usual_days);
        let wish = Wish {
            name: wanted.name,
            roles: wanted.roles,
            purpose: wanted.purpose,
            limits: wanted.limits,
            ends_at: now + lifetime(days, settings.most_days)?,
        };
        wish.check(caller).map_err(|bad| unfit(&bad))?;
        let key = ApiKey::of(self.ids.make(), maker.randomness.bytes());
        let stamp = self.stamp_of(caller).under(claim);
        if !api_keys::create(&self.db, stamp, caller, &key, &wish, settings.most_keys).await? {
            return Err(too_many(settings.most_keys));
        }
        let stored = self.key_of(caller, key.id()).await?;
        Ok((key, stored))
    }

    /// Gives a key of the caller another secret; the one before is good for so many hours. Problems: 400
    /// `overlap_out_of_range`, 403 `key_makes_no_keys`, 404.
    pub(crate) async fn rotate_key(
        &self,
        caller: &Authenticated,
        maker: &Maker,
        id: ApiKeyId,
        overlap_hours: u32,
    ) -> Result<(ApiKey, StoredKey), Problem> {
        let caller = may_make(caller)?;
        let most = maker.settings.most_overlap_hours;
        if overlap_hours > most {
            return Err(Problem::bad_request(
                "overlap_out_of_range",
                format!("overlap_hours is at most {most}, and {overlap_hours} was given"),
            )
            .with("field", "overlap_hours"));
        }
        let key = ApiKey::of(id, maker.randomness.bytes());
        let stamp = self.stamp_of(caller);
        let old_ends_at = stamp.at + Duration::hours(overlap_hours.into());
        let whose = (&caller.tenant, &caller.member);
        if !api_keys::rotate(&self.db, stamp, whose, &key, old_ends_at).await? {
            return Err(no_key().with("cure", "a member rotates its own keys, while they are good"));
        }
        let stored = self.key_of(caller, id).await?;
        Ok((key, stored))
    }

    /// Revokes a key of the caller's tenant: anybody of it who sees that a key leaked does so. Problem: 404.
    pub(crate) async fn revoke_key(&self, caller: &Caller, id: ApiKeyId) -> Result<(), Problem> {
        match api_keys::revoke(&self.db, self.stamp_of(caller), &caller.tenant, id).await? {
            true => Ok(()),
            false => Err(no_key()),
        }
    }

    /// A key of the caller's tenant. Problem: 404.
    pub(crate) async fn key_of(&self, caller: &Caller, id: ApiKeyId) -> Result<StoredKey, Problem> {
        let stored = api_keys::get(&self.db, &caller.tenant, id).await?;
        stored.ok_or_else(no_key)
    }
}

/// The caller, if it may make secrets: a key that leaked must not beget others that outlive it.
fn may_make(caller: &Authenticated) -> Result<&Caller, Problem> {
    match caller.key() {
        None => caller.may(Act::KeepApiKeys),
        Some(_) => Err(Problem::new(
            StatusCode::FORBIDDEN,
            "key_makes_no_keys",
            "an API key neither makes nor rotates keys",
        )
        .with("cure", "use an access token; `glmhub token issue` makes one")),
    }
}

fn lifetime(days: u32, most: u32) -> Result<Duration, Problem> {
    match (1..=most).contains(&days) {
        true => Ok(Duration::days(days.into())),
        false => Err(Problem::bad_request(
            "expiry_out_of_range",
            format!("expires_in_days is from 1 to {most}, and {days} was given"),
        )
        .with("field", "expires_in_days")),
    }
}

pub(crate) fn no_key() -> Problem {
    Problem::not_found("API key")
}

fn too_many(most: u32) -> Problem {
    Problem::conflict(
        "too_many_api_keys",
        format!("a tenant has at most {most} API keys: revoke one, or have api_keys.most_keys raised"),
    )
}

fn unfit(bad: &BadWish) -> Problem {
    let problem = |code, field| Problem::bad_request(code, bad.to_string()).with("field", field);
    match bad {
        BadWish::Name => problem("name_invalid", "name"),
        BadWish::NoRole => problem("roles_empty", "roles"),
        BadWish::Role(..) => Problem::new(StatusCode::FORBIDDEN, "role_not_held", bad.to_string()).with(
            "cure",
            "name roles that you hold; the operator issues access tokens",
        ),
    }
}
