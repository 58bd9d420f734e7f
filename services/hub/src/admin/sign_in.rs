//! Signing in with a link, and out.

use super::{
    refused::Refused,
    visitor::{Visitor, cookie, session},
};
use crate::{
    caller::Door, dashboard_settings::DashboardSettings, problem::Problem, randomness::Randomness,
    sign_in_link, site,
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header::LOCATION},
    web::{Data, Form, Query},
};
use askama::Template;
use domain::{access::Caller, digest::Sha256, id::IdMaker, language::Language};
use records::{
    Db, Stamp,
    sessions::{self, NewSession},
};
use serde::Deserialize;
use time::OffsetDateTime;

/// The page that a link leads to. Only its button opens the session: what fetches links to look at them does not.
#[derive(Template)]
#[template(path = "sign_in.html")]
pub struct SignInPage {
    t: Language,
    link: String,
    who: String,
}

impl SignInPage {
    /// One to look at.
    pub fn sample(t: Language) -> Self {
        Self {
            t,
            link: "a.b.c".into(),
            who: "li of zhipu".into(),
        }
    }
}

/// What carries the link.
#[derive(Deserialize)]
pub struct Linked {
    #[serde(default)]
    link: String,
}

fn read(door: &Door, link: &str) -> Result<(Caller, OffsetDateTime), Problem> {
    sign_in_link::verify(&door.keys, link, door.clock.now()).map_err(|_| unusable())
}

fn unusable() -> Problem {
    let detail = "the link is no good any more: it opens one session, for some minutes. The operator makes another \
                  one with `glmhub admin link`";
    Problem::new(StatusCode::FORBIDDEN, "link_unusable", detail)
}

/// The page; without a link, how to get one.
pub async fn get(
    request: HttpRequest,
    query: Query<Linked>,
    door: Data<Door>,
) -> Result<HttpResponse, Refused> {
    let t = site::language(&request, None);
    if query.link.is_empty() {
        return Err(Refused::SignedOut);
    }
    let (caller, _) = read(&door, &query.link)?;
    let shown = SignInPage {
        t,
        link: query.into_inner().link,
        who: t.of(
            format!("{} of {}", caller.member, caller.tenant),
            format!("{} 的 {}", caller.tenant, caller.member),
        ),
    };
    Ok(site::page(StatusCode::OK, &shown)?)
}

/// Opens the session.
pub async fn open(
    form: Form<Linked>,
    db: Data<Db>,
    door: Data<Door>,
    settings: Data<DashboardSettings>,
    randomness: Data<Randomness>,
    ids: Data<IdMaker>,
) -> Result<HttpResponse, Refused> {
    let (caller, link_ends_at) = read(&door, &form.link)?;
    let (now, bytes): (_, [u8; 32]) = (door.clock.now(), randomness.bytes());
    let secret: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let new = NewSession {
        sha256: session(&secret),
        link_sha256: Sha256::of(form.link.as_bytes()),
        caller: &caller,
        ends_at: now + settings.longest(),
        link_ends_at,
    };
    if !sessions::open(&db, Stamp::of(&ids, now, &caller), new).await? {
        return Err(unusable().into());
    }
    Ok(HttpResponse::SeeOther()
        .insert_header((LOCATION, "/admin/reviews"))
        .cookie(cookie(&settings, secret))
        .finish())
}

/// What carries a form's proof.
#[derive(Deserialize)]
pub struct Proved {
    /// The session's proof.
    pub csrf: String,
}

/// Closes the session.
pub async fn close(
    visitor: Visitor,
    form: Form<Proved>,
    db: Data<Db>,
    door: Data<Door>,
    settings: Data<DashboardSettings>,
    ids: Data<IdMaker>,
) -> Result<HttpResponse, Refused> {
    visitor.check(&form.csrf)?;
    let caller = visitor.caller.itself();
    let stamp = Stamp::of(&ids, door.clock.now(), caller);
    sessions::close(&db, stamp, &visitor.session, caller).await?;
    let mut gone = cookie(&settings, String::new());
    gone.make_removal();
    Ok(HttpResponse::SeeOther()
        .insert_header((LOCATION, "/admin/sign-in"))
        .cookie(gone)
        .finish())
}
