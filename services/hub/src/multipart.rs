//! Parts of multipart bodies.

use crate::{problem::Problem, uploads};
use actix_multipart::{Field, Multipart};
use actix_web::{HttpRequest, http::header::CONTENT_TYPE, web::Payload};
use futures_util::StreamExt;

/// The essence of a request's media type, without parameters; empty if it has none.
pub fn media_type(request: &HttpRequest) -> String {
    let header = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    essence(header)
}

/// A media type without its parameters.
pub fn essence(header: &str) -> String {
    let essence = header.split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

/// The parts of a `multipart/form-data` body, one after the other.
pub struct Parts(Multipart);

impl Parts {
    /// The parts of `request`.
    pub fn of(request: &HttpRequest, payload: Payload) -> Self {
        Self(Multipart::new(request.headers(), payload))
    }

    /// The next part; the one before is skipped if it was not read.
    pub async fn next(&mut self) -> Result<Option<Part>, Problem> {
        match self.0.next().await {
            None => Ok(None),
            Some(Ok(field)) => Ok(Some(Part(field))),
            Some(Err(error)) => Err(malformed(error)),
        }
    }
}

/// One part.
pub struct Part(Field);

impl Part {
    /// The part's name.
    pub fn name(&self) -> String {
        self.0.name().unwrap_or_default().to_owned()
    }

    /// The file's name, if the client gave one.
    pub fn file_name(&self) -> Option<String> {
        self.0.content_disposition()?.get_filename().map(str::to_owned)
    }

    /// The essence of the part's media type; empty if it has none.
    pub fn media_type(&self) -> String {
        self.0
            .content_type()
            .map(|mime| mime.essence_str().to_owned())
            .unwrap_or_default()
    }

    /// The part as text of at most `limit` bytes. Problems: 400 `part_too_long`, `part_not_text`.
    pub async fn text(mut self, limit: usize) -> Result<String, Problem> {
        let name = self.name();
        let bytes = self.0.bytes(limit).await.map_err(|_| {
            Problem::bad_request(
                "part_too_long",
                format!("the part `{name}` has at most {limit} bytes"),
            )
        })?;
        let bytes = bytes.map_err(malformed)?;
        String::from_utf8(bytes.to_vec()).map_err(|_| {
            Problem::bad_request("part_not_text", format!("the part `{name}` is not UTF-8 text"))
        })
    }

    /// The bytes of the part, for [`uploads::store`].
    pub fn into_stream(self) -> Field {
        self.0
    }
}

/// A file name as it is kept: shown again, never used as a path. Problem: 400 `document_name_malformed`.
pub fn checked_name(name: Option<String>) -> Result<Option<String>, Problem> {
    const MOST: usize = 255;
    match name.filter(|name| !name.is_empty()) {
        Some(name) if name.chars().count() > MOST || name.chars().any(char::is_control) => {
            Err(Problem::bad_request(
                "document_name_malformed",
                format!("a document's name has at most {MOST} characters and no control characters"),
            ))
        }
        other => Ok(other),
    }
}

fn malformed(error: actix_multipart::MultipartError) -> Problem {
    Problem::bad_request(
        "multipart_malformed",
        format!("the multipart body cannot be read: {error}"),
    )
}

/// The 415 for a body that is not `multipart/form-data`.
pub fn required(found: &str) -> Problem {
    uploads::wrong_type(found, &["multipart/form-data".to_owned()])
}
