//! Pages of other sites that may call the API from a browser: those that the settings name, exactly.
//!
//! They are never given cookies, so that nobody's session at the dashboard can be used by another site.

use actix_cors::Cors;
use actix_web::middleware::Condition;
use std::sync::Arc;

/// What scripts may read of responses beside the body and its type.
const READABLE: [&str; 15] = [
    "etag",
    "idempotent-replayed",
    "link",
    "location",
    "preference-applied",
    "ratelimit",
    "ratelimit-policy",
    "retry-after",
    "x-request-id",
    "x-ratelimit-limit-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset-tokens",
];
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
/// How long browsers may remember what they were allowed, in seconds.
const REMEMBERED: usize = 600;
/// The dashboard, which is for its own pages alone.
const OWN: &str = "/admin";

/// Middleware that lets the pages of `origins` in, and does nothing if there are none.
pub fn of(origins: &Arc<[String]>) -> Condition<Cors> {
    let allowed = origins.clone();
    let cors = Cors::default()
        .allowed_origin_fn(move |origin, request| {
            let is_named = allowed.iter().any(|allowed| origin == allowed.as_str());
            is_named && !request.uri.path().starts_with(OWN)
        })
        .allowed_methods(METHODS)
        .allow_any_header()
        .expose_headers(READABLE)
        .max_age(REMEMBERED);
    Condition::new(!origins.is_empty(), cors)
}
