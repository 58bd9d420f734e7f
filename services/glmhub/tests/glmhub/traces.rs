//! Request ids, and the trace of a caller on its way through request, order, answer and webhook.

use crate::{
    client::{Answer, Client},
    jobs::{call, completed, hub_with_model, new_batch, page, submit, upload},
    openai,
    receiver::{Came, Receiver},
    webhooks::{LOOPBACK, endpoint},
};
use reqwest::RequestBuilder;
use serde_json::Value;

/// The trace that the callers of these tests are in, and their span of it.
pub const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
pub const SPAN: &str = "00f067aa0ba902b7";
const STATE: &str = "rojo=1,congo=t61rcWkgMzE";

/// A request in the trace of these tests, which somebody keeps.
pub fn traced(request: RequestBuilder) -> RequestBuilder {
    request
        .header("traceparent", format!("00-{TRACE}-{SPAN}-01"))
        .header("tracestate", STATE)
}

/// The span that a webhook is of, if it is in `trace`.
pub fn span_in(came: &Came, trace: &str) -> Option<String> {
    let rest = came
        .headers
        .get("traceparent")?
        .strip_prefix("00-")?
        .strip_prefix(trace)?;
    Some(rest.strip_prefix('-')?.get(..16)?.to_owned())
}

/// What a line of the log says.
fn message_of(line: &str) -> String {
    let line: Value = serde_json::from_str(line).unwrap();
    line["message"].as_str().unwrap().to_owned()
}

async fn told_in_trace(receiver: &Receiver, count: usize) {
    let came = receiver.first(count).await;
    let spans: Vec<Option<String>> = came.iter().map(|came| span_in(came, TRACE)).collect();
    for (came, span) in came.iter().zip(&spans) {
        let span = span.as_deref().unwrap_or_else(|| panic!("{:?}", came.headers));
        assert!(span != SPAN && came.headers["tracestate"] == STATE);
    }
    assert_ne!(spans[0], spans[1], "every delivery is a span of its own");
}

#[tokio::test]
async fn a_callers_id_and_trace_go_from_its_request_into_logs_and_webhook() {
    let (hub, receiver) = (hub_with_model(&[LOOPBACK]), Receiver::answering(200).await);
    let client = hub.client("acme", &["submitter"]);
    endpoint(&client, &receiver.url()).await;
    let fill = |request: RequestBuilder| {
        let request = traced(request)
            .header("x-request-id", "order-7/2026")
            .header("prefer", "wait=60");
        request.multipart(call(page(7)))
    };
    let answer = client.send("POST", "/v1/jobs", fill).await.expect(200);
    assert_eq!(answer.header("x-request-id"), Some("order-7/2026"));
    told_in_trace(&receiver, 2).await;
    for message in [
        "answered",
        "the work at an order ended",
        "report collected",
        "webhook sent",
    ] {
        let of_trace = |line: &str| line.contains(TRACE) && message_of(line) == message;
        hub.tells(message, of_trace).await;
    }
    let of_request = hub
        .log()
        .lines()
        .filter(|line| line.contains("order-7/2026"))
        .count();
    assert!(of_request > 0);
}

#[tokio::test]
async fn a_chat_completion_of_openais_clients_is_in_its_callers_trace() {
    let (hub, receiver) = (hub_with_model(&[LOOPBACK]), Receiver::answering(200).await);
    let client = hub.client("acme", &["submitter"]);
    endpoint(&client, &receiver.url()).await;
    let mut body = openai::asked(crate::jobs::MODEL, "What is the total?");
    body["purpose"] = "research".into();
    let fill = |request: RequestBuilder| traced(request).header("x-request-id", "chat-1").json(&body);
    let answer = client.send("POST", openai::CHAT, fill).await.expect(200);
    assert_eq!(answer.header("x-request-id"), Some("chat-1"));
    told_in_trace(&receiver, 2).await;
}

/// A batch that was opened in the trace of these tests.
async fn opened_in_trace(client: &Client) -> Answer {
    let fill = |request: RequestBuilder| traced(request).json(&new_batch(&["What is it?"]));
    client.send("POST", "/v1/batches", fill).await.expect(201)
}

#[tokio::test]
async fn a_batch_stays_in_its_trace_when_the_hub_begins_anew_and_its_jobs_are_tried_again() {
    let (mut hub, receiver) = (hub_with_model(&[LOOPBACK]), Receiver::answering(200).await);
    let token = hub.token("acme", &["submitter"]);
    let client = Client::new(hub.url(), Some(token.clone()));
    endpoint(&client, &receiver.url()).await;
    let opened = opened_in_trace(&client).await;
    let batch = opened.header("location").unwrap();
    upload(&client, batch, page(9), "image/png").await.expect(201);
    hub.kill9();
    hub.begin();
    let client = Client::new(hub.url(), Some(token));
    // What is asked later in another trace, or in none, changes nothing.
    submit(&client, batch).await.expect(200);
    completed(&client, batch).await;
    told_in_trace(&receiver, 2).await;
}

#[tokio::test]
async fn without_a_good_trace_a_new_one_begins_and_ids_that_cannot_be_told_are_replaced() {
    let (hub, receiver) = (hub_with_model(&[LOOPBACK]), Receiver::answering(200).await);
    let client = hub.client("acme", &["submitter"]);
    endpoint(&client, &receiver.url()).await;
    let fill = |request: RequestBuilder| {
        request
            .header("traceparent", format!("00-{TRACE}-0000000000000000-01"))
            .header("tracestate", STATE)
            .header("x-request-id", "two words")
            .multipart(call(page(7)))
    };
    let answer = client.send("POST", "/v1/jobs", fill).await.expect(202);
    let id = answer.header("x-request-id").unwrap();
    assert!(
        id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{id}"
    );
    let came = receiver.first(2).await;
    let begun = came[0].headers["traceparent"][3..35].to_owned();
    assert!(begun != TRACE && span_in(&came[1], &begun).is_some());
    assert!(came.iter().all(|came| !came.headers.contains_key("tracestate")));
    assert!(!hub.log().contains(TRACE), "{}", hub.log());
}
