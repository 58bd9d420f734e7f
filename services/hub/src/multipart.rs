//! Parts of multipart bodies.
//!
//! The library waits for more where a body ends in the middle of what may be a boundary, and nothing more will come; so it
//! is told here when a body has ended. It cannot read bodies with the shortest boundaries.

use crate::{problem::Problem, uploads};
use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::{
    HttpMessage as _, HttpRequest,
    error::PayloadError,
    http::header::CONTENT_TYPE,
    web::{Bytes, BytesMut, Payload},
};
use futures_util::{Stream, StreamExt as _, stream};
use std::{
    cell::Cell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

/// The shortest boundary that is taken, in bytes. Programs make them up of twenty or more.
const SHORTEST_BOUNDARY: usize = 4;

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
pub struct Parts {
    parts: Ending<Multipart>,
    /// Whether the boundary is one that can be read.
    readable: bool,
}

impl Parts {
    /// The parts of `request`.
    pub fn of(request: &HttpRequest, payload: Payload) -> Self {
        let ended = Rc::new(Cell::new(false));
        let at_end = ended.clone();
        let end = stream::poll_fn(move |_| {
            at_end.set(true);
            Poll::Ready(None::<Result<Bytes, PayloadError>>)
        });
        let mime = request.mime_type().ok().flatten();
        let boundary = mime.as_ref().and_then(|mime| mime.get_param("boundary"));
        Self {
            readable: boundary.is_none_or(|boundary| boundary.as_str().len() >= SHORTEST_BOUNDARY),
            parts: Ending {
                inner: Multipart::new(request.headers(), payload.chain(end)),
                ended,
            },
        }
    }

    /// The next part; the one before is skipped if it was not read. Problem: 400 `multipart_malformed`.
    pub async fn next(&mut self) -> Result<Option<Part>, Problem> {
        if !self.readable {
            let detail =
                format!("the boundary of a multipart body has at least {SHORTEST_BOUNDARY} characters");
            return Err(Problem::bad_request("multipart_malformed", detail));
        }
        match self.parts.next().await {
            None => Ok(None),
            Some(Ok(inner)) => {
                let ended = self.parts.ended.clone();
                Ok(Some(Part(Ending { inner, ended })))
            }
            Some(Err(error)) => Err(malformed(error)),
        }
    }
}

/// What is read from a body, and whether that has ended: then there is nothing to wait for.
pub struct Ending<S> {
    inner: S,
    ended: Rc<Cell<bool>>,
}

impl<T, S: Stream<Item = Result<T, MultipartError>> + Unpin> Stream for Ending<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<S::Item>> {
        match Pin::new(&mut self.inner).poll_next(context) {
            Poll::Pending if self.ended.get() => Poll::Ready(Some(Err(MultipartError::Incomplete))),
            polled => polled,
        }
    }
}

/// One part.
pub struct Part(Ending<Field>);

impl Part {
    /// The part's name.
    pub fn name(&self) -> String {
        self.0.inner.name().unwrap_or_default().to_owned()
    }

    /// The file's name, if the client gave one.
    pub fn file_name(&self) -> Option<String> {
        self.0
            .inner
            .content_disposition()?
            .get_filename()
            .map(str::to_owned)
    }

    /// The essence of the part's media type; empty if it has none.
    pub fn media_type(&self) -> String {
        self.0
            .inner
            .content_type()
            .map(|mime| mime.essence_str().to_owned())
            .unwrap_or_default()
    }

    /// The part as text of at most `limit` bytes. Problems: 400 `part_too_long`, `part_not_text`.
    pub async fn text(mut self, limit: usize) -> Result<String, Problem> {
        let name = self.name();
        let mut bytes = BytesMut::new();
        while let Some(piece) = self.0.next().await {
            bytes.extend_from_slice(&piece.map_err(malformed)?);
            if bytes.len() > limit {
                let detail = format!("the part `{name}` has at most {limit} bytes");
                return Err(Problem::bad_request("part_too_long", detail));
            }
        }
        String::from_utf8(bytes.to_vec()).map_err(|_| {
            Problem::bad_request("part_not_text", format!("the part `{name}` is not UTF-8 text"))
        })
    }

    /// The bytes of the part, for [`uploads::store`].
    pub fn into_stream(self) -> Ending<Field> {
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

fn malformed(error: MultipartError) -> Problem {
    Problem::bad_request(
        "multipart_malformed",
        format!("the multipart body cannot be read: {error}"),
    )
}

/// The 415 for a body that is not `multipart/form-data`.
pub fn required(found: &str) -> Problem {
    uploads::wrong_type(found, &["multipart/form-data".to_owned()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::{FromRequest as _, test::TestRequest};

    /// The code with which a body of this boundary is refused, or the text of its one part.
    async fn read(boundary: &str, body: &str) -> Result<String, String> {
        let header = (CONTENT_TYPE, format!("multipart/form-data; boundary={boundary}"));
        let request = TestRequest::post()
            .insert_header(header)
            .set_payload(body.to_owned());
        let (request, mut payload) = request.to_http_parts();
        let payload = Payload::from_request(&request, &mut payload).await.unwrap();
        let mut parts = Parts::of(&request, payload);
        let code = |problem: Problem| problem.code().to_owned();
        let part = parts.next().await.map_err(code)?.unwrap();
        part.text(100).await.map_err(code)
    }

    #[actix_web::test]
    async fn a_body_that_ends_in_what_may_be_a_boundary_is_not_waited_for() {
        let part =
            |rest: &str| format!("--abcd\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\ntext{rest}");
        assert_eq!(read("abcd", &part("\r\n--abcd--")).await, Ok("text".to_owned()));
        for rest in ["\r", "\r\n", "\r\n-", "\r\n--", "\r\n--abc", "\r\n--abcd", ""] {
            let refused = read("abcd", &part(rest)).await;
            assert_ne!(refused.as_deref(), Ok("text\r"), "{rest:?}");
            assert!(
                refused == Err("multipart_malformed".into()) || rest == "\r\n--abcd",
                "{rest:?}: {refused:?}"
            );
        }
    }

    #[actix_web::test]
    async fn a_boundary_that_the_library_cannot_read_is_refused() {
        for boundary in ["a", "abc"] {
            let refused = read(boundary, "\n\n\n").await;
            assert_eq!(refused, Err("multipart_malformed".into()), "{boundary}");
        }
    }
}
