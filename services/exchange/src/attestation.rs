//! Statements about answers, signed: DSSE envelopes (secure-systems-lab/dsse, version 1) with Ed25519, as in-toto
//! attestations travel.

use crate::signing::{SigningKey, VerifyingKeys};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// What the payload of an envelope is.
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// A statement with its signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// The statement's JSON, in base64.
    pub payload: String,
    /// `application/vnd.in-toto+json`.
    #[serde(rename = "payloadType")]
    pub payload_type: String,
    /// One signature.
    pub signatures: Vec<EnvelopeSignature>,
}

/// A signature of an envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvelopeSignature {
    /// The key's name in the hub's JSON Web Key Set. A hint: every trusted key is tried.
    pub keyid: String,
    /// The signature, in base64.
    pub sig: String,
}

/// Why an envelope is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttestationError {
    /// It holds no statement of the form that is known here.
    #[error("it is no signed statement: {0}")]
    Malformed(String),
    /// No trusted key has signed it.
    #[error("none of the known keys has signed it, or it was altered")]
    Unsigned,
}

/// `statement`, of whatever predicate, signed.
pub fn sign(key: &SigningKey, statement: &impl Serialize) -> Result<Envelope, AttestationError> {
    let malformed = |error: serde_json::Error| AttestationError::Malformed(error.to_string());
    let payload = serde_json::to_vec(statement).map_err(malformed)?;
    let sig = key.sign_bytes(&signed_bytes(PAYLOAD_TYPE, &payload));
    Ok(Envelope {
        payload: STANDARD.encode(payload),
        payload_type: PAYLOAD_TYPE.into(),
        signatures: vec![EnvelopeSignature {
            keyid: key.kid().to_owned(),
            sig: STANDARD.encode(sig),
        }],
    })
}

/// The statement of `envelope`, if one of `keys` has signed it and it is of the form of `S`.
pub fn verify<S: DeserializeOwned>(keys: &VerifyingKeys, envelope: &Envelope) -> Result<S, AttestationError> {
    let malformed = |what: String| AttestationError::Malformed(what);
    if envelope.payload_type != PAYLOAD_TYPE {
        return Err(malformed(format!("its payload is no {PAYLOAD_TYPE}")));
    }
    let payload = STANDARD
        .decode(&envelope.payload)
        .map_err(|error| malformed(error.to_string()))?;
    let bytes = signed_bytes(PAYLOAD_TYPE, &payload);
    let mut signatures = envelope
        .signatures
        .iter()
        .filter_map(|one| STANDARD.decode(&one.sig).ok());
    if !signatures.any(|sig| keys.have_signed(&bytes, &sig)) {
        return Err(AttestationError::Unsigned);
    }
    serde_json::from_slice(&payload).map_err(|error| malformed(error.to_string()))
}

/// What a signature of DSSE is over: its "pre-authentication encoding".
fn signed_bytes(kind: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::Desk;
    use domain::{
        digest::Sha256,
        provenance::{GrantGiven, LicenseHeld, ModelUsed, PageRead, Provenance, QuestionAsked, Statement},
    };

    fn statement(desk: &Desk) -> Statement {
        let question = desk.question("What is the total?");
        let grant = desk.grant(std::slice::from_ref(&question));
        let provenance = Provenance {
            tenant: grant.tenant.clone(),
            purpose: grant.purpose,
            batch: desk.ids.make(),
            page: PageRead {
                document: desk.ids.make(),
                number: Some(1),
                sha256: grant.page_sha256,
            },
            question: QuestionAsked {
                sha256: Sha256::of(question.text.as_bytes()),
                parameters: question.parameters.clone(),
            },
            model: ModelUsed {
                name: grant.model.clone(),
                revision_sha256: grant.revision_sha256,
                artifacts: Vec::new(),
            },
            license: LicenseHeld {
                decision: grant.decision,
                policies_sha256: None,
                terms_sha256: grant.terms_sha256,
                acceptances: vec![desk.ids.make()],
                notices: vec!["Built with glm-4".into()],
            },
            grant: GrantGiven {
                order: grant.order,
                attempt: grant.attempt,
                sha256: Sha256::of(b"token"),
            },
            engine: "glmhub 1".into(),
            worker: "wrk_1".into(),
            answered_at: "2026-01-01T00:00:00Z".into(),
            shared_from: None,
        };
        Statement::of(question.job, "42", provenance)
    }

    #[test]
    fn the_signed_bytes_are_those_of_the_published_example() {
        assert_eq!(
            signed_bytes("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }

    #[test]
    fn a_statement_is_believed_from_a_trusted_key_alone() {
        let (desk, other) = (Desk::new(), Desk::new());
        let statement = statement(&desk);
        let envelope = sign(&desk.key, &statement).unwrap();
        assert_eq!(verify(&desk.key.public(), &envelope), Ok(statement));
        assert_eq!(
            verify::<Statement>(&other.key.public(), &envelope),
            Err(AttestationError::Unsigned)
        );
    }

    #[test]
    fn an_altered_statement_is_not_believed() {
        let desk = Desk::new();
        let mut envelope = sign(&desk.key, &statement(&desk)).unwrap();
        let text = String::from_utf8(STANDARD.decode(&envelope.payload).unwrap()).unwrap();
        envelope.payload = STANDARD.encode(text.replace("commercial", "research"));
        assert_eq!(
            verify::<Statement>(&desk.key.public(), &envelope),
            Err(AttestationError::Unsigned)
        );
        envelope.payload_type = "text/plain".into();
        assert!(matches!(
            verify::<Statement>(&desk.key.public(), &envelope),
            Err(AttestationError::Malformed(_))
        ));
    }
}
