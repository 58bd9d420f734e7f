//! Members who sign in elsewhere: access tokens of OpenID Connect issuers that the settings name, and browsers that they
//! send back with a code.
//!
//! A token is believed for what its issuer may say: members of the tenants and roles that the settings give it, and
//! nothing more. An issuer's keys are found by discovery, kept, and fetched again for a key that is not known yet, but
//! not more often than the settings say, whatever tokens come.

mod answers;
mod code_exchange;
mod endpoints;
mod id_token;
mod keys;
mod member;
pub mod settings;
mod sign_in;

pub use sign_in::{Answered, SignInError};

use domain::access::Caller;
use exchange::{issuer_keys::Claimed, signing::TokenError};
use keys::Keys;
use reqwest::Client;
use secrecy::SecretString;
use serde_json::Value;
use settings::{IssuerSettings, OidcSettings};
use std::{collections::BTreeMap, time::Duration};
use time::OffsetDateTime;

/// Why a token of an issuer lets nobody in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unwelcome {
    /// Its time is over.
    #[error("the access token has expired; get a new one from {0}")]
    Expired(String),
    /// It is not signed as it should be.
    #[error("the access token is not one of {0}: {1}")]
    Foreign(String, TokenError),
    /// It is the issuer's, and not for this hub or not of somebody known here.
    #[error("the access token of {0} does not fit: {1}")]
    Unfit(String, String),
    /// The issuer's keys are not here and cannot be fetched now.
    #[error("{0} does not answer, so its tokens cannot be checked; try again later")]
    Unavailable(String),
}

/// The issuers with what is known of them.
pub struct Oidc {
    client: Client,
    issuers: Vec<Issuer>,
}

/// One of them.
struct Issuer {
    settings: IssuerSettings,
    keys: Keys,
    secret: Option<SecretString>,
}

/// The secrets that issuers have given to the hub, by issuer.
pub type ClientSecrets = BTreeMap<String, SecretString>;

impl Oidc {
    /// The issuers of the settings; none is asked before a token of it comes.
    pub fn new(settings: &OidcSettings, mut secrets: ClientSecrets) -> reqwest::Result<Self> {
        let client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(settings.timeout_seconds));
        let client = match settings.issuers.is_empty() {
            // Without issuers nothing is ever sent, on machines without certificate authorities too.
            true => client.tls_certs_only([]).build()?,
            false => client.build()?,
        };
        let issuer = |issuer: &IssuerSettings| Issuer {
            settings: issuer.clone(),
            keys: Keys::new(client.clone(), &issuer.issuer, settings),
            secret: secrets.remove(&issuer.issuer),
        };
        Ok(Self {
            issuers: settings.issuers.iter().map(issuer).collect(),
            client,
        })
    }

    /// Who calls with a token of one of the issuers; none if it is not said to be of any.
    pub async fn caller(&self, token: &str, now: OffsetDateTime) -> Option<Result<Caller, Unwelcome>> {
        let claimed = Claimed::by(token)?;
        let issuer = self
            .issuers
            .iter()
            .find(|one| one.settings.issuer == claimed.issuer)?;
        Some(issuer.caller(claimed.kid.as_deref(), token, now).await)
    }
}

impl Issuer {
    async fn caller(&self, kid: Option<&str>, token: &str, now: OffsetDateTime) -> Result<Caller, Unwelcome> {
        let name = || self.settings.issuer.clone();
        let claims = self.claims(kid, token, now).await?;
        member::of(&self.settings, &claims, now).map_err(|misfit| match misfit {
            member::Misfit::Expired => Unwelcome::Expired(name()),
            misfit => Unwelcome::Unfit(name(), misfit.to_string()),
        })
    }

    /// The claims of a token that the issuer has signed as the settings let it. Whom and when it is for is the caller's
    /// to check.
    async fn claims(&self, kid: Option<&str>, token: &str, now: OffsetDateTime) -> Result<Value, Unwelcome> {
        let name = || self.settings.issuer.clone();
        let keys = self.keys.with(kid, now).await;
        let keys = keys.ok_or_else(|| Unwelcome::Unavailable(name()))?;
        keys.verify(token, &self.settings.algorithms)
            .map_err(|error| Unwelcome::Foreign(name(), error))
    }
}
