//! Who makes a request: read from its access token or API key before a handler runs.

use crate::{
    access_token::{self, Unwelcome},
    limits::{self, Keeper},
    oidc::{self, Oidc},
    problem::Problem,
};
use actix_web::{
    FromRequest, HttpMessage as _, HttpRequest,
    dev::Payload,
    http::{StatusCode, header::AUTHORIZATION},
    web::Data,
};
use domain::{
    access::{Act, Caller},
    api_key::{self, ApiKey},
    clock::SharedClock,
    id::ApiKeyId,
    limits::Limits,
    policy::{CurrentPolicies, Policies},
    purpose::Purpose,
};
use exchange::signing::VerifyingKeys;
use futures_util::future::LocalBoxFuture;
use records::{Db, api_keys};
use std::sync::Arc;

/// After how many seconds an issuer that did not answer may do so.
const ISSUER_SECONDS: u64 = 30;

/// What is needed to let callers in.
pub struct Door {
    /// The keys whose tokens are believed.
    pub keys: VerifyingKeys,
    /// Tells whether a token has expired.
    pub clock: SharedClock,
    /// Tell who may do what.
    pub policies: CurrentPolicies,
    /// Where API keys are looked up.
    pub db: Db,
    /// The issuers elsewhere whose tokens are believed.
    pub oidc: Oidc,
}

/// What came instead of an access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByKey {
    /// Which key it is.
    pub id: ApiKeyId,
    /// What its requests are for that cannot say it.
    pub purpose: Option<Purpose>,
    /// How much may be asked for with it, where that differs from what holds for all keys.
    pub limits: Limits,
}

/// The caller of a request, as a handler's argument, within its limits. A handler begins with [`Authenticated::may`].
#[derive(Clone)]
pub struct Authenticated {
    caller: Caller,
    key: Option<ByKey>,
    /// The reading under which the whole request is answered.
    policies: Arc<Policies>,
}

impl Authenticated {
    /// A member that was let in another way than by its token.
    pub fn signed_in(caller: Caller, policies: Arc<Policies>) -> Self {
        Self {
            caller,
            key: None,
            policies,
        }
    }

    /// The API key that it came with, if that was one.
    pub fn key(&self) -> Option<ByKey> {
        self.key
    }

    /// The member itself, whatever it may do.
    pub fn itself(&self) -> &Caller {
        &self.caller
    }

    /// The caller, if it may do `act`; else 403 `missing_role`, or with the code of the rule that forbids it.
    pub fn may(&self, act: Act) -> Result<&Caller, Problem> {
        match self.caller.may(&self.policies, act) {
            Ok(()) => Ok(&self.caller),
            Err(refusal) => {
                Err(Problem::new(StatusCode::FORBIDDEN, refusal.code, refusal.message)
                    .with("cure", refusal.cure))
            }
        }
    }

    /// Whether the caller may do `act` beside what it came for.
    pub fn can(&self, act: Act) -> bool {
        self.caller.may(&self.policies, act).is_ok()
    }
}

fn unauthorized(code: &'static str, detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, code, detail)
}

/// The caller, let in and counted once for all that look who it is.
async fn enter(request: &HttpRequest) -> Result<Authenticated, Problem> {
    let known = request.extensions().get::<Authenticated>().cloned();
    if let Some(caller) = known {
        return Ok(caller);
    }
    let caller = authenticate(request).await?;
    limits::count(request, piece::<Keeper>(request)?, &caller)?;
    request.extensions_mut().insert(caller.clone());
    Ok(caller)
}

fn piece<T: 'static>(request: &HttpRequest) -> Result<&T, Problem> {
    let piece = request.app_data::<Data<T>>().map(|piece| piece.get_ref());
    piece.ok_or_else(Problem::lacking)
}

async fn authenticate(request: &HttpRequest) -> Result<Authenticated, Problem> {
    let door = piece::<Door>(request)?;
    let token = bearer(request)?;
    let (caller, key) = match token.starts_with(api_key::PREFIX) {
        true => by_key(door, token).await?,
        false => (by_token(door, token).await?, None),
    };
    Ok(Authenticated {
        caller,
        key,
        policies: door.policies.get(),
    })
}

fn bearer(request: &HttpRequest) -> Result<&str, Problem> {
    let header = request.headers().get(AUTHORIZATION).ok_or_else(|| {
        unauthorized(
            "token_missing",
            "send `Authorization: Bearer TOKEN`; `glmhub token issue` makes one",
        )
    })?;
    header
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .ok_or_else(|| {
            unauthorized(
                "token_malformed",
                "the Authorization header is not `Bearer TOKEN`",
            )
        })
}

async fn by_token(door: &Door, token: &str) -> Result<Caller, Problem> {
    let now = door.clock.now();
    if let Some(caller) = door.oidc.caller(token, now).await {
        return caller.map_err(|unwelcome| unwelcome_elsewhere(&unwelcome));
    }
    access_token::verify(&door.keys, token, now).map_err(|unwelcome| match unwelcome {
        Unwelcome::Expired => unauthorized("token_expired", Unwelcome::Expired.to_string()),
        foreign => unauthorized("token_foreign", foreign.to_string()),
    })
}

fn unwelcome_elsewhere(unwelcome: &oidc::Unwelcome) -> Problem {
    let code = match unwelcome {
        oidc::Unwelcome::Expired(_) => "token_expired",
        oidc::Unwelcome::Foreign(..) => "token_foreign",
        oidc::Unwelcome::Unfit(..) => "token_unfit",
        oidc::Unwelcome::Unavailable(_) => {
            return Problem::unavailable("issuer_unavailable", unwelcome.to_string(), ISSUER_SECONDS);
        }
    };
    unauthorized(code, unwelcome.to_string())
}

/// Who comes with a key. Of keys that are not here nothing is told, of others only to who knows their secret.
async fn by_key(door: &Door, text: &str) -> Result<(Caller, Option<ByKey>), Problem> {
    let unknown = || unauthorized("api_key_unknown", "the API key is not one of this hub");
    let key: ApiKey = text.parse().map_err(|_| unknown())?;
    let now = door.clock.now();
    let stored = api_keys::shown(&door.db, &key, now).await?.ok_or_else(unknown)?;
    if stored.revoked_at.is_some() {
        return Err(unauthorized("api_key_revoked", "the API key was revoked"));
    }
    if stored.ends_at <= now {
        return Err(unauthorized(
            "api_key_expired",
            "the API key has come to its end; make another with `glmhub api-key create`",
        ));
    }
    let by = ByKey {
        id: stored.id,
        purpose: stored.purpose,
        limits: stored.limits,
    };
    Ok((stored.caller, Some(by)))
}

impl FromRequest for Authenticated {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { enter(&request).await })
    }
}
