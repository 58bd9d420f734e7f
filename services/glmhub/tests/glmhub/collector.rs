//! A collector of spans and metrics, which takes them as OTLP in protobuf over HTTP.

use crate::hub::eventually;
use actix_web::{App, HttpMessage as _, HttpRequest, HttpResponse, HttpServer, web};
use opentelemetry_proto::tonic::{
    collector::{metrics::v1::ExportMetricsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::{KeyValue, any_value::Value},
    metrics::v1::{Metric, NumberDataPoint, metric::Data, number_data_point},
};
use prost::Message as _;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

/// A span as it came.
#[derive(Debug, Clone)]
pub struct Told {
    pub name: String,
    /// Who told of it: `service.name`.
    pub service: String,
    pub trace: String,
    pub span: String,
    pub parent: String,
    pub attributes: BTreeMap<String, String>,
}

/// A metric as it came last from a process that calls itself so.
#[derive(Debug, Clone)]
pub struct Measured {
    pub name: String,
    /// Who told of it: `service.name`.
    pub service: String,
    pub attributes: BTreeMap<String, String>,
    /// Of a counter or gauge the value; of a histogram how many were measured.
    pub value: f64,
    /// The upper bounds of a histogram.
    pub bounds: Vec<f64>,
}

#[derive(Default)]
struct Came {
    spans: Mutex<Vec<Told>>,
    metrics: Mutex<Vec<Measured>>,
}

type Shared = Arc<Came>;

/// See the module's text.
pub struct Collector {
    port: u16,
    told: Shared,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Collector {
    pub fn start() -> Self {
        let told = Shared::default();
        let data = web::Data::new(told.clone());
        let app = move || {
            App::new()
                .app_data(data.clone())
                .route("/v1/traces", web::post().to(take))
                .route("/v1/metrics", web::post().to(take_metrics))
        };
        let server = HttpServer::new(app)
            .workers(1)
            .disable_signals()
            .bind("127.0.0.1:0")
            .unwrap();
        let port = server.addrs()[0].port();
        Self {
            port,
            told,
            server: tokio::spawn(server.run()),
        }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// All spans that have come.
    pub fn all(&self) -> Vec<Told> {
        self.told.spans.lock().unwrap().clone()
    }

    /// All metrics that have come.
    pub fn metrics(&self) -> Vec<Measured> {
        self.told.metrics.lock().unwrap().clone()
    }

    /// Those of a trace.
    pub fn of(&self, trace: &str) -> Vec<Told> {
        let of_trace = |told: &Told| told.trace == trace;
        self.all().into_iter().filter(of_trace).collect()
    }

    /// The spans of a trace, when one of each name has come.
    pub async fn complete(&self, trace: &str, names: &[&str]) -> Vec<Told> {
        let look = || async {
            let told = self.of(trace);
            let came = |name: &&str| told.iter().any(|told| told.name == *name);
            names.iter().all(came).then_some(told)
        };
        eventually("spans to come", look).await
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn take(request: HttpRequest, body: web::Bytes, told: web::Data<Shared>) -> HttpResponse {
    assert_eq!(request.content_type(), "application/x-protobuf");
    let export = ExportTraceServiceRequest::decode(body).unwrap();
    for of_resource in export.resource_spans {
        let resource = of_resource.resource.unwrap_or_default();
        let service = texts(&resource.attributes)["service.name"].clone();
        let spans = of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
        told.spans.lock().unwrap().extend(spans.map(|span| Told {
            service: service.clone(),
            trace: hex(&span.trace_id),
            span: hex(&span.span_id),
            parent: hex(&span.parent_span_id),
            attributes: texts(&span.attributes),
            name: span.name,
        }));
    }
    HttpResponse::Ok().content_type("application/x-protobuf").finish()
}

async fn take_metrics(request: HttpRequest, body: web::Bytes, told: web::Data<Shared>) -> HttpResponse {
    assert_eq!(request.content_type(), "application/x-protobuf");
    let export = ExportMetricsServiceRequest::decode(body).unwrap();
    for of_resource in export.resource_metrics {
        let resource = of_resource.resource.unwrap_or_default();
        let service = texts(&resource.attributes)["service.name"].clone();
        let metrics = of_resource
            .scope_metrics
            .into_iter()
            .flat_map(|scope| scope.metrics);
        let measured = metrics.flat_map(|metric| points(&service, metric));
        told.metrics.lock().unwrap().extend(measured);
    }
    HttpResponse::Ok().content_type("application/x-protobuf").finish()
}

fn points(service: &str, metric: Metric) -> Vec<Measured> {
    let measured = |attributes: &[KeyValue], value: f64, bounds: &[f64]| Measured {
        name: metric.name.clone(),
        service: service.to_owned(),
        attributes: texts(attributes),
        value,
        bounds: bounds.to_vec(),
    };
    let number = |point: &NumberDataPoint| {
        let value = match point.value.unwrap() {
            number_data_point::Value::AsDouble(value) => value,
            number_data_point::Value::AsInt(value) => value as f64,
        };
        measured(&point.attributes, value, &[])
    };
    match metric.data.as_ref().unwrap() {
        Data::Gauge(gauge) => gauge.data_points.iter().map(number).collect(),
        Data::Sum(sum) => sum.data_points.iter().map(number).collect(),
        Data::Histogram(histogram) => {
            let points = histogram.data_points.iter();
            points
                .map(|point| measured(&point.attributes, point.count as f64, &point.explicit_bounds))
                .collect()
        }
        other => panic!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |one: &KeyValue| match one.value.clone().and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    attributes
        .iter()
        .map(|one| (one.key.clone(), text(one)))
        .collect()
}
