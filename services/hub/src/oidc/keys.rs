//! An issuer's keys and endpoints: found by discovery, kept, fetched again.

use super::{
    answers::bounded,
    endpoints::{Discovery, Endpoints},
    settings::{OidcSettings, is_safe},
};
use anyhow::Context as _;
use exchange::issuer_keys::IssuerKeys;
use reqwest::Client;
use std::sync::{Arc, PoisonError, RwLock};
use time::{Duration, OffsetDateTime};
use tokio::sync::Mutex;

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
    endpoints: Arc<Endpoints>,
    at: OffsetDateTime,
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
        Some(self.fetched(kid, now).await?.keys)
    }

    /// Where the issuer is spoken with, as its configuration said last.
    pub(super) async fn endpoints(&self, now: OffsetDateTime) -> Option<Arc<Endpoints>> {
        Some(self.fetched(None, now).await?.endpoints)
    }

    async fn fetched(&self, kid: Option<&str>, now: OffsetDateTime) -> Option<Fetched> {
        if !self.is_known(kid, now) {
            let mut asked_at = self.asked_at.lock().await;
            let may_ask = asked_at.is_none_or(|at| now >= at + self.pause);
            if may_ask && !self.is_known(kid, now) {
                *asked_at = Some(now);
                self.fetch_at(now).await;
            }
        }
        let fetched = self.known()?;
        (now < fetched.at + self.longest).then_some(fetched)
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
            Ok((keys, endpoints)) => {
                let fetched = Fetched {
                    keys: Arc::new(keys),
                    endpoints: Arc::new(endpoints),
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

    async fn fetch(&self) -> anyhow::Result<(IssuerKeys, Endpoints)> {
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
        let keys = IssuerKeys::read(&set).with_context(|| format!("{} is no key set", found.jwks_uri))?;
        Ok((keys, found.endpoints))
    }

    async fn bytes(&self, url: &str) -> anyhow::Result<Vec<u8>> {
        let response = self.client.get(url).send().await?.error_for_status()?;
        bounded(response).await.with_context(|| url.to_owned())
    }
}
