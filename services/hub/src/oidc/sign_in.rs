//! Members who sign in with a browser: the authorization code flow of OpenID Connect Core 1.0 with PKCE (RFC 7636), as
//! RFC 9700 asks for it.

use super::{
    Issuer, Oidc, Unwelcome, code_exchange,
    id_token::{self, Expected},
    member,
    settings::SignInSettings,
};
use crate::sign_in_attempt::Attempt;
use anyhow::anyhow;
use domain::access::Caller;
use exchange::issuer_keys::Claimed;
use serde_json::Value;
use time::OffsetDateTime;
use url::Url;

/// Why nobody is signed in. What each says is for the log; it has nothing of tokens.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The settings name no such issuer that members may sign in with.
    #[error("there is no such issuer to sign in with")]
    Unknown,
    /// The issuer does not answer, or not as the standards say.
    #[error("the issuer cannot be used: {0:#}")]
    Unavailable(anyhow::Error),
    /// The answer says that it comes from another issuer, or does not say that it is from this one, as it should.
    #[error("the answer is not of this issuer")]
    Foreign,
    /// The ID token is not believed.
    #[error("the ID token is not believed: {0}")]
    Unfit(String),
    /// The ID token names nobody who is known here.
    #[error("the ID token names nobody who is known here: {0}")]
    Nobody(String),
    /// Nothing that the member is there is a role here.
    #[error("{} of {} has no role here", .0.member, .0.tenant)]
    NoRole(Box<Caller>),
}

/// What an issuer has sent the browser back with.
pub struct Answered<'a> {
    /// What an ID token is got for.
    pub code: &'a str,
    /// Who says that it answers (RFC 9207).
    pub iss: Option<&'a str>,
}

impl Oidc {
    /// The issuers that members may sign in with, each with what it is called.
    pub fn to_sign_in_with(&self) -> impl Iterator<Item = (&str, &str)> {
        self.issuers.iter().filter_map(|issuer| {
            let sign_in = issuer.settings.sign_in.as_ref()?;
            Some((issuer.settings.issuer.as_str(), sign_in.name.as_str()))
        })
    }

    fn found(&self, issuer: &str) -> Result<(&Issuer, &SignInSettings), SignInError> {
        let found = self.issuers.iter().find(|one| one.settings.issuer == issuer);
        let found = found.and_then(|issuer| Some((issuer, issuer.settings.sign_in.as_ref()?)));
        found.ok_or(SignInError::Unknown)
    }

    /// Where the browser goes to sign in, to be sent back to `redirect_uri`.
    pub async fn authorization(
        &self,
        attempt: &Attempt,
        redirect_uri: &str,
        now: OffsetDateTime,
    ) -> Result<Url, SignInError> {
        let (issuer, sign_in) = self.found(&attempt.issuer)?;
        let endpoints = issuer.keys.endpoints(now).await.ok_or_else(silent)?;
        let mut url = endpoints
            .authorization()
            .ok_or_else(|| SignInError::Unavailable(anyhow!("it tells no usable authorization_endpoint")))?;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &sign_in.client_id)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("scope", &sign_in.scopes.join(" "))
            .append_pair("state", &attempt.state)
            .append_pair("nonce", &attempt.nonce)
            .append_pair("code_challenge", &attempt.challenge())
            .append_pair("code_challenge_method", "S256");
        Ok(url)
    }

    /// Who has signed in: exchanges the code, and believes the ID token for what its issuer may say.
    pub async fn signed_in(
        &self,
        attempt: &Attempt,
        answered: &Answered<'_>,
        redirect_uri: &str,
        now: OffsetDateTime,
    ) -> Result<Caller, SignInError> {
        let (issuer, sign_in) = self.found(&attempt.issuer)?;
        let endpoints = issuer.keys.endpoints(now).await.ok_or_else(silent)?;
        match answered.iss {
            Some(iss) if iss != attempt.issuer => return Err(SignInError::Foreign),
            None if endpoints.names_itself() => return Err(SignInError::Foreign),
            _ => {}
        }
        let asked = code_exchange::Asked {
            client_id: &sign_in.client_id,
            secret: issuer.secret.as_ref(),
            code: answered.code,
            verifier: &attempt.verifier,
            redirect_uri,
        };
        let token = code_exchange::id_token(&self.client, &endpoints, &asked)
            .await
            .map_err(SignInError::Unavailable)?;
        let claims = issuer.claims_of_id_token(&token, now).await?;
        let expected = Expected {
            issuer: &attempt.issuer,
            client_id: &sign_in.client_id,
            nonce: &attempt.nonce,
        };
        id_token::check(&expected, &claims, now).map_err(|misfit| SignInError::Unfit(misfit.to_string()))?;
        let caller = member::named(&issuer.settings, &claims)
            .map_err(|misfit| SignInError::Nobody(misfit.to_string()))?;
        match caller.roles.is_empty() {
            true => Err(SignInError::NoRole(Box::new(caller))),
            false => Ok(caller),
        }
    }
}

impl Issuer {
    async fn claims_of_id_token(&self, token: &str, now: OffsetDateTime) -> Result<Value, SignInError> {
        let unsigned = || SignInError::Unfit("it is no signed token".into());
        let claimed = Claimed::by(token).ok_or_else(unsigned)?;
        let claims = self.claims(claimed.kid.as_deref(), token, now).await;
        claims.map_err(|unwelcome| match unwelcome {
            Unwelcome::Foreign(_, error) => SignInError::Unfit(error.to_string()),
            _ => silent(),
        })
    }
}

fn silent() -> SignInError {
    SignInError::Unavailable(anyhow!("its configuration and keys are not to be had"))
}
