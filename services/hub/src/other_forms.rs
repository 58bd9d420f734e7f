//! Problems in the form of another API, for the surfaces that speak with programs made for it.

use crate::{hf, openai, problem::Problem};
use actix_web::{
    HttpRequest,
    body::{BoxBody, EitherBody, MessageBody},
    dev::ServiceResponse,
    http::{
        StatusCode,
        header::{CONTENT_TYPE, HeaderName, HeaderValue},
    },
};
use serde_json::Value;

/// A problem as programs made for another API know it.
pub(crate) struct Told {
    pub status: StatusCode,
    /// Beside those that the problem has.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Value,
}

/// A problem that arose before any surface was reached, in the form of the one whose path was asked for.
pub(crate) fn of_surface(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    match response.request().path().split('/').nth(1) {
        Some("openai") => openai::told(response).map_into_boxed_body(),
        Some("hf") => hf::told(response).map_into_boxed_body(),
        _ => response,
    }
}

/// A response of a surface: if it tells of a problem, that is `told` in the surface's form.
pub(crate) fn telling<B: MessageBody>(
    response: ServiceResponse<B>,
    told: impl FnOnce(&HttpRequest, &Problem) -> Told,
) -> ServiceResponse<EitherBody<B, String>> {
    let problem = response.response().error();
    let told = problem
        .and_then(|error| error.as_error::<Problem>())
        .map(|problem| told(response.request(), problem));
    let Some(told) = told else {
        return response.map_into_left_body();
    };
    let mut response = response.map_body(|_, _| EitherBody::right(told.body.to_string()));
    *response.response_mut().status_mut() = told.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in told.headers {
        headers.insert(name, value);
    }
    response
}
