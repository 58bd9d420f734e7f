//! A collector of spans, which takes them as OTLP in protobuf over HTTP.

use crate::hub::eventually;
use actix_web::{App, HttpMessage as _, HttpRequest, HttpResponse, HttpServer, web};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
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

type Shared = Arc<Mutex<Vec<Told>>>;

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
        self.told.lock().unwrap().clone()
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
        told.lock().unwrap().extend(spans.map(|span| Told {
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
