//! The section `[telemetry]`, and how the environment of OpenTelemetry says the same.

use opentelemetry_sdk::Resource;
use serde::Deserialize;
use url::Url;

/// Variables that OpenTelemetry has a name for, and our settings that they are. Our own variables go over them.
pub const STANDARD: [(&str, &str); 2] = [
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "telemetry.otlp_endpoint"),
    ("OTEL_SERVICE_NAME", "telemetry.service_name"),
];

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetrySettings {
    pub otlp_endpoint: String,
    pub otlp_metrics: bool,
    pub service_name: String,
}

impl TelemetrySettings {
    pub(super) fn check(&self) -> Result<(), String> {
        let is_web = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
        let good =
            self.otlp_endpoint.is_empty() || Url::parse(&self.otlp_endpoint).is_ok_and(|url| is_web(&url));
        match (good, self.service_name.is_empty()) {
            (true, false) => Ok(()),
            (false, _) => Err(
                "telemetry.otlp_endpoint is no URL of http or https; an example is http://127.0.0.1:4318"
                    .into(),
            ),
            (true, true) => Err("telemetry.service_name is empty; the default is glmhub".into()),
        }
    }

    /// Where spans go, if they go anywhere.
    pub fn traces_url(&self) -> Option<String> {
        self.url_of("traces")
    }

    /// Where metrics go, if they go anywhere.
    pub fn metrics_url(&self) -> Option<String> {
        self.url_of("metrics").filter(|_| self.otlp_metrics)
    }

    fn url_of(&self, signal: &str) -> Option<String> {
        let base = self.otlp_endpoint.trim_end_matches('/');
        (!base.is_empty()).then(|| format!("{base}/v1/{signal}"))
    }

    /// Who tells.
    pub fn resource(&self) -> Resource {
        Resource::builder()
            .with_service_name(self.service_name.clone())
            .build()
    }
}
