//! Answers that are streams of server-sent events.

use crate::problem::Problem;
use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::header::{CACHE_CONTROL, ContentType},
    web::Bytes,
};

/// A line that says nothing, sent now and then so that nothing in between takes the connection for dead.
pub(crate) const SIGN_OF_LIFE: Bytes = Bytes::from_static(b":\n\n");

/// A response whose body will be a stream of events.
pub(crate) fn response() -> Result<HttpResponseBuilder, Problem> {
    let mut response = HttpResponse::Ok();
    response
        .insert_header(ContentType(
            "text/event-stream".parse().map_err(Problem::internal)?,
        ))
        .insert_header((CACHE_CONTROL, "no-store"))
        // Proxies that hold answers back until they are whole leave this one alone.
        .insert_header(("x-accel-buffering", "no"));
    Ok(response)
}
