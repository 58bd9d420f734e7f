//! One line of the log for each request, and an id that ties a response to it.
//!
//! Neither queries nor bodies nor headers are logged; the path is logged as its pattern, without ids.

use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{HeaderName, HeaderValue},
    },
    middleware::Next,
};
use std::time::Instant;
use tracing::Instrument as _;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// How requests are logged whose path no route has.
const NO_ROUTE: &str = "(none)";

/// Middleware for the whole application.
pub async fn around<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let began = Instant::now();
    let id = format!("{:032x}", rand::random::<u128>());
    let route = request.match_pattern().unwrap_or_else(|| NO_ROUTE.to_owned());
    let method = request.method().clone();
    let span = tracing::info_span!("request", id, %method, route);
    let mut response = next.call(request).instrument(span.clone()).await?;
    let status = response.status().as_u16();
    let milliseconds = began.elapsed().as_millis() as u64;
    span.in_scope(|| tracing::info!(status, milliseconds, "answered"));
    let labels = [
        ("route", route),
        ("method", method_label(&method).to_owned()),
        ("status", status.to_string()),
    ];
    metrics::histogram!("glmhub_request_seconds", &labels).record(began.elapsed().as_secs_f64());
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    Ok(response)
}

/// A method as a label. Callers can make up methods, so others share one: labels must stay few.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::{App, HttpResponse, middleware::from_fn, test, web};

    #[actix_web::test]
    async fn every_response_has_an_id_of_its_own() {
        let ok = || async { HttpResponse::Ok().finish() };
        let app = test::init_service(App::new().wrap(from_fn(around)).route("/a", web::get().to(ok))).await;
        let mut ids = Vec::new();
        for path in ["/a", "/a", "/nowhere"] {
            let response = test::call_service(&app, test::TestRequest::get().uri(path).to_request()).await;
            ids.push(response.headers().get(REQUEST_ID).cloned().unwrap());
        }
        assert!(ids[0] != ids[1] && ids[1] != ids[2]);
    }
}
