//! Links that open one session of the dashboard each: signed by the hub, good for minutes, used once.

use crate::{access_token::Unwelcome, randomness::Randomness};
use domain::{
    access::{Caller, Role},
    names::{MemberName, TenantName},
};
use exchange::signing::{KeyError, SigningKey, VerifyingKeys};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use time::{Duration, OffsetDateTime};

/// An access token is no link, and a link no access token.
const KIND: &str = "sign-in+jwt";

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    sub: MemberName,
    tenant: TenantName,
    roles: BTreeSet<Role>,
    exp: i64,
    /// Makes two links for one member at one moment two.
    jti: String,
}

/// What follows `/admin/sign-in?link=`.
pub fn issue(
    key: &SigningKey,
    caller: &Caller,
    now: OffsetDateTime,
    lifetime: Duration,
    randomness: &Randomness,
) -> Result<String, KeyError> {
    let number: [u8; 16] = randomness.bytes();
    let claims = Claims {
        sub: caller.member.clone(),
        tenant: caller.tenant.clone(),
        roles: caller.roles.clone(),
        exp: (now + lifetime).unix_timestamp(),
        jti: number.iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    key.sign(KIND, &claims)
}

/// Who signs in with `link`, if it is good at `now`, and until when it would be.
pub fn verify(
    keys: &VerifyingKeys,
    link: &str,
    now: OffsetDateTime,
) -> Result<(Caller, OffsetDateTime), Unwelcome> {
    let claims: Claims = keys.verify(KIND, link)?;
    let until = OffsetDateTime::from_unix_timestamp(claims.exp).map_err(|_| Unwelcome::Expired)?;
    match until <= now {
        true => Err(Unwelcome::Expired),
        false => {
            let caller = Caller {
                tenant: claims.tenant,
                member: claims.sub,
                roles: claims.roles,
            };
            Ok((caller, until))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access_token;

    #[test]
    fn a_link_is_good_for_its_time_and_is_no_access_token() {
        let key = SigningKey::ephemeral().unwrap();
        let caller = Caller {
            tenant: "zhipu".parse().unwrap(),
            member: "li".parse().unwrap(),
            roles: BTreeSet::from([Role::Reviewer]),
        };
        let (now, minutes) = (
            OffsetDateTime::UNIX_EPOCH + Duration::days(1),
            Duration::minutes(10),
        );
        let randomness = Randomness::default();
        let link = issue(&key, &caller, now, minutes, &randomness).unwrap();
        assert_ne!(link, issue(&key, &caller, now, minutes, &randomness).unwrap());
        assert_eq!(
            verify(&key.public(), &link, now),
            Ok((caller.clone(), now + minutes))
        );
        assert_eq!(
            verify(&key.public(), &link, now + minutes),
            Err(Unwelcome::Expired)
        );
        assert!(access_token::verify(&key.public(), &link, now).is_err());
        let token = access_token::issue(&key, &caller, now, minutes).unwrap();
        assert!(verify(&key.public(), &token, now).is_err());
    }
}
