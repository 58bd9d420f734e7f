//! Ed25519 keys: the hub signs grants and access tokens with one, everybody may verify.
//!
//! A key is a file of its own with tight permissions. Tokens name their key (`kid`), so that keys can be
//! changed with an overlap: a [`VerifyingKeys`] holds all that are still good.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::digest::Sha256;
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use serde::{Serialize, de::DeserializeOwned};
use std::{collections::BTreeMap, fs, io, io::Write, path::Path};

/// A key could not be made, read or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("key file {file}: {source}")]
    File {
        /// Which file.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// The file holds no key of the expected kind.
    #[error("key file {0} holds no Ed25519 key")]
    Malformed(String),
    /// The file holds no public keys.
    #[error("{0} is no JSON Web Key Set with Ed25519 keys")]
    NoKeySet(String),
    /// Others can read the private key.
    #[error(
        "key file {0} can be read by others: `chmod 600` it, and make a new key if it may have been read"
    )]
    Exposed(String),
    /// The cryptographic library refused.
    #[error("the key cannot be used: {0}")]
    Crypto(String),
}

/// Why a token is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a token, another algorithm than EdDSA, or claims of another form.
    #[error("the token is malformed: {0}")]
    Malformed(String),
    /// No key of that name is known here.
    #[error("the token was signed with a key that is not known here")]
    ForeignKey,
    /// The signature does not fit.
    #[error("the token's signature does not fit")]
    Forged,
}

impl KeyError {
    /// `source` happened to `file`.
    pub(crate) fn in_file_of(file: &Path, source: io::Error) -> Self {
        KeyError::File {
            file: file.display().to_string(),
            source,
        }
    }
}

/// A private key and its name.
pub struct SigningKey {
    kid: String,
    pair: Ed25519KeyPair,
    public: [u8; 32],
    /// Keys that were replaced and still hold.
    accepted: VerifyingKeys,
    /// Keys that verify what is past, and allow nothing.
    retired: VerifyingKeys,
}

/// The public keys that are good now, by name.
#[derive(Clone, Default)]
pub struct VerifyingKeys(BTreeMap<String, [u8; 32]>);

fn kid_of(public: &[u8; 32]) -> String {
    Sha256::of(public).to_string()[..16].to_owned()
}

impl SigningKey {
    /// Reads the key from `file`; if there is none, makes one first, readable by its owner only.
    pub fn load_or_create(file: &Path) -> Result<Self, KeyError> {
        let io_error = |source| KeyError::in_file_of(file, source);
        match fs::read(file) {
            Ok(pkcs8) => {
                refuse_exposed(file)?;
                Self::from_pkcs8(&pkcs8).map_err(|_| KeyError::Malformed(file.display().to_string()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let pkcs8 = generate()?;
                match write_private(file, &pkcs8) {
                    Ok(()) => Self::from_pkcs8(&pkcs8),
                    // Another process was first: its key is the key.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Self::load_or_create(file),
                    Err(error) => Err(io_error(error)),
                }
            }
            Err(error) => Err(io_error(error)),
        }
    }

    /// A fresh key that is kept nowhere.
    pub fn ephemeral() -> Result<Self, KeyError> {
        Self::from_pkcs8(&generate()?)
    }

    fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|error| KeyError::Crypto(error.to_string()))?;
        let public: [u8; 32] = pair
            .public_key()
            .as_ref()
            .try_into()
            .map_err(|_| KeyError::Crypto("public key of odd length".into()))?;
        Ok(Self {
            kid: kid_of(&public),
            pair,
            public,
            accepted: VerifyingKeys::default(),
            retired: VerifyingKeys::default(),
        })
    }

    /// The name of the key: the first half of the digest of its public part.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// This key beside others: replaced ones that still hold, and retired ones.
    pub fn beside(mut self, accepted: VerifyingKeys, retired: VerifyingKeys) -> Self {
        (self.accepted, self.retired) = (accepted, retired);
        self
    }

    /// The public keys whose signatures hold: its own, and those of keys that it has replaced and that are not retired.
    pub fn public(&self) -> VerifyingKeys {
        let mut keys = VerifyingKeys(BTreeMap::from([(self.kid.clone(), self.public)]));
        keys.merge(self.accepted.clone());
        keys
    }

    /// The public keys that ever were, for those who look back: a retired key's signature allows nothing.
    pub fn every(&self) -> VerifyingKeys {
        let mut keys = self.public();
        keys.merge(self.retired.clone());
        keys
    }

    /// The public part as it is.
    pub fn public_bytes(&self) -> &[u8; 32] {
        &self.public
    }

    /// The signature over `bytes`.
    pub fn sign_bytes(&self, bytes: &[u8]) -> Vec<u8> {
        self.pair.sign(bytes).as_ref().to_vec()
    }

    /// `claims` as a compact JWS of type `kind`, signed. `jsonwebtoken`'s `encode` would read the key anew each time, which takes
    /// longer than signing.
    pub fn sign<T: Serialize>(&self, kind: &str, claims: &T) -> Result<String, KeyError> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.kid.clone());
        header.typ = Some(kind.to_owned());
        let json = |error: serde_json::Error| KeyError::Crypto(error.to_string());
        let mut token = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header).map_err(json)?);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(claims).map_err(json)?, &mut token);
        let signature = self.pair.sign(token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }
}

impl VerifyingKeys {
    /// Adds the keys of `other`.
    pub fn merge(&mut self, other: VerifyingKeys) {
        self.0.extend(other.0);
    }

    /// The claims of a token of type `kind` whose signature fits. Times are the caller's to check.
    pub fn verify<T: DeserializeOwned>(&self, kind: &str, token: &str) -> Result<T, TokenError> {
        let header = decode_header(token).map_err(|error| TokenError::Malformed(error.to_string()))?;
        if header.alg != Algorithm::EdDSA {
            return Err(TokenError::Malformed("the algorithm is not EdDSA".into()));
        }
        if header.typ.as_deref() != Some(kind) {
            return Err(TokenError::Malformed(format!("it is not a {kind}")));
        }
        let kid = header.kid.ok_or(TokenError::ForeignKey)?;
        let public = self.0.get(&kid).ok_or(TokenError::ForeignKey)?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let claims = decode::<T>(token, &DecodingKey::from_ed_der(public), &validation);
        claims
            .map(|data| data.claims)
            .map_err(|error| match error.kind() {
                jsonwebtoken::errors::ErrorKind::InvalidSignature => TokenError::Forged,
                _ => TokenError::Malformed(error.to_string()),
            })
    }

    /// Whether one of the keys has made `signature` over `bytes`.
    pub fn have_signed(&self, bytes: &[u8], signature: &[u8]) -> bool {
        let fits = |public: &[u8; 32]| UnparsedPublicKey::new(&ED25519, public).verify(bytes, signature);
        self.0.values().any(|public| fits(public).is_ok())
    }

    /// The keys of a file that holds a JSON Web Key Set.
    pub fn read(file: &Path) -> Result<Self, KeyError> {
        let text = fs::read(file).map_err(|error| KeyError::in_file_of(file, error))?;
        let set = serde_json::from_slice(&text).ok();
        let keys = set.as_ref().and_then(Self::from_jwks);
        keys.ok_or_else(|| KeyError::NoKeySet(file.display().to_string()))
    }

    /// The Ed25519 keys of a JSON Web Key Set. Each is named by what it is, whatever the set says.
    pub fn from_jwks(set: &serde_json::Value) -> Option<Self> {
        let key = |key: &serde_json::Value| {
            let x = URL_SAFE_NO_PAD.decode(key["x"].as_str()?).ok()?;
            let public: [u8; 32] = x.try_into().ok()?;
            (key["crv"] == "Ed25519").then(|| (kid_of(&public), public))
        };
        let keys: Option<BTreeMap<_, _>> = set["keys"].as_array()?.iter().map(key).collect();
        keys.filter(|keys| !keys.is_empty()).map(Self)
    }

    /// Every key with its name.
    pub fn each(&self) -> impl Iterator<Item = (&str, &[u8; 32])> {
        self.0.iter().map(|(kid, public)| (kid.as_str(), public))
    }

    /// The keys as a JSON Web Key Set.
    pub fn jwks(&self) -> serde_json::Value {
        let key = |(kid, public): (&String, &[u8; 32])| {
            serde_json::json!({
                "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA",
                "kid": kid, "x": URL_SAFE_NO_PAD.encode(public),
            })
        };
        serde_json::json!({ "keys": self.0.iter().map(key).collect::<Vec<_>>() })
    }
}

fn generate() -> Result<Vec<u8>, KeyError> {
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
    document
        .map(|pkcs8| pkcs8.as_ref().to_vec())
        .map_err(|error| KeyError::Crypto(error.to_string()))
}

/// Writes beside the place first and links it there, so that no half-written key is ever seen.
pub(crate) fn write_private(file: &Path, bytes: &[u8]) -> io::Result<()> {
    draft(file, bytes)?
        .persist_noclobber(file)
        .map_err(|error| error.error)?;
    fs::File::open(folder_of(file))?.sync_all()
}

/// Puts a fresh key in the place of the one in `file`: at every moment one of the two is there, whole.
pub(crate) fn replace_private(file: &Path) -> Result<(), KeyError> {
    let pkcs8 = generate()?;
    let written = draft(file, &pkcs8).and_then(|draft| {
        draft.persist(file).map_err(|error| error.error)?;
        fs::File::open(folder_of(file))?.sync_all()
    });
    written.map_err(|error| KeyError::in_file_of(file, error))
}

fn draft(file: &Path, bytes: &[u8]) -> io::Result<tempfile::NamedTempFile> {
    let folder = folder_of(file);
    fs::create_dir_all(folder)?;
    let mut draft = tempfile::Builder::new().prefix(".key-").tempfile_in(folder)?;
    draft.write_all(bytes)?;
    draft.as_file().sync_all()?;
    Ok(draft)
}

fn folder_of(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new("."))
}

#[cfg(unix)]
fn refuse_exposed(file: &Path) -> Result<(), KeyError> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = fs::metadata(file).map_err(|source| KeyError::in_file_of(file, source))?;
    if metadata.permissions().mode() & 0o077 == 0 {
        Ok(())
    } else {
        Err(KeyError::Exposed(file.display().to_string()))
    }
}

#[cfg(not(unix))]
fn refuse_exposed(_file: &Path) -> Result<(), KeyError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_token_is_believed_only_with_its_own_key_and_type() {
        let (ours, theirs) = (SigningKey::ephemeral().unwrap(), SigningKey::ephemeral().unwrap());
        let token = ours.sign("grant", &json!({"a": 1})).unwrap();
        assert_eq!(
            ours.public().verify::<Value>("grant", &token),
            Ok(json!({"a": 1}))
        );
        assert_eq!(
            theirs.public().verify::<Value>("grant", &token),
            Err(TokenError::ForeignKey)
        );
        assert!(matches!(
            ours.public().verify::<Value>("access", &token),
            Err(TokenError::Malformed(_))
        ));
    }

    #[test]
    fn a_token_is_the_one_that_the_library_makes() {
        let pkcs8 = generate().unwrap();
        let key = SigningKey::from_pkcs8(&pkcs8).unwrap();
        let claims = json!({ "tenant": "ünï \"1\"", "exp": 1_796_205_500, "terms": null });
        let header = Header {
            kid: Some(key.kid().to_owned()),
            typ: Some("grant".to_owned()),
            ..Header::new(Algorithm::EdDSA)
        };
        let encoded = jsonwebtoken::encode(&header, &claims, &jsonwebtoken::EncodingKey::from_ed_der(&pkcs8));
        assert_eq!(key.sign("grant", &claims).unwrap(), encoded.unwrap());
    }

    #[test]
    fn an_altered_token_is_forged() {
        let key = SigningKey::ephemeral().unwrap();
        let token = key.sign("grant", &json!({"a": 1})).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let altered = format!(
            "{}.{}.{}",
            parts[0],
            URL_SAFE_NO_PAD.encode(r#"{"a":2}"#),
            parts[2]
        );
        assert_eq!(
            key.public().verify::<Value>("grant", &altered),
            Err(TokenError::Forged)
        );
    }

    #[test]
    fn an_unsigned_token_is_malformed() {
        let key = SigningKey::ephemeral().unwrap();
        let header =
            URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"none","typ":"grant","kid":"{}"}}"#, key.kid()));
        let token = format!("{header}.{}.", URL_SAFE_NO_PAD.encode("{}"));
        assert!(matches!(
            key.public().verify::<Value>("grant", &token),
            Err(TokenError::Malformed(_))
        ));
    }

    #[cfg(unix)]
    #[test]
    fn a_key_file_is_made_once_and_private() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys/hub.key");
        let first = SigningKey::load_or_create(&file).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(SigningKey::load_or_create(&file).unwrap().kid(), first.kid());
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            SigningKey::load_or_create(&file),
            Err(KeyError::Exposed(_))
        ));
    }
}
