//! The page to sign in, signing in with a link, and out.

use super::{
    opening::{Opener, Opening},
    refused::{Refused, RefusedPage},
    return_path,
    visitor::{Visitor, cookie},
};
use crate::{caller::Door, dashboard_settings::DashboardSettings, problem::Problem, sign_in_link, site};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header::LOCATION},
    web::{Data, Form, Query},
};
use askama::Template;
use domain::{access::Caller, digest::Sha256, id::IdMaker, language::Language};
use records::{
    Db, Stamp,
    sessions::{self, OpenedBy},
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

/// What the page is asked for with.
#[derive(Deserialize)]
pub struct Wished {
    #[serde(default)]
    link: String,
    #[serde(default)]
    return_to: String,
}

/// The page; without a link, the issuers to sign in with, and how to get a link.
pub async fn get(
    request: HttpRequest,
    query: Query<Wished>,
    door: Data<Door>,
) -> Result<HttpResponse, Refused> {
    let t = site::language(&request, None);
    if query.link.is_empty() && door.oidc.to_sign_in_with().next().is_none() {
        return Err(Refused::SignedOut);
    }
    if query.link.is_empty() {
        let page = RefusedPage::signed_out(t, Some(door.get_ref()), &query.return_to);
        return Ok(site::page(StatusCode::OK, &page)?);
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
pub async fn open(form: Form<Linked>, opening: Opening) -> Result<HttpResponse, Refused> {
    let (caller, link_ends_at) = read(&opening.door, &form.link)?;
    let opener = Opener {
        sha256: Sha256::of(form.link.as_bytes()),
        by: OpenedBy::Link,
        ends_at: link_ends_at,
    };
    let session = opening.open(&caller, opener).await?;
    Ok(HttpResponse::SeeOther()
        .insert_header((LOCATION, return_path::USUAL))
        .cookie(session.ok_or_else(unusable)?)
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
