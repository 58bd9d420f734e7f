//! `/v1/api-keys`: secrets for programs that know of nothing else.

use super::{
    api_key_acts::{Maker, WantedKey, no_key},
    desk::Desk,
    paging::{Listed, Paging},
};
use crate::{app::ok, caller::Authenticated, idempotency::Once, json_object::Object, problem::Problem};
use actix_web::{
    HttpResponse,
    http::header::{CACHE_CONTROL, LOCATION},
    web::{self, Data, Json, Path, Query},
};
use domain::{
    access::{Act, Role},
    api_key::ApiKey,
    clock::SharedClock,
    id::ApiKeyId,
    limits::Limits,
    names::MemberName,
    purpose::Purpose,
};
use records::{
    Db,
    api_keys::{self, StoredKey},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use time::OffsetDateTime;

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
        Self {
            state: stored.phase(now).as_str(),
            id: stored.id,
            name: stored.name,
            member: stored.caller.member,
            roles: stored.caller.roles,
            purpose: stored.purpose,
            limits: stored.limits,
            created_at: stored.created_at,
            expires_at: stored.ends_at,
            rotated_at: stored.rotated.map(|(at, _)| at),
            old_secret_expires_at: stored.rotated.map(|(_, until)| until),
            last_used_at: stored.used_at,
            revoked_at: stored.revoked_at,
            key: None,
        }
    }

    /// With its secret, which is shown this once.
    fn revealed((key, stored): (ApiKey, StoredKey), now: OffsetDateTime) -> Self {
        Self {
            key: Some(key.reveal().to_owned()),
            ..Self::of(stored, now)
        }
    }
}

async fn create(
    caller: Authenticated,
    Json(Object(body)): Json<Object<WantedKey>>,
    desk: Desk,
    maker: Maker,
    once: Once,
) -> Result<HttpResponse, Problem> {
    let made = desk.make_key(&caller, &maker, body, once.claim()).await?;
    let location = (LOCATION, format!("/v1/api-keys/{}", made.1.id));
    Ok(HttpResponse::Created()
        .insert_header(location)
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(KeyView::revealed(made, desk.clock.now())))
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

async fn revoke(caller: Authenticated, path: Path<ApiKeyId>, desk: Desk) -> Result<HttpResponse, Problem> {
    desk.revoke_key(caller.may(Act::KeepApiKeys)?, *path).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn rotate(
    caller: Authenticated,
    path: Path<ApiKeyId>,
    Json(Object(body)): Json<Object<RotateBody>>,
    desk: Desk,
    maker: Maker,
) -> Result<HttpResponse, Problem> {
    let rotated = desk
        .rotate_key(&caller, &maker, *path, body.overlap_hours)
        .await?;
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(KeyView::revealed(rotated, desk.clock.now())))
}
