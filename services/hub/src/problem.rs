//! Every refusal and fault as clients see it: `application/problem+json` (RFC 9457) with a stable `code`.

use crate::removed_files::RemovedError;
use actix_web::{HttpResponse, ResponseError, http::StatusCode};
use exchange::blobs::BlobError;
use records::RecordsError;
use serde_json::{Map, Value};
use std::{borrow::Cow, fmt};

/// What a client is told.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    code: Cow<'static, str>,
    detail: String,
    more: Box<Map<String, Value>>,
    retry_after: Option<u64>,
    cause: Option<anyhow::Error>,
}

impl Problem {
    /// A problem of the client's making. `detail` says what to do about it.
    pub fn new(status: StatusCode, code: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self {
            status,
            code: code.into(),
            detail: detail.into(),
            more: Box::default(),
            retry_after: None,
            cause: None,
        }
    }

    /// 400 with `code`.
    pub fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 404: there is no such thing, or it is another tenant's; the two cannot be told apart.
    pub fn not_found(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            format!("there is no such {what}"),
        )
    }

    /// 409 with `code`: the thing is in a state in which this cannot be done.
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// 503: the hub cannot take this now and nothing was kept; the client may try again.
    pub fn unavailable(code: &'static str, detail: impl Into<String>, retry_after: u64) -> Self {
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail);
        problem.retry_after = Some(retry_after);
        problem
    }

    /// 429: the tenant has asked for as much as it may have; it may come again later.
    pub fn too_many(code: &'static str, detail: impl Into<String>, retry_after: u64) -> Self {
        let mut problem = Self::new(StatusCode::TOO_MANY_REQUESTS, code, detail);
        problem.retry_after = Some(retry_after);
        problem
    }

    /// 500: a fault of ours. The cause goes to the log, never to the client.
    pub fn internal(cause: impl Into<anyhow::Error>) -> Self {
        let mut problem = Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the hub failed; the fault was logged under the response's x-request-id",
        );
        problem.cause = Some(cause.into());
        problem
    }

    /// 500: the application was not given a piece that it has to have.
    pub fn lacking() -> Self {
        Self::internal(anyhow::anyhow!("the application lacks a piece"))
    }

    /// The same, with the seconds after which the client may try again.
    pub fn after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// After how many seconds the client may try again, if that helps.
    pub fn retry_after(&self) -> Option<u64> {
        self.retry_after
    }

    /// Adds a member to the problem's body.
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.more.insert(key.to_owned(), value.into());
        self
    }

    /// The status that it is answered with.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What was added with [`Problem::with`].
    pub fn members(&self) -> &Map<String, Value> {
        &self.more
    }

    /// One of [`Problem::members`].
    pub fn member(&self, name: &str) -> Option<&Value> {
        self.more.get(name)
    }

    /// The stable code.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// What is told about it.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The chain of causes, for the log; only faults of ours have one.
    pub fn cause(&self) -> Option<&anyhow::Error> {
        self.cause.as_ref()
    }

    /// All that a person needs, for clients that show one text alone: what happened, what to do, and who decided.
    pub fn in_one_line(&self) -> String {
        let text = |name| self.member(name).and_then(Value::as_str);
        let mut line = self.detail.clone();
        if let Some(cure) = text("cure") {
            line = format!("{line}: {cure}");
        }
        if let Some(decision) = text("decision_id") {
            line = format!("{line} ({decision})");
        }
        line
    }

    /// The body as JSON.
    pub fn body(&self) -> Value {
        let mut body = Map::new();
        body.insert("type".into(), "about:blank".into());
        body.insert(
            "title".into(),
            self.status.canonical_reason().unwrap_or("Error").into(),
        );
        body.insert("status".into(), self.status.as_u16().into());
        body.insert("code".into(), self.code.as_ref().into());
        body.insert("detail".into(), self.detail.clone().into());
        body.extend(self.more.iter().map(|(key, value)| (key.clone(), value.clone())));
        Value::Object(body)
    }

    /// Tells the log what it is to know of it.
    pub fn log(&self) {
        match &self.cause {
            Some(cause) => {
                tracing::error!(code = self.code(), cause = format!("{cause:#}"), "request failed")
            }
            None => tracing::debug!(
                code = self.code(),
                status = self.status.as_u16(),
                "request refused"
            ),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        self.log();
        let mut response = HttpResponse::build(self.status);
        if let Some(seconds) = self.retry_after {
            response.insert_header(("retry-after", seconds.to_string()));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.insert_header(("www-authenticate", "Bearer"));
        }
        response
            .content_type("application/problem+json")
            .body(self.body().to_string())
    }
}

impl From<RecordsError> for Problem {
    fn from(error: RecordsError) -> Self {
        if matches!(error, RecordsError::ClaimLost) {
            let detail = "another request with this Idempotency-Key went ahead, and this one made nothing: send it again";
            return Self::conflict("idempotency_key_in_use", detail).after(1);
        }
        if let RecordsError::Removed(_) = error {
            return Self::removed();
        }
        if error.may_pass() {
            tracing::warn!(cause = %error, "the records did not answer in time");
            let detail = "the hub's records are busy or away: try again, and look first whether it was done where \
                          doing it twice would be wrong";
            return Self::unavailable("records_unavailable", detail, 2);
        }
        Self::internal(error)
    }
}

impl From<RemovedError> for Problem {
    fn from(error: RemovedError) -> Self {
        match error {
            RemovedError::Records(error) => error.into(),
            RemovedError::Blobs(BlobError::Absent(_)) => Self::removed(),
            RemovedError::Blobs(error) => error.into(),
        }
    }
}

impl Problem {
    fn removed() -> Self {
        let detail = "the same bytes were deleted while these came: send them again";
        Self::unavailable("storage_unavailable", detail, 1)
    }
}

impl From<BlobError> for Problem {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::Io(_) => {
                tracing::warn!(cause = %error, "the blobs did not answer");
                let detail = "what keeps the hub's files does not answer now: try again";
                Self::unavailable("storage_unavailable", detail, 10)
            }
            other => Self::internal(other),
        }
    }
}
