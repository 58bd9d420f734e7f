//! Metrics: kept for whoever scrapes them, and on their way to a collector by OTLP over HTTP, in the background.

use super::sender::{LAST_WAIT, Sender};
use crate::config::TelemetrySettings;
use anyhow::Context as _;
use metrics::Recorder;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_opentelemetry::{OpenTelemetryMetrics, OpenTelemetryRecorder};
use metrics_util::layers::FanoutBuilder;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_otlp::{MetricExporter, Protocol, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::metrics::{Aggregation, Instrument, InstrumentKind, SdkMeterProvider, Stream};
use tokio::task::spawn_blocking;

/// The upper bounds of what is measured in seconds: from a look into the records to an answer of a large model.
const SECONDS: [f64; 12] = [
    0.005, 0.02, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0, 60.0, 180.0, 600.0,
];
/// How the names end of what is measured in seconds: ours, and those that are common among servers of models.
const IN_SECONDS: [&str; 2] = ["_seconds", "duration"];

/// What sends metrics, if anything does.
pub struct Measures(Option<SdkMeterProvider>);

impl Measures {
    /// Begins to keep metrics for whoever scrapes them, and to send them too if the settings name a collector.
    pub fn start_to_serve(settings: &TelemetrySettings) -> anyhow::Result<(Self, PrometheusHandle)> {
        let mut builder = PrometheusBuilder::new();
        for suffix in IN_SECONDS {
            builder = builder.set_buckets_for_metric(Matcher::Suffix(suffix.into()), &SECONDS)?;
        }
        let served = builder.build_recorder();
        let handle = served.handle();
        let provider = provider(settings)?;
        match &provider {
            None => keep(served)?,
            Some(provider) => {
                let both = FanoutBuilder::default().add_recorder(served);
                keep(both.add_recorder(recorder(provider)).build())?;
            }
        }
        Ok((Self(provider), handle))
    }

    /// Begins to send metrics if the settings name a collector. Nobody is asked whether it is there.
    pub fn start(settings: &TelemetrySettings) -> anyhow::Result<Self> {
        let provider = provider(settings)?;
        if let Some(provider) = &provider {
            keep(recorder(provider))?;
        }
        Ok(Self(provider))
    }

    /// Whether metrics go to a collector.
    pub fn are_sent(&self) -> bool {
        self.0.is_some()
    }

    /// Sends what is left, if the collector takes it in time.
    pub async fn end(self) {
        let Some(provider) = self.0 else { return };
        let ended = spawn_blocking(move || provider.shutdown_with_timeout(LAST_WAIT)).await;
        if !matches!(ended, Ok(Ok(()))) {
            tracing::warn!("the last metrics were not sent");
        }
    }
}

fn keep(recorder: impl Recorder + Sync + 'static) -> anyhow::Result<()> {
    metrics::set_global_recorder(recorder).map_err(|_| anyhow::anyhow!("metrics are kept already"))
}

fn recorder(provider: &SdkMeterProvider) -> OpenTelemetryRecorder {
    OpenTelemetryRecorder::new(OpenTelemetryMetrics::new(provider.meter("glmhub")))
}

fn provider(settings: &TelemetrySettings) -> anyhow::Result<Option<SdkMeterProvider>> {
    let Some(url) = settings.metrics_url() else {
        return Ok(None);
    };
    let exporter = MetricExporter::builder()
        .with_http()
        .with_http_client(Sender::of("metrics").context("the client for metrics")?)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(url)
        .build()
        .context("telemetry.otlp_endpoint")?;
    let provider = SdkMeterProvider::builder()
        .with_periodic_exporter(exporter)
        .with_view(in_seconds)
        .with_resource(settings.resource());
    Ok(Some(provider.build()))
}

/// The buckets of what is measured in seconds: the same that are scraped.
fn in_seconds(instrument: &Instrument) -> Option<Stream> {
    let is_time = IN_SECONDS
        .iter()
        .any(|suffix| instrument.name().ends_with(suffix));
    if instrument.kind() != InstrumentKind::Histogram || !is_time {
        return None;
    }
    let buckets = Aggregation::ExplicitBucketHistogram {
        boundaries: SECONDS.to_vec(),
        record_min_max: false,
    };
    Stream::builder().with_aggregation(buckets).build().ok()
}
