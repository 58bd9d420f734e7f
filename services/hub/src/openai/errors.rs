//! Problems in OpenAI's form: `{"error": {…}}`.
//!
//! Clients show their callers the message alone, so it says what to do, and which decision refused. What a problem has
//! beside code and detail stands in the object too.

use crate::{
    other_forms::{Told, telling},
    problem::Problem,
};
use actix_web::{
    Error,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        StatusCode,
        header::{HeaderName, HeaderValue},
    },
    middleware::Next,
};
use serde_json::{Map, Value, json};

/// Tells OpenAI's clients whether to send a request again.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// Middleware for each path of the surface: a problem leaves it in OpenAI's form.
pub async fn around<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, String>>, Error> {
    Ok(told(next.call(request).await?))
}

/// A response that tells of a problem in OpenAI's form, if it tells of one.
pub(crate) fn told<B: MessageBody>(response: ServiceResponse<B>) -> ServiceResponse<EitherBody<B, String>> {
    telling(response, |_, problem| Told {
        status: problem.status(),
        headers: is_final(problem)
            .then(|| (SHOULD_RETRY, HeaderValue::from_static("false")))
            .into_iter()
            .collect(),
        body: body(problem),
    })
}

/// Whether sending the request again cannot help, although the status may look like it. A problem that names a job
/// has kept it: asking again would make another one.
fn is_final(problem: &Problem) -> bool {
    (problem.status() == StatusCode::CONFLICT && problem.retry_after().is_none())
        || problem.member("job").is_some()
}

/// The body of a response that tells of `problem`.
pub(super) fn body(problem: &Problem) -> Value {
    let text = |name| problem.member(name).and_then(Value::as_str);
    let mut error: Map<String, Value> = problem.members().clone();
    let param = error.remove("field");
    for (name, value) in [
        ("message", problem.in_one_line().into()),
        ("type", kind(problem.status()).into()),
        (
            "param",
            json!(param.as_ref().and_then(Value::as_str).map(parameter)),
        ),
        ("code", problem.code().into()),
        ("decision_id", json!(text("decision_id"))),
        ("cure", json!(text("cure"))),
    ] {
        error.insert(name.into(), value);
    }
    json!({ "error": error })
}

/// The class that OpenAI gives to errors of this status.
fn kind(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        409 => "conflict_error",
        429 => "rate_limit_error",
        500.. => "server_error",
        _ => "invalid_request_error",
    }
}

/// A field of a question, by the name that it has here.
fn parameter(field: &str) -> &str {
    match field.strip_prefix("questions[0].").unwrap_or(field) {
        "text" => "messages",
        "parameters.max_new_tokens" => "max_tokens",
        "parameters.schema" => "response_format",
        field => field.strip_prefix("parameters.").unwrap_or(field),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_in_its_message_what_to_do_and_who_decided() {
        let problem = Problem::new(
            StatusCode::FORBIDDEN,
            "acceptance_missing",
            "no acceptance stands",
        )
        .with("cure", "a signatory accepts the terms")
        .with("decision_id", "dec_1")
        .with("reasons", json!([1]));
        let error = body(&problem)["error"].take();
        assert_eq!(
            error["message"],
            "no acceptance stands: a signatory accepts the terms (dec_1)"
        );
        assert_eq!(error["type"], "permission_error");
        assert_eq!(error["param"], Value::Null);
        assert_eq!(error["decision_id"], "dec_1");
        assert_eq!(error["reasons"], json!([1]));
    }

    #[test]
    fn a_field_is_named_as_the_request_names_it() {
        for (field, param) in [
            ("questions[0].text", "messages"),
            ("questions[0].parameters.max_new_tokens", "max_tokens"),
            ("questions[0].parameters.top_p", "top_p"),
            ("tools", "tools"),
        ] {
            let problem = Problem::bad_request("any", "any").with("field", field);
            assert_eq!(body(&problem)["error"]["param"], param);
        }
    }

    #[test]
    fn what_was_kept_or_stands_in_the_way_is_not_sent_again() {
        assert!(is_final(&Problem::conflict("any", "any")));
        assert!(is_final(
            &Problem::unavailable("any", "any", 1).with("job", "job_1")
        ));
        assert!(!is_final(&Problem::unavailable("any", "any", 1)));
    }
}
