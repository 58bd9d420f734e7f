//! Spans on their way to a collector: OTLP over HTTP, in the background.
//!
//! What the collector does not take in time is dropped; work never waits for it.

use super::sender::{LAST_WAIT, Sender};
use crate::config::TelemetrySettings;
use anyhow::Context as _;
use opentelemetry::global;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::task::spawn_blocking;

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
            .with_http_client(Sender::of("spans").context("the client for spans")?)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(url)
            .build()
            .context("telemetry.otlp_endpoint")?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(settings.resource())
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
