//! Spans and metrics, which hubs and workers send to a collector if the settings name one.

use crate::{
    client::Client,
    collector::{Collector, Measured, Told},
    fleet::Fleet,
    hub::{Hub, eventually},
    jobs::{MODEL, call, completed, hub_with_model, new_batch, page, submit, upload},
    receiver::Receiver,
    traces::{SPAN, TRACE, span_in, traced},
    webhooks::{LOOPBACK, endpoint},
};
use reqwest::RequestBuilder;
use serde_json::Value;
use std::net::TcpListener;

const QUESTION: &str = "What is the secret total?";
const ENDPOINT: &str = "GLMHUB_TELEMETRY__OTLP_ENDPOINT";

/// The job of a batch that was opened in the trace of the tests, when it is answered.
async fn answered_in_trace(client: &Client) -> Value {
    let fill = |request: RequestBuilder| traced(request).json(&new_batch(&[QUESTION]));
    let opened = client.send("POST", "/v1/batches", fill).await.expect(201);
    let batch = opened.header("location").unwrap();
    upload(client, batch, page(9), "image/png").await.expect(201);
    submit(client, batch).await.expect(200);
    completed(client, batch).await;
    let jobs = client.get(&format!("{batch}/jobs")).await.expect(200).json();
    let job = format!("/v1/jobs/{}", jobs["data"][0]["id"].as_str().unwrap());
    client.get(&job).await.expect(200).json()
}

fn named<'a>(told: &'a [Told], name: &str) -> &'a Told {
    told.iter().find(|told| told.name == name).unwrap()
}

#[tokio::test]
async fn one_trace_runs_from_the_caller_through_hub_redis_and_worker_into_the_webhook() {
    let Some(mut fleet) = Fleet::start().await else {
        return;
    };
    let (collector, receiver) = (Collector::start(), Receiver::answering(200).await);
    fleet.send_spans(&collector.url());
    let client = fleet.client(0, "acme");
    endpoint(&client, &receiver.url()).await;
    let job = answered_in_trace(&client).await;
    let came = receiver.first(2).await;
    // What was not sent yet is sent at the end.
    fleet.end();
    let names = ["POST /v1/batches", "decision", "intake", "order", "delivery"];
    let told = collector.complete(TRACE, &names).await;
    let request = named(&told, "POST /v1/batches");
    assert_eq!(
        (request.parent.as_str(), request.service.as_str()),
        (SPAN, "hubs")
    );
    assert_eq!(request.attributes["http.response.status_code"], "201");
    for name in &names[1..] {
        assert_eq!(named(&told, name).parent, request.span, "{name}");
    }
    let order = named(&told, "order");
    assert_eq!(order.service, "workers");
    assert_eq!(order.attributes["gen_ai.request.model"], MODEL);
    let tokens = |name: &str| order.attributes[name].parse::<u64>().unwrap();
    let answer = &job["answer"];
    assert_eq!(answer["input_tokens"], tokens("gen_ai.usage.input_tokens"));
    assert_eq!(answer["output_tokens"], tokens("gen_ai.usage.output_tokens"));
    for came in &came {
        let span = span_in(came, TRACE).unwrap();
        assert!(
            told.iter()
                .any(|told| told.name == "delivery" && told.span == span),
            "{told:?}"
        );
    }
    let answer = answer["text"].as_str().unwrap();
    for text in told.iter().flat_map(|told| told.attributes.values()) {
        let secrets = [QUESTION, "eyJ", "whsec_"];
        assert!(secrets.iter().all(|secret| !text.contains(secret)), "{text}");
        // A few letters may be anywhere by chance.
        assert!(answer.len() < 6 || !text.contains(answer), "{text}");
    }
}

#[tokio::test]
async fn one_call_is_a_trace_of_its_own_unless_its_caller_wants_none_kept() {
    let collector = Collector::start();
    let mut hub = hub_with_model(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url())]);
    let client = hub.client("acme", &["submitter"]);
    let ask = async |parent: Option<String>| {
        let fill = |request: RequestBuilder| {
            let request = request.header("prefer", "wait=60").multipart(call(page(7)));
            match parent {
                Some(parent) => request.header("traceparent", parent),
                None => request,
            }
        };
        client.send("POST", "/v1/jobs", fill).await.expect(200)
    };
    let unwanted = "00000000000000000000000000000abc";
    ask(Some(format!("00-{unwanted}-{SPAN}-00"))).await;
    ask(None).await;
    assert!(hub.end().success());
    let of_calls = |told: &Told| told.name == "POST /v1/jobs";
    let calls: Vec<Told> = collector.all().into_iter().filter(of_calls).collect();
    assert_eq!(calls.len(), 1, "{calls:?}");
    let told = collector.complete(&calls[0].trace, &["decision", "order"]).await;
    assert_eq!(calls[0].parent, "");
    assert_eq!(named(&told, "order").parent, calls[0].span);
    assert!(collector.of(unwanted).is_empty());
}

#[tokio::test]
async fn a_collector_that_is_not_there_disturbs_nothing() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let nobody = format!("http://127.0.0.1:{port}");
    let settings = [
        LOOPBACK,
        (ENDPOINT, nobody.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "50"),
    ];
    let mut hub = hub_with_model(&settings);
    let receiver = Receiver::answering(200).await;
    let client = hub.client("acme", &["submitter"]);
    endpoint(&client, &receiver.url()).await;
    let job = answered_in_trace(&client).await;
    assert_eq!(job["state"], "answered");
    assert!(
        receiver
            .first(2)
            .await
            .iter()
            .all(|came| span_in(came, TRACE).is_some())
    );
    let warned = |hub: &Hub| hub.log().matches("the collector does not take them").count();
    eventually("warnings", || async { (warned(&hub) > 1).then_some(()) }).await;
    for _ in 0..20 {
        client.get("/v1/batches").await.expect(200);
    }
    assert!(hub.end().success());
    assert_eq!(warned(&hub), 2, "it is said once of spans and once of metrics");
}

#[tokio::test]
async fn metrics_of_hubs_and_workers_come_to_the_collector() {
    let Some(mut fleet) = Fleet::start().await else {
        return;
    };
    let collector = Collector::start();
    fleet.send_spans(&collector.url());
    answered_in_trace(&fleet.client(0, "acme")).await;
    // What was not sent yet is sent at the end.
    fleet.end();
    let metrics = collector.metrics();
    let find = |service: &str, name: &str| {
        let one = |one: &&Measured| one.service == service && one.name == name;
        metrics
            .iter()
            .rfind(one)
            .unwrap_or_else(|| panic!("{service} {name}: {metrics:?}"))
    };
    assert_eq!(find("workers", "glmhub_answers_total").value, 1.0);
    let duration = find("workers", "gen_ai.server.request.duration");
    assert_eq!((duration.value, duration.bounds.len()), (1.0, 12));
    assert_eq!(duration.attributes["gen_ai.request.model"], MODEL);
    assert_eq!(find("hubs", "glmhub_request_seconds").bounds.len(), 12);
    // What is counted only for those who ask.
    assert_eq!(find("hubs", "glmhub_part_up").value, 1.0);
}

#[tokio::test]
async fn metrics_stay_where_they_are_if_the_settings_say_so() {
    let collector = Collector::start();
    let mut hub = Hub::start_with(&[
        (ENDPOINT, collector.url().as_str()),
        ("GLMHUB_TELEMETRY__OTLP_METRICS", "false"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "50"),
    ]);
    let client = hub.client("acme", &["submitter"]);
    client.get("/v1/batches").await.expect(200);
    assert!(
        client
            .get("/metrics")
            .await
            .expect(200)
            .text()
            .contains("glmhub_request_seconds")
    );
    assert!(hub.end().success());
    assert!(collector.all().iter().any(|told| told.name == "GET /v1/batches"));
    assert!(collector.metrics().is_empty());
}
