//! A sign-in at an issuer that a browser has begun: what must come back, kept in a cookie of that browser and signed by
//! the hub, so that every process of a hub can go on with it.

use crate::{access_token::Unwelcome, randomness::Randomness};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use domain::digest::Sha256;
use exchange::signing::{KeyError, SigningKey, VerifyingKeys};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

/// A cookie of this kind is no link, no access token and no grant.
const KIND: &str = "issuer-sign-in+jwt";
/// How long members may take at their issuer.
pub const LONGEST: Duration = Duration::minutes(10);

/// See the module's text.
#[derive(Serialize, Deserialize)]
pub struct Attempt {
    /// Where the member signs in.
    pub issuer: String,
    /// What the answer must come with.
    pub state: String,
    /// What the ID token must say.
    pub nonce: String,
    /// What shows at the token endpoint that the code was made for this hub (RFC 7636).
    pub verifier: String,
    /// The page that is shown at the end.
    pub return_to: String,
    exp: i64,
}

impl Attempt {
    /// A fresh one.
    pub fn begin(issuer: String, return_to: String, now: OffsetDateTime, randomness: &Randomness) -> Self {
        let word = || BASE64.encode(randomness.bytes::<32>());
        Self {
            issuer,
            state: word(),
            nonce: word(),
            verifier: word(),
            return_to,
            exp: (now + LONGEST).unix_timestamp(),
        }
    }

    /// As the cookie carries it.
    pub fn signed(&self, key: &SigningKey) -> Result<String, KeyError> {
        key.sign(KIND, self)
    }

    /// The one that `cookie` carries, if it is good at `now`.
    pub fn read(keys: &VerifyingKeys, cookie: &str, now: OffsetDateTime) -> Result<Self, Unwelcome> {
        let attempt: Self = keys.verify(KIND, cookie)?;
        match attempt.exp <= now.unix_timestamp() {
            true => Err(Unwelcome::Expired),
            false => Ok(attempt),
        }
    }

    /// Whether an answer with `state` belongs to it. Digests are compared, so that the time it takes tells nothing.
    pub fn is_answered_by(&self, state: &str) -> bool {
        Sha256::of(state.as_bytes()) == Sha256::of(self.state.as_bytes())
    }

    /// What the issuer keeps until it sees the verifier, by S256.
    pub fn challenge(&self) -> String {
        BASE64.encode(Sha256::of(self.verifier.as_bytes()).as_bytes())
    }

    /// What it is known by once it has opened a session.
    pub fn sha256(&self) -> Sha256 {
        Sha256::of(format!("{KIND}\0{}", self.state).as_bytes())
    }

    /// When it is over.
    pub fn ends_at(&self, now: OffsetDateTime) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(self.exp).unwrap_or(now + LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign_in_link;
    use domain::access::Caller;
    use std::collections::BTreeSet;

    #[test]
    fn an_attempt_is_good_for_its_time_is_nobody_elses_and_no_link() {
        let key = SigningKey::ephemeral().unwrap();
        let randomness = Randomness::default();
        let now = OffsetDateTime::UNIX_EPOCH + Duration::days(1);
        let begin = || Attempt::begin("https://sso".into(), "/admin/batches".into(), now, &randomness);
        let (one, other) = (begin(), begin());
        let words = [
            &one.state,
            &one.nonce,
            &one.verifier,
            &other.state,
            &other.nonce,
            &other.verifier,
        ];
        assert_eq!(BTreeSet::from(words).len(), 6);
        assert!(one.is_answered_by(&one.state) && !one.is_answered_by(&other.state));
        let cookie = one.signed(&key).unwrap();
        let late = now + LONGEST - Duration::seconds(1);
        let read = Attempt::read(&key.public(), &cookie, late).unwrap();
        assert_eq!(
            (&read.verifier, read.return_to.as_str()),
            (&one.verifier, "/admin/batches")
        );
        assert_eq!((read.sha256(), read.ends_at(now)), (one.sha256(), now + LONGEST));
        assert!(Attempt::read(&key.public(), &cookie, now + LONGEST).is_err());
        assert!(Attempt::read(&SigningKey::ephemeral().unwrap().public(), &cookie, now).is_err());
        assert!(sign_in_link::verify(&key.public(), &cookie, now).is_err());
        let caller = Caller {
            tenant: "acme".parse().unwrap(),
            member: "li".parse().unwrap(),
            roles: BTreeSet::new(),
        };
        let link = sign_in_link::issue(&key, &caller, now, LONGEST, &randomness).unwrap();
        assert!(Attempt::read(&key.public(), &link, now).is_err());
    }

    #[test]
    fn the_challenge_is_that_of_the_standards_example() {
        let attempt = Attempt {
            verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".into(),
            ..Attempt::begin(
                String::new(),
                String::new(),
                OffsetDateTime::UNIX_EPOCH,
                &Randomness::default(),
            )
        };
        assert_eq!(attempt.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
