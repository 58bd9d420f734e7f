//! Where an answer came from: which terms, decision, model bytes, page bytes, engine and parameters made it.
//!
//! It is an in-toto Statement (in-toto attestation framework, version 1) about the answer's text, made from rows that
//! the audit log vouches for. `exchange::attestation` signs it.

use crate::{
    digest::Sha256,
    grant::Grant,
    id::{AcceptanceId, BatchId, DecisionId, DocumentId, JobId, OrderId},
    model::Artifact,
    names::{ModelName, TenantName},
    order::Parameters,
    purpose::Purpose,
};
use serde::{Deserialize, Serialize};

/// What in-toto calls a statement of its first version.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// What the predicate below is called.
pub const PREDICATE_TYPE: &str = "urn:glmhub:answer-provenance:v1";

/// An in-toto Statement about one answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// [`STATEMENT_TYPE`].
    #[serde(rename = "_type")]
    pub kind: String,
    /// The answer's text, named by its job.
    pub subject: Vec<Subject>,
    /// [`PREDICATE_TYPE`].
    #[serde(rename = "predicateType")]
    pub predicate_type: String,
    /// Where it came from.
    pub predicate: Provenance,
}

/// What a statement is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// The job.
    pub name: JobId,
    /// The digest of the answer's text.
    pub digest: SubjectDigest,
}

/// A digest as in-toto writes it: by its algorithm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectDigest {
    /// SHA-256.
    pub sha256: Sha256,
}

/// Where an answer came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// Whose answer it is.
    pub tenant: TenantName,
    /// The use that was allowed.
    pub purpose: Purpose,
    /// The batch.
    pub batch: BatchId,
    /// The page that was read.
    pub page: PageRead,
    /// What was asked.
    pub question: QuestionAsked,
    /// What read it.
    pub model: ModelUsed,
    /// What allowed it.
    pub license: LicenseHeld,
    /// How the work was granted to a worker.
    pub grant: GrantGiven,
    /// Name and version of the engine.
    pub engine: String,
    /// The worker.
    pub worker: String,
    /// When the answer was stored, in the form of RFC 3339.
    pub answered_at: String,
    /// The job of the same batch for which it was computed, if that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_from: Option<JobId>,
}

/// The page that was read, or the text of what pages of its document answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageRead {
    /// Its document.
    pub document: DocumentId,
    /// Its number in the document, from 1; none for the text of more than one.
    pub number: Option<u32>,
    /// Its bytes.
    pub sha256: Sha256,
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuestionAsked {
    /// The digest of the question's text.
    pub sha256: Sha256,
    /// How the answer was to be generated.
    pub parameters: Parameters,
}

/// What read the page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelUsed {
    /// Its name.
    pub name: ModelName,
    /// The digest of the manifest of its files.
    pub revision_sha256: Sha256,
    /// Its files.
    pub artifacts: Vec<Artifact>,
}

/// What allowed the work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LicenseHeld {
    /// The decision.
    pub decision: DecisionId,
    /// The policies that it was taken under.
    pub policies_sha256: Option<Sha256>,
    /// The text that came with the weights.
    pub terms_sha256: Option<Sha256>,
    /// The acceptances of terms of the model's lineage for this purpose that stood when the work was granted.
    pub acceptances: Vec<AcceptanceId>,
    /// What must be shown with the answer.
    pub notices: Vec<String>,
}

/// How the work was granted to a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantGiven {
    /// The order.
    pub order: OrderId,
    /// Which attempt it was, from 1.
    pub attempt: u32,
    /// The digest of the signed grant.
    pub sha256: Sha256,
}

impl Statement {
    /// The statement that `provenance` is where the answer `text` of `job` came from.
    pub fn of(job: JobId, text: &str, predicate: Provenance) -> Self {
        let sha256 = Sha256::of(text.as_bytes());
        Self {
            kind: STATEMENT_TYPE.into(),
            subject: vec![Subject {
                name: job,
                digest: SubjectDigest { sha256 },
            }],
            predicate_type: PREDICATE_TYPE.into(),
            predicate,
        }
    }
}

impl Provenance {
    /// Where it departs from the grant `token`, which says `grant`.
    pub fn departures(&self, grant: &Grant, token: &str) -> Vec<&'static str> {
        let agreements = [
            ("tenant", self.tenant == grant.tenant),
            ("purpose", self.purpose == grant.purpose),
            ("page.sha256", self.page.sha256 == grant.page_sha256),
            ("model.name", self.model.name == grant.model),
            (
                "model.revision_sha256",
                self.model.revision_sha256 == grant.revision_sha256,
            ),
            ("license.decision", self.license.decision == grant.decision),
            (
                "license.terms_sha256",
                self.license.terms_sha256 == grant.terms_sha256,
            ),
            ("grant.order", self.grant.order == grant.order),
            ("grant.attempt", self.grant.attempt == grant.attempt),
            ("grant.sha256", self.grant.sha256 == Sha256::of(token.as_bytes())),
        ];
        agreements
            .into_iter()
            .filter(|(_, agrees)| !agrees)
            .map(|(name, _)| name)
            .collect()
    }
}
