//! Signing in at an issuer: the way there, and the way back.
//!
//! Both ways end in a page that leads on, and never in a redirect. What a form is answered with may redirect only where
//! `form-action` of its page lets it, and an issuer may send browsers through any number of places; and a session's
//! cookie, which is strict, goes along only where a page of the hub has led.

use super::{
    opening::{Opener, Opening},
    refused::{Refused, RefusedPage},
    return_path,
    sign_in_failure::Failure,
    visitor::{attempt_cookie, attempt_name, is_own},
};
use crate::{
    caller::Door,
    dashboard_settings::DashboardSettings,
    oidc::{Answered, SignInError},
    problem::Problem,
    randomness::Randomness,
    sign_in_attempt::Attempt,
    site,
};
use actix_web::{
    HttpRequest, HttpResponse,
    cookie::Cookie,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, HeaderValue},
    },
    web::{Data, Form, Query},
};
use askama::Template;
use domain::{access::Caller, language::Language};
use exchange::signing::SigningKey;
use records::sessions::OpenedBy;
use serde::Deserialize;

/// Where issuers send browsers back to, below where browsers reach the hub.
const CALLBACK: &str = "/admin/sign-in/callback";

/// A page that leads on by itself, and by a link.
#[derive(Template)]
#[template(path = "onward.html")]
pub struct OnwardPage {
    t: Language,
    url: String,
}

impl OnwardPage {
    /// One to look at.
    pub fn sample(t: Language) -> Self {
        Self {
            t,
            url: "https://sso.example.com/authorize?scope=openid&state=a".into(),
        }
    }
}

/// What a button of the sign-in page sends.
#[derive(Deserialize)]
pub struct Begun {
    issuer: String,
    #[serde(default)]
    return_to: String,
}

/// What an issuer sends a browser back with.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Returned {
    state: String,
    code: String,
    iss: Option<String>,
    error: String,
    error_description: String,
}

/// Begins a sign-in: its cookie, and the way to the issuer.
pub async fn begin(
    request: HttpRequest,
    form: Form<Begun>,
    door: Data<Door>,
    settings: Data<DashboardSettings>,
    randomness: Data<Randomness>,
    key: Data<SigningKey>,
) -> Result<HttpResponse, Refused> {
    if is_own(&request) != Some(true) {
        return Err(Failure::FormForeign.into());
    }
    let now = door.clock.now();
    let Begun { issuer, return_to } = form.into_inner();
    let attempt = Attempt::begin(issuer, return_path::of(&return_to), now, &randomness);
    let url = door
        .oidc
        .authorization(&attempt, &redirect_uri(&settings), now)
        .await;
    let url = url.map_err(|error| elsewhere(&attempt, error))?;
    let carried = attempt.signed(&key).map_err(Problem::internal)?;
    let t = site::language(&request, None);
    onward(t, url.into(), &[attempt_cookie(&settings, carried)])
}

/// Ends it: a session, and the page that was asked for. Whatever comes of it, the cookie is gone then.
pub async fn callback(
    request: HttpRequest,
    returned: Query<Returned>,
    opening: Opening,
) -> Result<HttpResponse, Refused> {
    let t = site::language(&request, None);
    let settings = &opening.settings;
    let carried = request.cookie(attempt_name(settings));
    let mut gone = attempt_cookie(settings, String::new());
    gone.make_removal();
    match opened(&opening, carried.as_ref().map(Cookie::value), &returned).await {
        Ok((session, return_to)) => onward(t, return_to, &[session, gone]),
        Err(Refused::SignIn(failure)) => {
            let page = RefusedPage::failed(&failure, t).answer(failure.status());
            with_cookies(page, &[gone])
        }
        Err(other) => Err(other),
    }
}

/// Opens the session that `carried` and what was returned are good for, once: its cookie, and where to go.
async fn opened(
    opening: &Opening,
    carried: Option<&str>,
    returned: &Returned,
) -> Result<(Cookie<'static>, String), Refused> {
    let now = opening.now;
    let attempt = carried.and_then(|carried| Attempt::read(&opening.door.keys, carried, now).ok());
    let attempt = attempt.ok_or(Failure::Lost)?;
    if !attempt.is_answered_by(&returned.state) {
        return Err(Failure::Mixed.into());
    }
    if !returned.error.is_empty() {
        return Err(Failure::denied(&returned.error, &returned.error_description).into());
    }
    if returned.code.is_empty() {
        return Err(Failure::CodeMissing.into());
    }
    let caller = signed_in(opening, &attempt, returned).await?;
    let by = OpenedBy::Issuer(&attempt.issuer);
    let opener = Opener {
        sha256: attempt.sha256(),
        by,
        ends_at: attempt.ends_at(now),
    };
    match opening.open(&caller, opener).await? {
        Some(session) => Ok((session, attempt.return_to)),
        None => {
            opening.refuse(&caller, by, &Failure::Used).await?;
            Err(Failure::Used.into())
        }
    }
}

/// Who has signed in. A member without a role is told of in the audit log of its tenant; of others no tenant is known.
async fn signed_in(opening: &Opening, attempt: &Attempt, returned: &Returned) -> Result<Caller, Refused> {
    let answered = Answered {
        code: &returned.code,
        iss: returned.iss.as_deref(),
    };
    let (oidc, redirect_uri) = (&opening.door.oidc, redirect_uri(&opening.settings));
    let signed_in = oidc
        .signed_in(attempt, &answered, &redirect_uri, opening.now)
        .await;
    let failure = match signed_in {
        Ok(caller) => return Ok(caller),
        Err(error) => elsewhere(attempt, error),
    };
    if let Failure::Elsewhere(SignInError::NoRole(caller)) = &failure {
        let by = OpenedBy::Issuer(&attempt.issuer);
        opening.refuse(caller, by, &failure).await?;
    }
    Err(failure.into())
}

/// Exactly as the issuer must know it.
fn redirect_uri(settings: &DashboardSettings) -> String {
    format!("{}{CALLBACK}", settings.url.trim_end_matches('/'))
}

/// Notes for the operator why nobody was signed in.
fn elsewhere(attempt: &Attempt, error: SignInError) -> Failure {
    // An issuer that is none of the settings' is whatever somebody has typed.
    if !matches!(error, SignInError::Unknown) {
        tracing::warn!(issuer = attempt.issuer, cause = %error, "nobody was signed in");
    }
    Failure::Elsewhere(error)
}

fn onward(t: Language, url: String, cookies: &[Cookie<'_>]) -> Result<HttpResponse, Refused> {
    let page = site::page(StatusCode::OK, &OnwardPage { t, url })?;
    with_cookies(page, cookies)
}

fn with_cookies(mut page: HttpResponse, cookies: &[Cookie<'_>]) -> Result<HttpResponse, Refused> {
    for cookie in cookies {
        page.add_cookie(cookie).map_err(Problem::internal)?;
    }
    page.headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(page)
}
