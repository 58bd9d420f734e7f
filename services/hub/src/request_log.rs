//! One line of the log for each request, an id that ties a response to it, and the trace that it belongs to.
//!
//! Id and trace are the caller's own, if it sent good ones: `x-request-id`, and `traceparent` with `tracestate` of W3C
//! Trace Context. Both are only told.
//! Neither queries nor bodies nor other headers are logged; the path is logged as its pattern, without ids.

use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{HeaderMap, HeaderName, HeaderValue},
    },
    middleware::Next,
};
use domain::trace::Trace;
use exchange::spans::{self, Kind, Span};
use std::time::Instant;
use tracing::Instrument as _;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";
/// The most characters of a caller's own id.
const MOST_ID_CHARACTERS: usize = 128;
/// How requests are logged whose path no route has.
const NO_ROUTE: &str = "(none)";

/// Middleware for the whole application.
pub async fn around<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let began = Instant::now();
    let id = own_id(request.headers()).unwrap_or_else(|| format!("{:032x}", rand::random::<u128>()));
    let route = request.match_pattern().unwrap_or_else(|| NO_ROUTE.to_owned());
    let method = request.method().clone();
    let label = method_label(&method);
    let parent = trace_of(request.headers());
    let mut told = Span::begin(format!("{label} {route}"), Kind::Server, parent.as_ref());
    let span = tracing::info_span!("request", id, trace = %told.trace(), %method, route);
    let work = spans::within(told.trace().clone(), next.call(request));
    let mut response = work.instrument(span.clone()).await?;
    let status = response.status().as_u16();
    let milliseconds = began.elapsed().as_millis() as u64;
    span.in_scope(|| tracing::info!(status, milliseconds, "answered"));
    tell(&mut told, label, &route, status);
    let labels = [
        ("route", route),
        ("method", label.to_owned()),
        ("status", status.to_string()),
    ];
    metrics::histogram!("glmhub_request_seconds", &labels).record(began.elapsed().as_secs_f64());
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    Ok(response)
}

fn tell(span: &mut Span, method: &'static str, route: &str, status: u16) {
    span.tell("http.request.method", method);
    span.tell("http.route", route.to_owned());
    span.tell("http.response.status_code", i64::from(status));
    if status >= 500 {
        span.failed("server_error");
    }
}

/// The id that the caller gave its request, if it is one that can be told: a word of visible ASCII.
fn own_id(headers: &HeaderMap) -> Option<String> {
    let id = only(headers, REQUEST_ID.as_str())?;
    let good = (1..=MOST_ID_CHARACTERS).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    good.then(|| id.to_owned())
}

/// The trace that the caller is in, if it says one.
fn trace_of(headers: &HeaderMap) -> Option<Trace> {
    let lists: Option<Vec<&str>> = headers
        .get_all(TRACESTATE)
        .map(|list| list.to_str().ok())
        .collect();
    let state = lists
        .filter(|lists| !lists.is_empty())
        .map(|lists| lists.join(","));
    Trace::read(only(headers, TRACEPARENT)?, state.as_deref())
}

/// The value of a header that is there once.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name);
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
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

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    /// The id of the response to a request with `headers`, and the trace that its handler was in.
    async fn asked(headers: &[(&str, &str)]) -> (String, Trace) {
        let here = || async {
            let trace = spans::here().unwrap();
            HttpResponse::Ok()
                .insert_header(("trace", trace.traceparent()))
                .insert_header(("state", trace.tracestate().unwrap_or_default()))
                .finish()
        };
        let app = App::new().wrap(from_fn(around)).route("/a", web::get().to(here));
        let app = test::init_service(app).await;
        let mut request = test::TestRequest::get().uri("/a");
        for header in headers {
            request = request.append_header(*header);
        }
        let response = test::call_service(&app, request.to_request()).await;
        let header = |name: &str| response.headers().get(name).unwrap().to_str().unwrap().to_owned();
        let trace = Trace::read(&header("trace"), Some(&header("state"))).unwrap();
        (header("x-request-id"), trace)
    }

    #[actix_web::test]
    async fn every_response_has_an_id_of_its_own() {
        let app = test::init_service(App::new().wrap(from_fn(around))).await;
        let mut ids = vec![asked(&[]).await.0, asked(&[]).await.0];
        let nowhere = test::TestRequest::get().uri("/nowhere").to_request();
        let response = test::call_service(&app, nowhere).await;
        let id = response.headers().get(REQUEST_ID).unwrap();
        ids.push(id.to_str().unwrap().to_owned());
        assert!(ids[0] != ids[1] && ids[1] != ids[2]);
    }

    #[actix_web::test]
    async fn a_callers_own_id_is_kept_if_it_can_be_told() {
        let (most, more) = ("x".repeat(128), "x".repeat(129));
        for id in ["7", "req_0Zz/{}~!", most.as_str()] {
            assert_eq!(asked(&[("x-request-id", id)]).await.0, id);
        }
        for id in ["", "two words", "tab\there", "größe", more.as_str()] {
            let given = asked(&[("x-request-id", id)]).await.0;
            assert!(given != id && given.len() == 32, "{id}: {given}");
        }
        let twice = [("x-request-id", "one"), ("x-request-id", "two")];
        assert_eq!(asked(&twice).await.0.len(), 32);
    }

    #[actix_web::test]
    async fn a_callers_trace_goes_on_and_without_a_good_one_a_new_one_begins() {
        let states = [("tracestate", "a=1"), ("tracestate", "b=2")];
        let (_, trace) = asked(&[("traceparent", PARENT), states[0], states[1]]).await;
        assert_eq!(
            (trace.traceparent().as_str(), trace.tracestate()),
            (PARENT, Some("a=1,b=2"))
        );
        let bad = [
            "00-1-1-1",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ];
        for parent in bad {
            let (_, begun) = asked(&[("traceparent", parent), states[0]]).await;
            assert!(
                begun.id() != trace.id() && begun.tracestate().is_none(),
                "{parent}"
            );
        }
        let (_, begun) = asked(&[("traceparent", PARENT), ("traceparent", PARENT)]).await;
        assert_ne!(begun.id(), trace.id());
    }
}
