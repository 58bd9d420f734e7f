//! `/v1/api-keys`: secrets for programs that know of nothing else.

use super::paging::{Listed, Paging};
use crate::{
    api_key_settings::ApiKeySettings, app::ok, caller::Authenticated, idempotency::Once, json_object::Object,
    problem::Problem, randomness::Randomness,
};
use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, LOCATION},
    },
    web::{self, Data, Json, Path, Query},
};
use domain::{
    access::{Act, Caller, Role},
    api_key::{ApiKey, BadWish, Wish},
    clock::SharedClock,
    id::{ApiKeyId, IdMaker},
    limits::Limits,
    names::MemberName,
    purpose::Purpose,
};
use records::{
    Db, Stamp,
    api_keys::{self, StoredKey},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use time::{Duration, OffsetDateTime};

/// The paths of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/v1/api-keys", web::post().to(create))
        .route("/v1/api-keys", web::get().to(list))
        .route("/v1/api-keys/{key}", web::get().to(get))
        .route("/v1/api-keys/{key}", web::delete().to(revoke))
        .route("/v1/api-keys/{key}/rotate", web::post().to(rotate));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateBody {
    name: String,
    roles: BTreeSet<Role>,
    purpose: Option<Purpose>,
    expires_in_days: Option<u32>,
    #[serde(default)]
    limits: Limits,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RotateBody {
    #[serde(default)]
    overlap_hours: u32,
}

/// A key in JSON.
#[derive(Serialize)]
struct KeyView {
    id: ApiKeyId,
    name: String,
    member: MemberName,
    roles: BTreeSet<Role>,
    purpose: Option<Purpose>,
    limits: Limits,
    state: &'static str,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    rotated_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    old_secret_expires_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    last_used_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    revoked_at: Option<OffsetDateTime>,
    /// Only in the answers to its making and to its rotation.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

impl KeyView {
    fn of(stored: StoredKey, now: OffsetDateTime) -> Self {
        let state = match stored.revoked_at {
            Some(_) => "revoked",
            None if stored.ends_at <= now => "expired",
            None => "active",
        };
        Self {
            id: stored.id,
            name: stored.name,
            member: stored.caller.member,
            roles: stored.caller.roles,
            purpose: stored.purpose,
            limits: stored.limits,
            state,
            created_at: stored.created_at,
            expires_at: stored.ends_at,
            rotated_at: stored.rotated.map(|(at, _)| at),
            old_secret_expires_at: stored.rotated.map(|(_, until)| until),
            last_used_at: stored.used_at,
            revoked_at: stored.revoked_at,
            key: None,
        }
    }
}

/// The caller, if it may make secrets: a key that leaked must not beget others that outlive it.
fn maker(caller: &Authenticated) -> Result<&Caller, Problem> {
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

#[expect(
    clippy::too_many_arguments,
    reason = "a handler names each piece that it uses"
)]
async fn create(
    caller: Authenticated,
    Json(Object(body)): Json<Object<CreateBody>>,
    db: Data<Db>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
    randomness: Data<Randomness>,
    settings: Data<ApiKeySettings>,
    once: Once,
) -> Result<HttpResponse, Problem> {
    let caller = maker(&caller)?;
    let now = clock.now();
    let days = body.expires_in_days.unwrap_or(settings.usual_days);
    let wish = Wish {
        name: body.name,
        roles: body.roles,
        purpose: body.purpose,
        limits: body.limits,
        ends_at: now + lifetime(days, settings.most_days)?,
    };
    wish.check(caller).map_err(|bad| unfit(&bad))?;
    let key = ApiKey::of(ids.make(), randomness.bytes());
    let stamp = Stamp::of(&ids, now, caller).under(once.claim());
    if !api_keys::create(&db, stamp, caller, &key, &wish, settings.most_keys).await? {
        return Err(too_many(settings.most_keys));
    }
    let location = (LOCATION, format!("/v1/api-keys/{}", key.id()));
    let view = revealed(&db, caller, &key, now).await?;
    Ok(HttpResponse::Created()
        .insert_header(location)
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(view))
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

/// The key as it is now, with its secret, which is shown this once.
async fn revealed(db: &Db, caller: &Caller, key: &ApiKey, now: OffsetDateTime) -> Result<KeyView, Problem> {
    let stored = api_keys::get(db, &caller.tenant, key.id())
        .await?
        .ok_or_else(no_key)?;
    Ok(KeyView {
        key: Some(key.reveal().to_owned()),
        ..KeyView::of(stored, now)
    })
}

async fn list(
    caller: Authenticated,
    query: Query<Paging<ApiKeyId>>,
    db: Data<Db>,
    clock: Data<SharedClock>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::KeepApiKeys)?;
    let (after, limit) = query.into_inner().checked()?;
    let keys = api_keys::list(&db, &caller.tenant, after, limit).await?;
    let now = clock.now();
    let views = keys.into_iter().map(|key| KeyView::of(key, now)).collect();
    Ok(ok(Listed::new(views, limit, |key: &KeyView| key.id.to_string())))
}

async fn get(
    caller: Authenticated,
    path: Path<ApiKeyId>,
    db: Data<Db>,
    clock: Data<SharedClock>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::KeepApiKeys)?;
    let stored = api_keys::get(&db, &caller.tenant, *path)
        .await?
        .ok_or_else(no_key)?;
    Ok(ok(KeyView::of(stored, clock.now())))
}

/// Anybody of the tenant who sees that a key leaked revokes it.
async fn revoke(
    caller: Authenticated,
    path: Path<ApiKeyId>,
    db: Data<Db>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::KeepApiKeys)?;
    let stamp = Stamp::of(&ids, clock.now(), caller);
    match api_keys::revoke(&db, stamp, &caller.tenant, *path).await? {
        true => Ok(HttpResponse::NoContent().finish()),
        false => Err(no_key()),
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "a handler names each piece that it uses"
)]
async fn rotate(
    caller: Authenticated,
    path: Path<ApiKeyId>,
    Json(Object(body)): Json<Object<RotateBody>>,
    db: Data<Db>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
    randomness: Data<Randomness>,
    settings: Data<ApiKeySettings>,
) -> Result<HttpResponse, Problem> {
    let caller = maker(&caller)?;
    let (hours, most) = (body.overlap_hours, settings.most_overlap_hours);
    if hours > most {
        return Err(Problem::bad_request(
            "overlap_out_of_range",
            format!("overlap_hours is at most {most}, and {hours} was given"),
        )
        .with("field", "overlap_hours"));
    }
    let now = clock.now();
    let key = ApiKey::of(*path, randomness.bytes());
    let old_ends_at = now + Duration::hours(hours.into());
    let stamp = Stamp::of(&ids, now, caller);
    let whose = (&caller.tenant, &caller.member);
    if !api_keys::rotate(&db, stamp, whose, &key, old_ends_at).await? {
        return Err(no_key().with("cure", "a member rotates its own keys, while they are good"));
    }
    let view = revealed(&db, caller, &key, now).await?;
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(view))
}

fn no_key() -> Problem {
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
