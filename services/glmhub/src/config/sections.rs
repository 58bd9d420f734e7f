//! The sections of the settings. What each setting means stands in `config.default.toml`.

use super::{blobs::BlobsSettings, telemetry::TelemetrySettings, worker::WorkerSettings};
use hub::{
    acceptance_settings::AcceptanceSettings, api_key_settings::ApiKeySettings, audit_settings::AuditSettings,
    connections::settings::ConnectionSettings, dashboard_settings::DashboardSettings,
    hf::settings::HfSettings, idempotency::settings::IdempotencySettings, limits::settings::LimitSettings,
    model_upload_settings::ModelUploadSettings, oidc::settings::OidcSettings,
    openai::settings::OpenaiSettings, outgoing::OutgoingSettings, policy_settings::PolicySettings,
    retention_settings::RetentionSettings, site::kept::CatalogueSettings, webhook_settings::WebhookSettings,
    work_settings::WorkSettings,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// All settings. Sections of the hub's own parts stand beside those parts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub server: ServerSettings,
    pub connections: ConnectionSettings,
    pub records: RecordsSettings,
    pub blobs: BlobsSettings,
    pub queue: QueueSettings,
    pub worker: WorkerSettings,
    pub work: WorkSettings,
    pub retention: RetentionSettings,
    pub model_uploads: ModelUploadSettings,
    pub openai: OpenaiSettings,
    pub hf: HfSettings,
    pub acceptances: AcceptanceSettings,
    pub webhooks: WebhookSettings,
    pub outgoing: OutgoingSettings,
    pub log: LogSettings,
    pub telemetry: TelemetrySettings,
    pub access: AccessSettings,
    pub api_keys: ApiKeySettings,
    pub limits: LimitSettings,
    pub idempotency: IdempotencySettings,
    pub oidc: OidcSettings,
    pub policies: PolicySettings,
    pub audit: AuditSettings,
    pub dashboard: DashboardSettings,
    pub catalogue: CatalogueSettings,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSettings {
    pub listen: SocketAddr,
    pub site: String,
    pub cors_origins: Vec<String>,
    pub threads: usize,
    pub shutdown_seconds: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordsSettings {
    pub url: SecretString,
    pub password_file: PathBuf,
    pub connections: u32,
    pub busy_seconds: u64,
    pub statement_seconds: u64,
    pub connection_seconds: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueSettings {
    pub url: SecretString,
    pub password_file: PathBuf,
    pub authorities_file: PathBuf,
    pub name: String,
    pub lease_seconds: u64,
    pub most_orders: usize,
    pub listening_seconds: u64,
    pub most_pieces: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    pub filter: String,
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Human on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessSettings {
    pub token_days: u32,
    pub longest_token_days: u32,
}

/// The shortest lease: its third still leaves time for a busy machine.
const SHORTEST_LEASE: u64 = 5;

impl Settings {
    /// Whether the values fit together. An error says which do not and what to change.
    pub fn check(&self) -> Result<(), String> {
        self.check_least()?;
        self.log.check()?;
        self.telemetry.check()?;
        self.audit.check()?;
        self.server.check()?;
        self.connections.check()?;
        self.policies.check()?;
        self.openai.check()?;
        self.api_keys.check()?;
        self.limits.check()?;
        self.idempotency.check()?;
        self.oidc.check()?;
        self.oidc.check_sign_in(&self.dashboard.url)?;
        self.hf.check()?;
        self.acceptances.check()?;
        self.dashboard.check()?;
        self.webhooks.check()?;
        self.work.check()?;
        self.retention.check()?;
        self.worker.check()?;
        self.queue.check()?;
        self.blobs.check()?;
        self.model_uploads.check(self.blobs.unfinished())?;
        let Settings {
            server,
            queue,
            worker,
            work,
            access,
            ..
        } = self;
        below(
            ("queue.lease_seconds", queue.lease_seconds),
            ("work.grant_seconds", work.grant_seconds),
            "or a grant ends while its order is worked on",
        )?;
        below(
            ("worker.drain_seconds", worker.drain_seconds),
            ("server.shutdown_seconds", server.shutdown_seconds),
            "or work is cut off before it can be handed back",
        )?;
        below(
            ("worker.announce_seconds", worker.announce_seconds),
            ("work.worker_gone_seconds", work.worker_gone_seconds),
            "or workers that are there are taken for gone",
        )?;
        not_above(
            ("work.most_orders", work.most_orders),
            ("queue.most_orders", queue.most_orders as u64),
            "or orders are sent out that the queue cannot take",
        )?;
        not_above(
            ("access.token_days", access.token_days.into()),
            ("access.longest_token_days", access.longest_token_days.into()),
            "or no token can be issued",
        )
    }

    fn check_least(&self) -> Result<(), String> {
        let Settings {
            records,
            blobs,
            queue,
            worker,
            work,
            retention,
            access,
            ..
        } = self;
        let least = [
            ("records.connections", u64::from(records.connections), 1),
            ("records.statement_seconds", records.statement_seconds, 1),
            ("records.connection_seconds", records.connection_seconds, 1),
            ("blobs.unfinished_hours", u64::from(blobs.unfinished_hours), 1),
            ("queue.lease_seconds", queue.lease_seconds, SHORTEST_LEASE),
            ("queue.most_orders", queue.most_orders as u64, 1),
            ("queue.listening_seconds", queue.listening_seconds, 1),
            ("queue.most_pieces", queue.most_pieces as u64, 1),
            ("worker.count", worker.count as u64, 1),
            ("worker.announce_seconds", worker.announce_seconds, 1),
            ("work.most_orders_of_tenant", work.most_orders_of_tenant, 1),
            ("work.reconsider_seconds", work.reconsider_seconds, 1),
            ("retention.look_seconds", retention.look_seconds, 1),
            ("access.token_days", u64::from(access.token_days), 1),
        ];
        match least.into_iter().find(|(_, value, least)| value < least) {
            Some((key, value, least)) => Err(format!("{key} is {value} and must be at least {least}")),
            None => Ok(()),
        }
    }
}

/// A setting's name and value.
type Named = (&'static str, u64);

fn below(low: Named, high: Named, why: &str) -> Result<(), String> {
    if low.1 < high.1 {
        Ok(())
    } else {
        Err(misfit(low, "below", high, why))
    }
}

fn not_above(low: Named, high: Named, why: &str) -> Result<(), String> {
    if low.1 <= high.1 {
        Ok(())
    } else {
        Err(misfit(low, "at most", high, why))
    }
}

fn misfit(low: Named, relation: &str, high: Named, why: &str) -> String {
    format!(
        "{} ({}) must be {relation} {} ({}), {why}",
        low.0, low.1, high.0, high.1
    )
}

/// At most 64 letters, digits, dots, dashes or underscores.
fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    name.len() <= 64 && name.chars().all(plain)
}

/// Whether browsers name a site like this: scheme and host, a port where it is not the scheme's, and nothing else. A star is
/// no name of many: it would be compared as it stands.
fn is_origin(text: &str) -> bool {
    let site = url::Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "https" | "http") && !text.contains('*'));
    site.is_some_and(|url| url.origin().ascii_serialization() == text)
}

impl LogSettings {
    fn check(&self) -> Result<(), String> {
        tracing_subscriber::EnvFilter::try_new(&self.filter)
            .map(drop)
            .map_err(|error| format!("log.filter cannot be read ({error}); an example is info,hub=debug"))
    }
}

impl RecordsSettings {
    /// Whether the records are a file in the data folder.
    pub fn in_file(&self) -> bool {
        self.url.expose_secret().is_empty()
    }
}

impl QueueSettings {
    /// Whether the queue is in the process.
    pub fn in_process(&self) -> bool {
        self.url.expose_secret().is_empty()
    }

    fn check(&self) -> Result<(), String> {
        match !self.name.is_empty() && is_plain(&self.name) {
            true => Ok(()),
            false => Err("queue.name has 1 to 64 letters, digits, dots, dashes or underscores".into()),
        }
    }

    /// How long a worker may be silent.
    pub fn lease(&self) -> Duration {
        Duration::from_secs(self.lease_seconds)
    }

    /// How long a hub that is silent counts as listening to a job.
    pub fn listening(&self) -> Duration {
        Duration::from_secs(self.listening_seconds)
    }
}

impl ServerSettings {
    fn check(&self) -> Result<(), String> {
        if let Some(origin) = self.cors_origins.iter().find(|origin| !is_origin(origin)) {
            return Err(format!(
                "server.cors_origins has {origin:?}, which is no origin; an example is https://app.example.com"
            ));
        }
        match is_plain(&self.site) {
            true => Ok(()),
            false => Err("server.site has at most 64 letters, digits, dots, dashes or underscores".into()),
        }
    }

    /// How long everything may take to end.
    pub fn shutdown(&self) -> Duration {
        Duration::from_secs(self.shutdown_seconds)
    }
}
