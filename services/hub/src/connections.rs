//! How long slow clients are borne, and how large a head of a request may be.
//!
//! The server waits for the first head of a connection, and for the next request on one that is kept, no longer than the
//! settings say. It has no such patience for what comes after: a body that dribbles, and a second head that does. Bodies
//! are looked after where they are read ([`body`]), connections between two requests from beside ([`rest`]).
//! `docs/adr/0048-slow-clients-are-cut-off.md` says why so.

mod body;
mod head;
pub mod rest;
pub mod settings;

use crate::{other_forms, problem::Problem};
use actix_web::{
    Error,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{ConnectionType, StatusCode},
    middleware::Next,
    web::Data,
};
use rest::{Busy, Sent};
use settings::ConnectionSettings;

/// Middleware of the whole application. Problems: 408 `body_too_slow`, 414 `url_too_long`, 431 `headers_too_large` and
/// `too_many_headers`; each is the last word on its connection.
pub async fn around<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<Sent>, Error> {
    let busy = Busy::with(&request);
    let settings = request.app_data::<Data<ConnectionSettings>>().cloned();
    let settings =
        settings.ok_or_else(|| Problem::internal(anyhow::anyhow!("connections have no settings")))?;
    if let Err(problem) = head::check(request.head(), &settings) {
        return Ok(busy.until_sent(last_word(request.error_response(problem))));
    }
    let lateness = body::watch(&mut request, &settings);
    let mut response = next.call(request).await?.map_into_boxed_body();
    // Whatever the handler made of a body that broke off: this is why it did.
    if lateness.came_to_pass() && response.status().is_client_error() {
        let (request, _) = response.into_parts();
        response = last_word(ServiceResponse::from_err(too_slow(&settings), request));
    }
    Ok(busy.until_sent(response))
}

/// A problem that arises outside of every surface, in the form of the one that was asked. The connection ends with it.
fn last_word(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let mut response = other_forms::of_surface(response);
    let head = response.response_mut().head_mut();
    head.set_connection_type(ConnectionType::Close);
    response
}

fn too_slow(settings: &ConnectionSettings) -> Problem {
    let detail = format!(
        "fewer than {} bytes of the body came in {} seconds, and nothing was kept: send it faster, or in smaller pieces",
        settings.least_body_bytes, settings.body_seconds
    );
    Problem::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", detail)
}
