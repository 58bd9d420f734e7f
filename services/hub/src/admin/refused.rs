//! Why a page of the dashboard is not shown, as a page in the visitor's language.

use crate::{problem::Problem, site};
use actix_web::{
    Error, HttpResponse, ResponseError,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::StatusCode,
    middleware::Next,
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
    /// What the API would answer with.
    Told(Box<Problem>),
}

/// The page that says so.
#[derive(Template)]
#[template(path = "refused.html")]
pub struct RefusedPage {
    t: Language,
    signed_out: bool,
    code: String,
    detail: String,
}

impl RefusedPage {
    /// One to look at.
    pub fn sample(t: Language) -> Self {
        Self {
            t,
            signed_out: false,
            code: "acceptance_state".into(),
            detail: "it is revoked & cannot be approved".into(),
        }
    }

    /// What a visitor without a session is told.
    pub fn signed_out(t: Language) -> Self {
        Self {
            t,
            signed_out: true,
            code: String::new(),
            detail: String::new(),
        }
    }

    fn of(problem: &Problem, t: Language) -> Self {
        Self {
            t,
            signed_out: false,
            code: problem.code().to_owned(),
            detail: problem.detail().to_owned(),
        }
    }

    fn answer(&self, status: StatusCode) -> HttpResponse {
        site::page(status, self).unwrap_or_else(|problem| problem.error_response())
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Told(Box::new(problem))
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
            Refused::Told(problem) => problem.fmt(f),
        }
    }
}

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        match self {
            Refused::SignedOut => StatusCode::UNAUTHORIZED,
            Refused::Told(problem) => problem.status_code(),
        }
    }

    /// The response whose page [`translated`] writes.
    fn error_response(&self) -> HttpResponse {
        match self {
            Refused::SignedOut => HttpResponse::new(self.status_code()),
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
    let response = next.call(request).await?.map_into_boxed_body();
    let shown = response.response().error().and_then(|error| {
        match (error.as_error::<Refused>(), error.as_error::<Problem>()) {
            (Some(Refused::SignedOut), _) => Some(RefusedPage::signed_out(t)),
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
