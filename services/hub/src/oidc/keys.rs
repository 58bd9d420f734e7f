//! An issuer's keys: found by discovery, kept, fetched again.

use super::settings::{OidcSettings, is_safe};
use anyhow::Context as _;
use exchange::issuer_keys::IssuerKeys;
use futures_util::StreamExt as _;
use reqwest::Client;
use serde::Deserialize;
use std::sync::{Arc, PoisonError, RwLock};
use time::{Duration, OffsetDateTime};
use tokio::sync::Mutex;

/// The most bytes of what an issuer answers with. Key sets of large issuers have some ten thousand.
const MOST_BYTES: usize = 1024 * 1024;

/// See the module's text.
pub(super) struct Keys {
    client: Client,
    issuer: String,
    lifetime: Duration,
    pause: Duration,
    longest: Duration,
    known: RwLock<Option<Fetched>>,
    /// When the issuer was asked last. Held while it is asked, so that it is asked once; who finds its key among those
    /// that are known does not wait for that.
    asked_at: Mutex<Option<OffsetDateTime>>,
}

#[derive(Clone)]
struct Fetched {
    keys: Arc<IssuerKeys>,
    at: OffsetDateTime,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

fn seconds(number: u64) -> Duration {
    Duration::seconds(i64::try_from(number).unwrap_or(i64::MAX))
}

impl Keys {
    pub(super) fn new(client: Client, issuer: &str, settings: &OidcSettings) -> Self {
        Self {
            client,
            issuer: issuer.to_owned(),
            lifetime: seconds(settings.keys_seconds),
            pause: seconds(settings.refetch_seconds),
            longest: seconds(settings.longest_keys_seconds),
            known: RwLock::default(),
            asked_at: Mutex::default(),
        }
    }

    /// The keys, fetched again if they are old or the key `kid` is not among them. None if there are none that may still
    /// be used.
    pub(super) async fn with(&self, kid: Option<&str>, now: OffsetDateTime) -> Option<Arc<IssuerKeys>> {
        if !self.is_known(kid, now) {
            let mut asked_at = self.asked_at.lock().await;
            let may_ask = asked_at.is_none_or(|at| now >= at + self.pause);
            if may_ask && !self.is_known(kid, now) {
                *asked_at = Some(now);
                self.fetch_at(now).await;
            }
        }
        let fetched = self.known()?;
        (now < fetched.at + self.longest).then_some(fetched.keys)
    }

    fn known(&self) -> Option<Fetched> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is_known(&self, kid: Option<&str>, now: OffsetDateTime) -> bool {
        self.known().is_some_and(|fetched| {
            now < fetched.at + self.lifetime && kid.is_none_or(|kid| fetched.keys.has(kid))
        })
    }

    async fn fetch_at(&self, now: OffsetDateTime) {
        match self.fetch().await {
            Ok(keys) => {
                let fetched = Fetched {
                    keys: Arc::new(keys),
                    at: now,
                };
                *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(fetched);
            }
            Err(error) => {
                let cause = format!("{error:#}");
                tracing::warn!(issuer = self.issuer, cause, "its keys are not to be had");
            }
        }
    }

    async fn fetch(&self) -> anyhow::Result<IssuerKeys> {
        let place = format!(
            "{}/.well-known/openid-configuration",
            self.issuer.trim_end_matches('/')
        );
        let found: Discovery =
            serde_json::from_slice(&self.bytes(&place).await?).context("its configuration")?;
        anyhow::ensure!(
            found.issuer == self.issuer,
            "its configuration is that of {}",
            found.issuer
        );
        anyhow::ensure!(is_safe(&found.jwks_uri), "{} is not https", found.jwks_uri);
        let set = self.bytes(&found.jwks_uri).await?;
        IssuerKeys::read(&set).with_context(|| format!("{} is no key set", found.jwks_uri))
    }

    async fn bytes(&self, url: &str) -> anyhow::Result<Vec<u8>> {
        let response = self.client.get(url).send().await?.error_for_status()?;
        let (mut stream, mut bytes) = (response.bytes_stream(), Vec::new());
        while let Some(piece) = stream.next().await {
            bytes.extend_from_slice(&piece?);
            anyhow::ensure!(
                bytes.len() <= MOST_BYTES,
                "{url} has more than {MOST_BYTES} bytes"
            );
        }
        Ok(bytes)
    }
}
