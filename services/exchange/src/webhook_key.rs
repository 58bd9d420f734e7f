//! The asymmetric signature of Standard Webhooks: Ed25519 over `id.timestamp.body`, `v1a`.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::webhook::EndpointSeed;

/// The private key of an endpoint, ready to sign.
pub struct WebhookKey(Ed25519KeyPair);

/// The cryptographic library takes no such key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key of a webhook endpoint cannot be used")]
pub struct UnusableKey;

impl WebhookKey {
    /// The key that `seed` makes.
    pub fn of(seed: &EndpointSeed) -> Result<Self, UnusableKey> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.bytes());
        pair.map(Self).map_err(|_| UnusableKey)
    }

    /// What receivers verify with: `whpk_` and the public key in base64.
    pub fn public(&self) -> String {
        format!("whpk_{}", STANDARD.encode(self.0.public_key().as_ref()))
    }

    /// A token of `webhook-signature` for `body`, sent as message `id` at `timestamp` (seconds since 1970).
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut content = format!("{id}.{timestamp}.").into_bytes();
        content.extend_from_slice(body);
        format!("v1a,{}", STANDARD.encode(self.0.sign(&content).as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
    use domain::webhook::SEED_BYTES;

    /// The first key of RFC 8032, section 7.1.
    #[test]
    fn the_public_half_is_that_of_the_standard() {
        let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        let bytes = |hex: &str| -> Vec<u8> {
            let digit = |place| u8::from_str_radix(&hex[place..place + 2], 16).unwrap();
            (0..hex.len()).step_by(2).map(digit).collect()
        };
        let seed = EndpointSeed::of(<[u8; SEED_BYTES]>::try_from(bytes(seed)).unwrap());
        let key = WebhookKey::of(&seed).unwrap();
        assert_eq!(key.public(), format!("whpk_{}", STANDARD.encode(bytes(public))));
        let token = key.sign("evt_1", 17, b"{}");
        let signature = STANDARD.decode(token.strip_prefix("v1a,").unwrap()).unwrap();
        let verifier = UnparsedPublicKey::new(&ED25519, bytes(public));
        assert!(verifier.verify(b"evt_1.17.{}", &signature).is_ok());
        assert!(verifier.verify(b"evt_1.18.{}", &signature).is_err());
    }
}
