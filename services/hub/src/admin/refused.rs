//! Why a page of the dashboard is not shown, as a page in the visitor's language.

use super::{return_path, sign_in_failure::Failure};
use crate::{caller::Door, problem::Problem, site};
use actix_web::{
    Error, HttpResponse, ResponseError,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{Method, StatusCode},
    middleware::Next,
    web::Data,
};
use askama::Template;
use domain::language::Language;
use records::RecordsError;
use std::fmt;

/// See the module's text.
#[derive(Debug)]
pub enum Refused {
    /// There is no session that is alive.
    SignedOut,
    /// A sign-in at an issuer has opened none.
    SignIn(Box<Failure>),
    /// What the API would answer with.
    Told(Box<Problem>),
}

/// The page that says so.
#[derive(Template)]
#[template(path = "refused.html")]
pub struct RefusedPage {
    t: Language,
    signed_out: bool,
    signing_in: bool,
    code: String,
    detail: String,
    issuers: Vec<IssuerButton>,
    return_to: String,
}

/// An issuer that one may sign in with.
struct IssuerButton {
    issuer: String,
    name: String,
}

impl RefusedPage {
    /// One to look at.
    pub fn sample(t: Language) -> Self {
        Self::telling("acceptance_state", "it is revoked & cannot be approved".into(), t)
    }

    /// One for a visitor without a session, where there are issuers to sign in with.
    pub fn issuers_sample(t: Language) -> Self {
        let button = |name: &str| IssuerButton {
            issuer: format!("https://sso.example.com/realms/{name}"),
            name: name.to_owned(),
        };
        Self {
            issuers: ["acme", "a-tenant-with-a-rather-long-name"].map(button).into(),
            ..Self::signed_out(t, None, "/admin/batches?state=open")
        }
    }

    /// What a visitor without a session is told, who asked for the page `asked`.
    pub fn signed_out(t: Language, door: Option<&Door>, asked: &str) -> Self {
        let issuers = door.into_iter().flat_map(|door| door.oidc.to_sign_in_with());
        let issuers = issuers.map(|(issuer, name)| IssuerButton {
            issuer: issuer.to_owned(),
            name: name.to_owned(),
        });
        Self {
            signed_out: true,
            issuers: issuers.collect(),
            return_to: return_path::of(asked),
            ..Self::telling("", String::new(), t)
        }
    }

    /// What is told of a sign-in that opened no session.
    pub fn failed(failure: &Failure, t: Language) -> Self {
        Self {
            signing_in: true,
            ..Self::telling(failure.code(), failure.detail(t), t)
        }
    }

    fn of(problem: &Problem, t: Language) -> Self {
        Self::telling(problem.code(), problem.detail().to_owned(), t)
    }

    fn telling(code: &str, detail: String, t: Language) -> Self {
        Self {
            t,
            signed_out: false,
            signing_in: false,
            code: code.to_owned(),
            detail,
            issuers: Vec::new(),
            return_to: String::new(),
        }
    }

    /// The page as a response.
    pub fn answer(&self, status: StatusCode) -> HttpResponse {
        site::page(status, self).unwrap_or_else(|problem| problem.error_response())
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Told(Box::new(problem))
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self::SignIn(Box::new(failure))
    }
}

impl From<RecordsError> for Refused {
    fn from(error: RecordsError) -> Self {
        Problem::from(error).into()
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::SignedOut => f.write_str("signed out"),
            Refused::SignIn(failure) => f.write_str(failure.code()),
            Refused::Told(problem) => problem.fmt(f),
        }
    }
}

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        match self {
            Refused::SignedOut => StatusCode::UNAUTHORIZED,
            Refused::SignIn(failure) => failure.status(),
            Refused::Told(problem) => problem.status_code(),
        }
    }

    /// The response whose page [`translated`] writes.
    fn error_response(&self) -> HttpResponse {
        match self {
            Refused::SignedOut | Refused::SignIn(_) => HttpResponse::new(self.status_code()),
            // Logs what the log is to know.
            Refused::Told(problem) => problem.error_response(),
        }
    }
}

/// Tells what is refused under `/admin` as a page in the language that the visitor wishes for; also what is refused
/// before a handler runs.
pub async fn translated(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let t = site::language(request.request(), None);
    let door = request.app_data::<Data<Door>>().cloned();
    let asked = match *request.method() {
        Method::GET => request.uri().to_string(),
        _ => return_path::USUAL.to_owned(),
    };
    let response = next.call(request).await?.map_into_boxed_body();
    let shown = response.response().error().and_then(|error| {
        match (error.as_error::<Refused>(), error.as_error::<Problem>()) {
            (Some(Refused::SignedOut), _) => {
                let door = door.as_ref().map(|door| door.get_ref());
                Some(RefusedPage::signed_out(t, door, &asked))
            }
            (Some(Refused::SignIn(failure)), _) => Some(RefusedPage::failed(failure, t)),
            (Some(Refused::Told(problem)), _) => Some(RefusedPage::of(problem, t)),
            (None, Some(problem)) => Some(RefusedPage::of(problem, t)),
            (None, None) => None,
        }
    });
    let status = response.status();
    Ok(match shown {
        Some(page) => response.into_response(page.answer(status)),
        None => response,
    })
}
