//! Problems in Hugging Face's form: the class in `X-Error-Code`, what to do in `X-Error-Message` and in `{"error": …}`.
//!
//! Clients tell their callers to look at the network for any class that they do not know, so every refusal is one that
//! they do.

use super::repository::{NO_FILE, NO_REVISION};
use crate::problem::Problem;
use actix_web::{
    Error,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        StatusCode,
        header::{CONTENT_TYPE, HeaderName, HeaderValue},
    },
    middleware::Next,
};
use serde_json::{Value, json};

const CODE: HeaderName = HeaderName::from_static("x-error-code");
const MESSAGE: HeaderName = HeaderName::from_static("x-error-message");
/// With this a client remembers that there is no such file.
const COMMIT: HeaderName = HeaderName::from_static("x-repo-commit");

/// Middleware of the surface: a problem leaves it in Hugging Face's form.
pub(super) async fn around<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, String>>, Error> {
    let response = next.call(request).await?;
    let problem = response.response().error();
    let Some(told) = problem
        .and_then(|error| error.as_error::<Problem>())
        .map(Told::of)
    else {
        return Ok(response.map_into_left_body());
    };
    let page = page(response.request()).filter(|_| told.code == Some("GatedRepo"));
    let message = match page {
        Some(page) => format!("{} See {page}", told.message),
        None => told.message,
    };
    let body = json!({ "error": message }).to_string();
    let mut response = response.map_body(|_, _| EitherBody::right(body));
    *response.response_mut().status_mut() = told.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(code) = told.code {
        headers.insert(CODE, HeaderValue::from_static(code));
    }
    if let Some(commit) = told.commit {
        headers.insert(COMMIT, commit);
    }
    if let Ok(message) = HeaderValue::from_bytes(message.replace(['\r', '\n'], " ").as_bytes()) {
        headers.insert(MESSAGE, message);
    }
    Ok(response)
}

/// The page on which people read about the model of a request.
fn page(request: &actix_web::HttpRequest) -> Option<String> {
    let (owner, name) = (
        request.match_info().get("owner")?,
        request.match_info().get("name")?,
    );
    let connection = request.connection_info();
    Some(format!(
        "{}://{}/models/{owner}/{name}",
        connection.scheme(),
        connection.host()
    ))
}

/// A problem as these clients know it.
struct Told {
    status: StatusCode,
    code: Option<&'static str>,
    message: String,
    commit: Option<HeaderValue>,
}

impl Told {
    fn of(problem: &Problem) -> Self {
        let class = match (problem.status(), problem.code()) {
            (_, "model_unknown") => Some("RepoNotFound"),
            (_, NO_REVISION) => Some("RevisionNotFound"),
            (_, NO_FILE) => Some("EntryNotFound"),
            (StatusCode::FORBIDDEN, _) | (_, "terms_absent") => Some("GatedRepo"),
            _ => None,
        };
        Self {
            status: match class {
                Some("GatedRepo") => StatusCode::FORBIDDEN,
                _ => problem.status(),
            },
            code: class,
            message: problem.in_one_line(),
            commit: problem
                .member("commit")
                .and_then(Value::as_str)
                .and_then(|commit| HeaderValue::from_str(commit).ok()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_is_of_a_class_that_clients_know() {
        let refused = Problem::new(
            StatusCode::FORBIDDEN,
            "acceptance_missing",
            "no acceptance stands",
        )
        .with("cure", "a signatory accepts the terms")
        .with("decision_id", "dec_1");
        let told = Told::of(&refused);
        assert_eq!((told.status.as_u16(), told.code), (403, Some("GatedRepo")));
        assert_eq!(
            told.message,
            "no acceptance stands: a signatory accepts the terms (dec_1)"
        );
        let absent = Told::of(&Problem::conflict("terms_absent", "no text"));
        assert_eq!((absent.status.as_u16(), absent.code), (403, Some("GatedRepo")));
        let busy = Told::of(&Problem::unavailable("records_unavailable", "busy", 1));
        assert_eq!((busy.status.as_u16(), busy.code), (503, None));
    }
}
