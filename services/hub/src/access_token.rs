//! Access tokens: JWTs signed by the hub that say who calls and with which roles.

use domain::{
    access::{Caller, Role},
    names::{MemberName, TenantName},
};
use exchange::signing::{KeyError, SigningKey, TokenError, VerifyingKeys};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use time::{Duration, OffsetDateTime};

const KIND: &str = "at+jwt";
const ISSUER: &str = "glmhub";
/// How far the clocks of two machines may differ.
const LEEWAY: Duration = Duration::seconds(60);

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: MemberName,
    tenant: TenantName,
    roles: BTreeSet<Role>,
    iat: i64,
    exp: i64,
}

/// Why a call is not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unwelcome {
    /// Its time is over.
    #[error("the access token has expired; issue a new one with `glmhub token issue`")]
    Expired,
    /// It is not a token of this hub.
    #[error("the access token is not one of this hub: {0}")]
    Foreign(#[from] TokenError),
}

/// A token for `caller`, good from `now` for `lifetime`.
pub fn issue(
    key: &SigningKey,
    caller: &Caller,
    now: OffsetDateTime,
    lifetime: Duration,
) -> Result<String, KeyError> {
    let claims = Claims {
        iss: ISSUER.into(),
        sub: caller.member.clone(),
        tenant: caller.tenant.clone(),
        roles: caller.roles.clone(),
        iat: now.unix_timestamp(),
        exp: (now + lifetime).unix_timestamp(),
    };
    key.sign(KIND, &claims)
}

/// Who calls, if the token is good at `now`.
pub fn verify(keys: &VerifyingKeys, token: &str, now: OffsetDateTime) -> Result<Caller, Unwelcome> {
    let claims: Claims = keys.verify(KIND, token)?;
    if claims.iss != ISSUER || claims.iat > (now + LEEWAY).unix_timestamp() {
        return Err(TokenError::Malformed("it was issued by somebody else, or in the future".into()).into());
    }
    if claims.exp <= (now - LEEWAY).unix_timestamp() {
        return Err(Unwelcome::Expired);
    }
    Ok(Caller {
        tenant: claims.tenant,
        member: claims.sub,
        roles: claims.roles,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller() -> Caller {
        Caller {
            tenant: "acme".parse().unwrap(),
            member: "li".parse().unwrap(),
            roles: BTreeSet::from([Role::Submitter, Role::Signatory]),
        }
    }

    #[test]
    fn a_token_names_its_caller_until_it_expires() {
        let key = SigningKey::ephemeral().unwrap();
        let start = OffsetDateTime::UNIX_EPOCH + Duration::days(20_000);
        let token = issue(&key, &caller(), start, Duration::hours(1)).unwrap();
        assert_eq!(verify(&key.public(), &token, start), Ok(caller()));
        assert_eq!(
            verify(&key.public(), &token, start + Duration::hours(2)),
            Err(Unwelcome::Expired)
        );
    }

    #[test]
    fn a_token_of_another_hub_is_foreign() {
        let (ours, theirs) = (SigningKey::ephemeral().unwrap(), SigningKey::ephemeral().unwrap());
        let token = issue(&theirs, &caller(), OffsetDateTime::UNIX_EPOCH, Duration::hours(1)).unwrap();
        let seen = verify(&ours.public(), &token, OffsetDateTime::UNIX_EPOCH);
        assert_eq!(seen, Err(Unwelcome::Foreign(TokenError::ForeignKey)));
    }
}
