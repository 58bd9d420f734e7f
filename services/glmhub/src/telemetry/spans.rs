//! Spans on their way to a collector: OTLP over HTTP, in the background.
//!
//! What the collector does not take in time is dropped; work never waits for it.

use crate::config::TelemetrySettings;
use anyhow::Context as _;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use opentelemetry::global;
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{runtime::Handle, task::spawn_blocking};

/// How long a collector may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the end of the process waits for what was not sent yet.
const LAST_WAIT: Duration = Duration::from_secs(3);
/// How much of an answer is read, in bytes.
const MOST_ANSWER: usize = 64 * 1024;

/// What sends spans, if anything does.
pub struct Spans(Option<SdkTracerProvider>);

impl Spans {
    /// Begins to collect and send spans if the settings name a collector. Nobody is asked whether it is there.
    pub fn start(settings: &TelemetrySettings) -> anyhow::Result<Self> {
        let Some(url) = settings.traces_url() else {
            return Ok(Self(None));
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Sender::new().context("the client for spans")?)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(url)
            .build()
            .context("telemetry.otlp_endpoint")?;
        let resource = Resource::builder().with_service_name(settings.service_name.clone());
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource.build())
            .build();
        global::set_tracer_provider(provider.clone());
        Ok(Self(Some(provider)))
    }

    /// Sends what is left, if the collector takes it in time.
    pub async fn end(self) {
        let Some(provider) = self.0 else { return };
        let ended = spawn_blocking(move || provider.shutdown_with_timeout(LAST_WAIT)).await;
        if !matches!(ended, Ok(Ok(()))) {
            tracing::warn!("the last spans were not sent");
        }
    }
}

/// The client that everything else uses too, for a sender that runs on a thread of its own.
#[derive(Debug)]
struct Sender {
    http: reqwest::Client,
    runtime: Handle,
    /// Whether the last attempt came to nothing: that is said once.
    failing: Arc<AtomicBool>,
}

impl Sender {
    fn new() -> reqwest::Result<Self> {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .build()?;
        Ok(Self {
            http,
            runtime: Handle::current(),
            failing: Arc::default(),
        })
    }

    fn note(&self, fault: Option<String>) {
        let before = self.failing.swap(fault.is_some(), Ordering::Relaxed);
        match fault {
            Some(fault) if !before => tracing::warn!(fault, "the collector of spans does not take them"),
            None if before => tracing::info!("the collector of spans takes them again"),
            _ => {}
        }
    }
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let http = self.http.clone();
        let sent = self.runtime.spawn(send(http, request)).await?;
        // Without the URL: it may hold what only the operator should read.
        let sent = sent.map_err(reqwest::Error::without_url);
        self.note(match &sent {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(response.status().to_string()),
            Err(error) => Some(hub::outgoing::chain(error)),
        });
        Ok(sent?)
    }
}

async fn send(http: reqwest::Client, request: Request<Bytes>) -> reqwest::Result<Response<Bytes>> {
    let mut came = http.execute(request.try_into()?).await?;
    let mut body = BytesMut::new();
    while let Some(piece) = came.chunk().await? {
        if body.len() + piece.len() > MOST_ANSWER {
            break;
        }
        body.extend_from_slice(&piece);
    }
    let mut response = Response::new(body.freeze());
    *response.status_mut() = came.status();
    *response.headers_mut() = came.headers().clone();
    Ok(response)
}
