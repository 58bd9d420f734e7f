//! Problems in the form of another API, for the surfaces that speak with programs made for it.

use crate::problem::Problem;
use actix_web::{
    Error, HttpRequest,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        StatusCode,
        header::{CONTENT_TYPE, HeaderName, HeaderValue},
    },
    middleware::Next,
};
use serde_json::Value;

/// A problem as programs made for another API know it.
pub(crate) struct Told {
    pub status: StatusCode,
    /// Beside those that the problem has.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Value,
}

/// Middleware of a surface: whatever problem leaves it is `told` in its form.
pub(crate) async fn telling<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
    told: impl FnOnce(&HttpRequest, &Problem) -> Told,
) -> Result<ServiceResponse<EitherBody<B, String>>, Error> {
    let response = next.call(request).await?;
    let problem = response.response().error();
    let told = problem
        .and_then(|error| error.as_error::<Problem>())
        .map(|problem| told(response.request(), problem));
    let Some(told) = told else {
        return Ok(response.map_into_left_body());
    };
    let mut response = response.map_body(|_, _| EitherBody::right(told.body.to_string()));
    *response.response_mut().status_mut() = told.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in told.headers {
        headers.insert(name, value);
    }
    Ok(response)
}
