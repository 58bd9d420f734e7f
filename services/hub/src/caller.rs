//! Who makes a request: read from its bearer token before a handler runs.

use crate::{
    access_token::{self, Unwelcome},
    problem::Problem,
};
use actix_web::{
    FromRequest, HttpRequest, dev::Payload, http::StatusCode, http::header::AUTHORIZATION, web::Data,
};
use domain::{
    access::{Act, Caller},
    clock::SharedClock,
    policy::{CurrentPolicies, Policies},
};
use exchange::signing::VerifyingKeys;
use std::{
    future::{Ready, ready},
    sync::Arc,
};

/// What is needed to let callers in.
pub struct Door {
    /// The keys whose tokens are believed.
    pub keys: VerifyingKeys,
    /// Tells whether a token has expired.
    pub clock: SharedClock,
    /// Tell who may do what.
    pub policies: CurrentPolicies,
}

/// The caller of a request, as a handler's argument. A handler begins with [`Authenticated::may`].
pub struct Authenticated {
    caller: Caller,
    /// The reading under which the whole request is answered.
    policies: Arc<Policies>,
}

impl Authenticated {
    /// A member that was let in another way than by its token.
    pub fn signed_in(caller: Caller, policies: Arc<Policies>) -> Self {
        Self { caller, policies }
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

fn authenticate(request: &HttpRequest) -> Result<Authenticated, Problem> {
    let door = request
        .app_data::<Data<Door>>()
        .ok_or_else(|| Problem::internal(anyhow::anyhow!("the application has no door")))?;
    let header = request.headers().get(AUTHORIZATION).ok_or_else(|| {
        unauthorized(
            "token_missing",
            "send `Authorization: Bearer TOKEN`; `glmhub token issue` makes one",
        )
    })?;
    let token = header
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
        })?;
    match access_token::verify(&door.keys, token, door.clock.now()) {
        Ok(caller) => Ok(Authenticated {
            caller,
            policies: door.policies.get(),
        }),
        Err(Unwelcome::Expired) => Err(unauthorized("token_expired", Unwelcome::Expired.to_string())),
        Err(foreign) => Err(unauthorized("token_foreign", foreign.to_string())),
    }
}

impl FromRequest for Authenticated {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(authenticate(request))
    }
}
