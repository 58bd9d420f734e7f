//! Members who sign in elsewhere: access tokens of OpenID Connect issuers that the settings name.
//!
//! A token is believed for what its issuer may say: members of the tenants and roles that the settings give it, and
//! nothing more. An issuer's keys are found by discovery, kept, and fetched again for a key that is not known yet, but
//! not more often than the settings say, whatever tokens come.

mod keys;
mod member;
pub mod settings;

use domain::access::Caller;
use exchange::{issuer_keys::Claimed, signing::TokenError};
use keys::Keys;
use settings::{IssuerSettings, OidcSettings};
use std::time::Duration;
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
    issuers: Vec<(IssuerSettings, Keys)>,
}

impl Oidc {
    /// The issuers of the settings; none is asked before a token of it comes.
    pub fn new(settings: &OidcSettings) -> reqwest::Result<Self> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(settings.timeout_seconds));
        let client = match settings.issuers.is_empty() {
            // Without issuers nothing is ever sent, on machines without certificate authorities too.
            true => client.tls_certs_only([]).build()?,
            false => client.build()?,
        };
        let issuer = |issuer: &IssuerSettings| {
            let keys = Keys::new(client.clone(), &issuer.issuer, settings);
            (issuer.clone(), keys)
        };
        Ok(Self {
            issuers: settings.issuers.iter().map(issuer).collect(),
        })
    }

    /// Who calls with a token of one of the issuers; none if it is not said to be of any.
    pub async fn caller(&self, token: &str, now: OffsetDateTime) -> Option<Result<Caller, Unwelcome>> {
        let claimed = Claimed::by(token)?;
        let of_it = |(settings, _): &&(IssuerSettings, Keys)| settings.issuer == claimed.issuer;
        let (settings, keys) = self.issuers.iter().find(of_it)?;
        Some(verified(settings, keys, claimed.kid.as_deref(), token, now).await)
    }
}

async fn verified(
    issuer: &IssuerSettings,
    keys: &Keys,
    kid: Option<&str>,
    token: &str,
    now: OffsetDateTime,
) -> Result<Caller, Unwelcome> {
    let name = || issuer.issuer.clone();
    let keys = keys
        .with(kid, now)
        .await
        .ok_or_else(|| Unwelcome::Unavailable(name()))?;
    let claims = keys
        .verify(token, &issuer.algorithms)
        .map_err(|error| Unwelcome::Foreign(name(), error))?;
    member::of(issuer, &claims, now).map_err(|misfit| match misfit {
        member::Misfit::Expired => Unwelcome::Expired(name()),
        misfit => Unwelcome::Unfit(name(), misfit.to_string()),
    })
}
