//! The secret that an endpoint's webhooks are signed with, and the signature.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac as _};
use secrecy::{ExposeSecret as _, SecretBox};
use sha2::Sha256;
use std::{fmt, str::FromStr};

const PREFIX: &str = "whsec_";
/// How many random bytes a secret is.
pub const SECRET_BYTES: usize = 32;
/// The lengths that receivers' libraries take, in bytes.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// The secret of an endpoint. It does not print; it is wiped from memory when dropped.
pub struct EndpointSecret(SecretBox<[u8]>);

/// The text is not a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a secret is `whsec_` and 24 to 64 bytes in base64")]
pub struct BadSecret;

impl EndpointSecret {
    /// A secret of random bytes that nobody else knows.
    pub fn of(random: [u8; SECRET_BYTES]) -> Self {
        Self(SecretBox::new(Box::from(random)))
    }

    /// As the receiver and the records keep it.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(self.0.expose_secret()))
    }

    /// The `webhook-signature` of `body`, sent as message `id` at `timestamp` (seconds since 1970).
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose_secret()).expect("a key of any length");
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for EndpointSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EndpointSecret(…)")
    }
}

impl FromStr for EndpointSecret {
    type Err = BadSecret;

    fn from_str(text: &str) -> Result<Self, BadSecret> {
        let bytes = text
            .strip_prefix(PREFIX)
            .and_then(|text| STANDARD.decode(text).ok())
            .ok_or(BadSecret)?;
        let secret = SecretBox::new(bytes.into_boxed_slice());
        if LENGTHS.contains(&secret.expose_secret().len()) {
            Ok(Self(secret))
        } else {
            Err(BadSecret)
        }
    }
}
