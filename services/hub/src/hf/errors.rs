//! Problems in Hugging Face's form: the class in `X-Error-Code`, what to do in `X-Error-Message` and in `{"error": …}`.
//!
//! Clients tell their callers to look at the network for any class that they do not know, so every refusal is one that
//! they do.

use super::repository::{NO_FILE, NO_REVISION};
use crate::{
    other_forms::{Told, telling},
    problem::Problem,
};
use actix_web::{
    Error, HttpRequest,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        StatusCode,
        header::{HeaderName, HeaderValue},
    },
    middleware::Next,
};
use serde_json::{Value, json};

const CODE: HeaderName = HeaderName::from_static("x-error-code");
const MESSAGE: HeaderName = HeaderName::from_static("x-error-message");
/// With this a client remembers that there is no such file.
const COMMIT: HeaderName = HeaderName::from_static("x-repo-commit");
/// The class of what a licence or a role refuses.
const GATED: &str = "GatedRepo";

/// Middleware of the surface: a problem leaves it in Hugging Face's form.
pub(super) async fn around<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, String>>, Error> {
    Ok(told(next.call(request).await?))
}

/// A response that tells of a problem in Hugging Face's form, if it tells of one.
pub(crate) fn told<B: MessageBody>(response: ServiceResponse<B>) -> ServiceResponse<EitherBody<B, String>> {
    telling(response, |request, problem| in_form(problem, page(request)))
}

/// The page on which people read about the model of a request.
fn page(request: &HttpRequest) -> Option<String> {
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

/// A problem as these clients know it; one about a licence names the `page` of its model.
fn in_form(problem: &Problem, page: Option<String>) -> Told {
    let class = class(problem);
    let message = match page.filter(|_| class == Some(GATED)) {
        Some(page) => format!("{} See {page}", problem.in_one_line()),
        None => problem.in_one_line(),
    };
    let commit = problem.member("commit").and_then(Value::as_str);
    let headers = [
        class.map(|class| (CODE, HeaderValue::from_static(class))),
        commit.and_then(|commit| Some((COMMIT, HeaderValue::from_str(commit).ok()?))),
        HeaderValue::from_bytes(message.replace(['\r', '\n'], " ").as_bytes())
            .ok()
            .map(|message| (MESSAGE, message)),
    ];
    Told {
        status: match class {
            Some(GATED) => StatusCode::FORBIDDEN,
            _ => problem.status(),
        },
        headers: headers.into_iter().flatten().collect(),
        body: json!({ "error": message }),
    }
}

fn class(problem: &Problem) -> Option<&'static str> {
    match (problem.status(), problem.code()) {
        (_, "model_unknown") => Some("RepoNotFound"),
        (_, NO_REVISION) => Some("RevisionNotFound"),
        (_, NO_FILE) => Some("EntryNotFound"),
        (StatusCode::FORBIDDEN, _) | (_, "terms_absent") => Some(GATED),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Status, class and message.
    fn said(problem: &Problem) -> (u16, Option<String>, String) {
        let told = in_form(problem, Some("https://hub/models/a/b".into()));
        let class = told.headers.iter().find(|(name, _)| name == CODE);
        let class = class.map(|(_, class)| class.to_str().unwrap().to_owned());
        let message = told.body["error"].as_str().unwrap().to_owned();
        (told.status.as_u16(), class, message)
    }

    #[test]
    fn every_refusal_is_of_a_class_that_clients_know() {
        let refused = Problem::new(
            StatusCode::FORBIDDEN,
            "acceptance_missing",
            "no acceptance stands",
        )
        .with("cure", "a signatory accepts the terms")
        .with("decision_id", "dec_1");
        let message =
            "no acceptance stands: a signatory accepts the terms (dec_1) See https://hub/models/a/b";
        assert_eq!(said(&refused), (403, Some(GATED.into()), message.into()));
        let (status, class, _) = said(&Problem::conflict("terms_absent", "no text"));
        assert_eq!((status, class.as_deref()), (403, Some(GATED)));
        let busy = said(&Problem::unavailable("records_unavailable", "busy", 1));
        assert_eq!(busy, (503, None, "busy".into()));
    }
}
