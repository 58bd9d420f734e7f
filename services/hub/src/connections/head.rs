//! How much of a request's head is taken.

use super::settings::ConnectionSettings;
use crate::problem::Problem;
use actix_web::{dev::RequestHead, http::StatusCode};

/// Problems: 414 `url_too_long`, 431 `too_many_headers` and `headers_too_large`, each with its `limit`.
pub(super) fn check(head: &RequestHead, settings: &ConnectionSettings) -> Result<(), Problem> {
    let url = head.uri.path_and_query().map_or(0, |url| url.as_str().len());
    if url > settings.most_url_bytes {
        let limit = settings.most_url_bytes;
        let detail = format!("a path with its query has at most {limit} bytes, and this one has {url}");
        return Err(Problem::new(StatusCode::URI_TOO_LONG, "url_too_long", detail).with("limit", limit));
    }
    let count = head.headers().len();
    if count > settings.most_headers {
        let limit = settings.most_headers;
        let detail = format!("a request has at most {limit} headers, and this one has {count}");
        return Err(too_large("too_many_headers", detail).with("limit", limit));
    }
    let header_bytes = |(name, value): (
        &actix_web::http::header::HeaderName,
        &actix_web::http::header::HeaderValue,
    )| { name.as_str().len() + value.len() };
    let bytes: usize = head.headers().iter().map(header_bytes).sum();
    if bytes > settings.most_header_bytes {
        let limit = settings.most_header_bytes;
        let detail = format!("the headers of a request have at most {limit} bytes, and these have {bytes}");
        return Err(too_large("headers_too_large", detail).with("limit", limit));
    }
    Ok(())
}

fn too_large(code: &'static str, detail: String) -> Problem {
    Problem::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, code, detail)
}
