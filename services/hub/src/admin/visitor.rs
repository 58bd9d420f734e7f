//! Who looks at the dashboard: read from the session's cookie before a handler runs.

use super::refused::Refused;
use crate::{
    caller::{Authenticated, Door},
    dashboard_settings::DashboardSettings,
    problem::Problem,
    sign_in_attempt, site,
};
use actix_web::{
    FromRequest, HttpRequest,
    cookie::{Cookie, SameSite, time::Duration as CookieSpan},
    dev::Payload,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
    web::Data,
};
use domain::{digest::Sha256, language::Language};
use futures_util::future::{FutureExt as _, LocalBoxFuture};
use records::{Db, sessions};

/// The cookies' names; by TLS it has a prefix with which browsers let nobody else set it.
const COOKIE: &str = "glmhub_session";
const SECURE_COOKIE: &str = "__Host-glmhub_session";
const ATTEMPT_COOKIE: &str = "glmhub_sign_in";
const SECURE_ATTEMPT_COOKIE: &str = "__Host-glmhub_sign_in";

/// A member that has signed in.
pub struct Visitor {
    /// May do what its roles permit.
    pub caller: Authenticated,
    /// The session.
    pub session: Sha256,
    /// What forms carry.
    pub csrf: String,
    /// The language of pages.
    pub t: Language,
    own: Option<bool>,
}

fn name(settings: &DashboardSettings) -> &'static str {
    match settings.is_secure() {
        true => SECURE_COOKIE,
        false => COOKIE,
    }
}

/// The cookie that carries `secret` for as long as a session can last.
pub fn cookie(settings: &DashboardSettings, secret: String) -> Cookie<'static> {
    Cookie::build(name(settings), secret)
        .path("/")
        .http_only(true)
        .secure(settings.is_secure())
        .same_site(SameSite::Strict)
        .max_age(CookieSpan::seconds(settings.longest_seconds.into()))
        .finish()
}

/// The name of the cookie that carries a sign-in at an issuer.
pub fn attempt_name(settings: &DashboardSettings) -> &'static str {
    match settings.is_secure() {
        true => SECURE_ATTEMPT_COOKIE,
        false => ATTEMPT_COOKIE,
    }
}

/// The cookie that carries `attempt`. It must come along when the issuer sends the browser back, so it is not as strict.
pub fn attempt_cookie(settings: &DashboardSettings, attempt: String) -> Cookie<'static> {
    Cookie::build(attempt_name(settings), attempt)
        .path("/")
        .http_only(true)
        .secure(settings.is_secure())
        .same_site(SameSite::Lax)
        .max_age(CookieSpan::seconds(sign_in_attempt::LONGEST.whole_seconds()))
        .finish()
}

/// What a session is found by.
pub fn session(secret: &str) -> Sha256 {
    Sha256::of(secret.as_bytes())
}

/// What forms of a session carry. Only pages of the session know its secret, so only they can make it.
pub fn csrf(secret: &str) -> String {
    Sha256::of(format!("form\0{secret}").as_bytes()).to_string()
}

impl Visitor {
    /// Checks that a form came from a page of this session. Problem: 403 `form_foreign`.
    pub fn check(&self, csrf: &str) -> Result<(), Problem> {
        let elsewhere = self.own == Some(false);
        // Digests are compared, so that the time it takes tells nothing of the value.
        if elsewhere || Sha256::of(csrf.as_bytes()) != Sha256::of(self.csrf.as_bytes()) {
            let detail = "the form is not one of this session: open the page again and send it from there";
            return Err(Problem::new(StatusCode::FORBIDDEN, "form_foreign", detail));
        }
        Ok(())
    }
}

/// Whether a request comes from a page of the hub, as its browser says; none if it says nothing of it.
pub fn is_own(request: &HttpRequest) -> Option<bool> {
    let text = |name| {
        let value: Option<&HeaderValue> = request.headers().get(name);
        value.and_then(|value| value.to_str().ok())
    };
    let origin = text(header::ORIGIN)?;
    let host = origin.split_once("://").map(|(_, host)| host);
    Some(host.is_some() && host == text(header::HOST))
}

async fn visit(request: HttpRequest) -> Result<Visitor, Refused> {
    let door = request.app_data::<Data<Door>>().ok_or_else(Problem::lacking)?;
    let db = request.app_data::<Data<Db>>().ok_or_else(Problem::lacking)?;
    let settings = request
        .app_data::<Data<DashboardSettings>>()
        .ok_or_else(Problem::lacking)?;
    let t = site::language(&request, None);
    let Some(cookie) = request.cookie(name(settings)) else {
        return Err(Refused::SignedOut);
    };
    let (secret, now) = (cookie.value(), door.clock.now());
    let session = session(secret);
    let seen = sessions::see(db, &session, now, now - settings.idle()).await?;
    let caller = seen.ok_or(Refused::SignedOut)?;
    Ok(Visitor {
        caller: Authenticated::signed_in(caller, door.policies.get()),
        csrf: csrf(secret),
        session,
        t,
        own: is_own(&request),
    })
}

impl FromRequest for Visitor {
    type Error = Refused;
    type Future = LocalBoxFuture<'static, Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        visit(request.clone()).boxed_local()
    }
}
