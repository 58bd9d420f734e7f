//! Why a page of the dashboard is not shown, as a page.

use crate::{problem::Problem, site};
use actix_web::{HttpResponse, ResponseError, http::StatusCode};
use askama::Template;
use domain::language::Language;
use records::RecordsError;
use std::fmt;

/// See the module's text.
#[derive(Debug)]
pub enum Refused {
    /// There is no session that is alive.
    SignedOut(Language),
    /// What the API would answer with.
    Told(Box<Problem>, Language),
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
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Told(Box::new(problem), Language::default())
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
            Refused::SignedOut(_) => f.write_str("signed out"),
            Refused::Told(problem, _) => problem.fmt(f),
        }
    }
}

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        match self {
            Refused::SignedOut(_) => StatusCode::UNAUTHORIZED,
            Refused::Told(problem, _) => problem.status_code(),
        }
    }

    fn error_response(&self) -> HttpResponse {
        let shown = match self {
            Refused::SignedOut(t) => RefusedPage {
                t: *t,
                signed_out: true,
                code: String::new(),
                detail: String::new(),
            },
            Refused::Told(problem, t) => {
                // Logs what the log is to know; the answer itself is the page below.
                problem.error_response();
                RefusedPage {
                    t: *t,
                    signed_out: false,
                    code: problem.code().to_owned(),
                    detail: problem.detail().to_owned(),
                }
            }
        };
        site::page(self.status_code(), &shown).unwrap_or_else(|problem| problem.error_response())
    }
}
