//! What is done to API keys on the dashboard: the same acts as by the API, from forms. A secret is shown once, on the page
//! that answers to its making.

use super::{
    fields::{Fields, every, one},
    refused::Refused,
    shell::Shell,
    sign_in::Proved,
    tenant_page::PATH,
    visitor::Visitor,
};
use crate::{
    api::{
        api_key_acts::{Maker, WantedKey, no_key},
        desk::Desk,
    },
    problem::Problem,
    site,
};
use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, HeaderValue, LOCATION},
    },
    web::{Form, Path},
};
use askama::Template;
use domain::{
    access::{Act, Role},
    api_key::{ApiKey, KeyPhase},
    id::ApiKeyId,
    language::Language,
    limits::Limits,
    purpose::Purpose,
};
use records::api_keys::StoredKey;
use serde::Deserialize;
use std::{collections::BTreeSet, str::FromStr};

/// Shows a secret, this once.
#[derive(Template)]
#[template(path = "key_made.html")]
pub struct KeyMadePage {
    t: Language,
    shell: Shell,
    name: String,
    secret: String,
    ends: String,
    /// Until when the secret before is good.
    old_ends: Option<String>,
}

impl KeyMadePage {
    /// One to look at.
    pub fn sample(t: Language) -> Self {
        Self {
            t,
            shell: Shell::sample(t),
            name: "scan <station>".into(),
            secret: format!("glmhub_00000000000000000000000000_{}", "0".repeat(64)),
            ends: "2026-01-01 12:00 UTC".into(),
            old_ends: Some("2026-01-01 12:00 UTC".into()),
        }
    }

    fn answer(visitor: &Visitor, (key, stored): (ApiKey, StoredKey)) -> Result<HttpResponse, Refused> {
        let shown = Self {
            t: visitor.t,
            shell: Shell::of(visitor, PATH),
            name: stored.name,
            secret: key.reveal().to_owned(),
            ends: site::minute(stored.ends_at),
            old_ends: stored.rotated.map(|(_, until)| site::minute(until)),
        };
        let mut answer = site::page(StatusCode::OK, &shown)?;
        let headers = answer.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(answer)
    }
}

/// A bound that a form may leave empty. Problem: 400 `limits_invalid`.
fn bound<T: FromStr>(fields: &[(String, String)], name: &'static str) -> Result<Option<T>, Problem> {
    let text = every(fields, name).next().unwrap_or_default().trim();
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        let detail = format!("{name} is a whole number from 1, or empty");
        Problem::bad_request("limits_invalid", detail).with("field", name)
    })
}

/// What a form says of the key that it wants.
fn wanted(fields: &[(String, String)]) -> Result<WantedKey, Problem> {
    let roles: Result<BTreeSet<Role>, _> = every(fields, "role").map(Role::from_str).collect();
    let roles = roles.map_err(|error| Problem::bad_request("roles_invalid", error.to_string()))?;
    let purpose = one(fields, "purpose")?;
    let purpose = Some(purpose).filter(|word| !word.is_empty());
    let purpose = purpose
        .map(str::parse::<Purpose>)
        .transpose()
        .map_err(|_| Problem::bad_request("purpose_invalid", "there is no such purpose"))?;
    let days: u32 = one(fields, "expires_in_days")?.trim().parse().map_err(|_| {
        Problem::bad_request("expiry_out_of_range", "a key is good for a number of days")
            .with("field", "expires_in_days")
    })?;
    Ok(WantedKey {
        name: one(fields, "name")?.to_owned(),
        roles,
        purpose,
        expires_in_days: Some(days),
        limits: Limits {
            requests_per_minute: bound(fields, "requests_per_minute")?,
            pages_per_day: bound(fields, "pages_per_day")?,
            tokens_per_day: bound(fields, "tokens_per_day")?,
        },
    })
}

/// Makes a key.
pub async fn create(
    visitor: Visitor,
    form: Form<Fields>,
    desk: Desk,
    maker: Maker,
) -> Result<HttpResponse, Refused> {
    visitor.check(one(&form, "csrf")?)?;
    let made = desk
        .make_key(&visitor.caller, &maker, wanted(&form)?, None)
        .await?;
    KeyMadePage::answer(&visitor, made)
}

/// What the form of a rotation sends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotated {
    csrf: String,
    overlap_hours: u32,
}

/// Gives a key another secret.
pub async fn rotate(
    visitor: Visitor,
    path: Path<ApiKeyId>,
    form: Form<Rotated>,
    desk: Desk,
    maker: Maker,
) -> Result<HttpResponse, Refused> {
    visitor.check(&form.csrf)?;
    let rotated = desk
        .rotate_key(&visitor.caller, &maker, *path, form.overlap_hours)
        .await?;
    KeyMadePage::answer(&visitor, rotated)
}

/// Asks once more before a key is revoked.
#[derive(Template)]
#[template(path = "key_revoke.html")]
pub struct RevokeKeyPage {
    t: Language,
    shell: Shell,
    id: String,
    name: String,
    member: String,
    last_used: Option<String>,
}

impl RevokeKeyPage {
    /// One to look at.
    pub fn sample(t: Language) -> Self {
        Self {
            t,
            shell: Shell::sample(t),
            id: "key_00000000000000000000000000".into(),
            name: "scan <station>".into(),
            member: "li".into(),
            last_used: Some("2026-01-01 12:00 UTC".into()),
        }
    }
}

/// The question before a key is revoked.
pub async fn ask(visitor: Visitor, path: Path<ApiKeyId>, desk: Desk) -> Result<HttpResponse, Refused> {
    let caller = visitor.caller.may(Act::KeepApiKeys)?;
    let key = desk.key_of(caller, *path).await?;
    if key.phase(desk.clock.now()) == KeyPhase::Revoked {
        return Err(no_key().into());
    }
    let shown = RevokeKeyPage {
        t: visitor.t,
        shell: Shell::of(&visitor, PATH),
        id: key.id.to_string(),
        name: key.name,
        member: key.caller.member.to_string(),
        last_used: key.used_at.map(site::minute),
    };
    Ok(site::page(StatusCode::OK, &shown)?)
}

/// Revokes a key.
pub async fn revoke(
    visitor: Visitor,
    path: Path<ApiKeyId>,
    form: Form<Proved>,
    desk: Desk,
) -> Result<HttpResponse, Refused> {
    visitor.check(&form.csrf)?;
    desk.revoke_key(visitor.caller.may(Act::KeepApiKeys)?, *path)
        .await?;
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, PATH)).finish())
}
