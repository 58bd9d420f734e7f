//! Public keys of issuers elsewhere (RFC 7517), and tokens that they signed (RFC 7519).

use crate::signing::TokenError;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    errors::ErrorKind,
    jwk::{Jwk, KeyAlgorithm, PublicKeyUse},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// An algorithm by which issuers may sign: one with a public key, never one whose key both sides have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum IssuerAlgorithm {
    /// RSA with PKCS #1 v1.5 and SHA-256.
    RS256,
    /// The same with SHA-384.
    RS384,
    /// The same with SHA-512.
    RS512,
    /// RSA with PSS and SHA-256.
    PS256,
    /// The same with SHA-384.
    PS384,
    /// The same with SHA-512.
    PS512,
    /// ECDSA on P-256.
    ES256,
    /// ECDSA on P-384.
    ES384,
    /// Ed25519.
    EdDSA,
}

impl From<IssuerAlgorithm> for Algorithm {
    fn from(algorithm: IssuerAlgorithm) -> Self {
        match algorithm {
            IssuerAlgorithm::RS256 => Algorithm::RS256,
            IssuerAlgorithm::RS384 => Algorithm::RS384,
            IssuerAlgorithm::RS512 => Algorithm::RS512,
            IssuerAlgorithm::PS256 => Algorithm::PS256,
            IssuerAlgorithm::PS384 => Algorithm::PS384,
            IssuerAlgorithm::PS512 => Algorithm::PS512,
            IssuerAlgorithm::ES256 => Algorithm::ES256,
            IssuerAlgorithm::ES384 => Algorithm::ES384,
            IssuerAlgorithm::EdDSA => Algorithm::EdDSA,
        }
    }
}

/// What a token says of itself. Nobody has vouched for it yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// Who is said to have issued it.
    pub issuer: String,
    /// With which key.
    pub kid: Option<String>,
}

impl Claimed {
    /// Of a token; none if it is none.
    pub fn by(token: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Issued {
            iss: String,
        }
        let kid = decode_header(token).ok()?.kid;
        let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
        let issued: Issued = serde_json::from_slice(&payload).ok()?;
        Some(Self {
            issuer: issued.iss,
            kid,
        })
    }
}

/// The keys of one issuer that are there for signatures, by name.
#[derive(Debug, Clone, Default)]
pub struct IssuerKeys(BTreeMap<String, Jwk>);

impl IssuerKeys {
    /// The keys of a JSON Web Key Set. Those for other ends, without a name or of a kind that is not known here are left
    /// out; none if it is no key set.
    pub fn read(set: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let set: Set = serde_json::from_slice(set).ok()?;
        let keys = set.keys.into_iter().filter_map(|key| {
            let key: Jwk = serde_json::from_value(key).ok()?;
            let signs = matches!(key.common.public_key_use, None | Some(PublicKeyUse::Signature));
            let name = key.common.key_id.clone().filter(|_| signs)?;
            DecodingKey::from_jwk(&key).ok()?;
            Some((name, key))
        });
        Some(Self(keys.collect()))
    }

    /// Whether there is a key of this name.
    pub fn has(&self, kid: &str) -> bool {
        self.0.contains_key(kid)
    }

    /// The claims of a token that one of the keys has signed by one of `algorithms`. Whom and when it is for is the
    /// caller's to check.
    pub fn verify(&self, token: &str, algorithms: &[IssuerAlgorithm]) -> Result<Value, TokenError> {
        let malformed = |detail: &str| TokenError::Malformed(detail.to_owned());
        let header = decode_header(token).map_err(|error| TokenError::Malformed(error.to_string()))?;
        let allowed: Vec<Algorithm> = algorithms.iter().map(|&one| one.into()).collect();
        if !allowed.contains(&header.alg) {
            return Err(malformed("its algorithm is not one of this issuer's"));
        }
        let kid = header.kid.ok_or_else(|| malformed("it names no key"))?;
        let key = self.0.get(&kid).ok_or(TokenError::ForeignKey)?;
        let meant = key.common.key_algorithm;
        if meant.is_some_and(|meant| meant != KeyAlgorithm::from(header.alg)) {
            return Err(malformed("its algorithm is not that of its key"));
        }
        let decoding =
            DecodingKey::from_jwk(key).map_err(|_| malformed("its key is of a kind not known here"))?;
        let mut validation = Validation::new(header.alg);
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        match decode::<Value>(token, &decoding, &validation) {
            Ok(data) => Ok(data.claims),
            Err(error) => Err(match error.kind() {
                ErrorKind::InvalidSignature => TokenError::Forged,
                _ => TokenError::Malformed(error.to_string()),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing::SigningKey;
    use jsonwebtoken::{EncodingKey, Header, encode};
    use proptest::prelude::*;
    use serde_json::json;

    const ALL: [IssuerAlgorithm; 2] = [IssuerAlgorithm::EdDSA, IssuerAlgorithm::RS256];

    /// A key, the set that tells it under `kid`, and a token that it signed.
    fn issued(more: &Value) -> (IssuerKeys, String, String) {
        let key = SigningKey::ephemeral().unwrap();
        let mut set = key.public().jwks();
        for (name, value) in more.as_object().unwrap() {
            set["keys"][0][name] = value.clone();
        }
        let token = key
            .sign("JWT", &json!({ "iss": "https://issuer", "sub": "li" }))
            .unwrap();
        let keys = IssuerKeys::read(set.to_string().as_bytes()).unwrap();
        (keys, token, key.kid().to_owned())
    }

    #[test]
    fn a_token_is_believed_by_its_issuers_key_and_says_who_that_is() {
        let (keys, token, kid) = issued(&json!({}));
        assert_eq!(keys.verify(&token, &ALL).unwrap()["sub"], "li");
        let claimed = Claimed::by(&token).unwrap();
        assert_eq!(
            (claimed.issuer.as_str(), claimed.kid.as_deref()),
            ("https://issuer", Some(kid.as_str()))
        );
        assert!(keys.has(&kid));
        let (others, foreign, _) = issued(&json!({}));
        assert_eq!(keys.verify(&foreign, &ALL), Err(TokenError::ForeignKey));
        let (head, _) = token.rsplit_once('.').unwrap();
        let (_, signature) = foreign.rsplit_once('.').unwrap();
        let forged = format!("{head}.{signature}");
        assert_eq!(keys.verify(&forged, &ALL), Err(TokenError::Forged));
        assert_eq!(others.verify(&forged, &ALL), Err(TokenError::ForeignKey));
    }

    #[test]
    fn an_algorithm_that_is_not_allowed_or_not_the_keys_is_refused() {
        let (keys, token, kid) = issued(&json!({}));
        let refused = |keys: &IssuerKeys, token: &str, allowed: &[IssuerAlgorithm]| {
            matches!(keys.verify(token, allowed), Err(TokenError::Malformed(_)))
        };
        assert!(refused(&keys, &token, &[IssuerAlgorithm::RS256]));
        let (other, token, _) = issued(&json!({ "alg": "RS256" }));
        assert!(refused(&other, &token, &ALL));
        // The public key as the secret of an HMAC.
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some(kid);
        let public = serde_json::to_vec(&keys.0.values().next().unwrap()).unwrap();
        let shared = encode(&header, &json!({}), &EncodingKey::from_secret(&public)).unwrap();
        assert!(refused(&keys, &shared, &ALL));
        let payload = URL_SAFE_NO_PAD.encode(b"{\"iss\":\"https://issuer\"}");
        let none = URL_SAFE_NO_PAD.encode(b"{\"alg\":\"none\"}");
        assert!(refused(&keys, &format!("{none}.{payload}."), &ALL));
        let unnamed = encode(&Header::new(Algorithm::EdDSA), &json!({}), &key_of()).unwrap();
        assert!(refused(&keys, &unnamed, &ALL));
    }

    fn key_of() -> EncodingKey {
        let pair = aws_lc_rs::signature::Ed25519KeyPair::generate().unwrap();
        let pkcs8 = pair.to_pkcs8().unwrap();
        EncodingKey::from_ed_der(pkcs8.as_ref())
    }

    #[test]
    fn keys_for_other_ends_are_left_out() {
        for more in [
            json!({ "use": "enc" }),
            json!({ "kty": "novel" }),
            json!({ "kid": null }),
        ] {
            let (keys, _, kid) = issued(&more);
            assert!(!keys.has(&kid), "{more}");
        }
        assert!(IssuerKeys::read(b"{}").is_none());
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "[A-Za-z0-9_.-]{0,80}", other in "\\PC*") {
            for token in [&text, &other] {
                let _ = Claimed::by(token);
                prop_assert!(IssuerKeys::default().verify(token, &ALL).is_err());
            }
        }
    }
}
