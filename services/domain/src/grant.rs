//! A grant: the proof, carried by a work order, that the gate allowed exactly this work.
//!
//! The hub signs it when it dispatches; the worker verifies it against the hub's public key
//! **and** against the bytes that it is about to use. See `exchange::grant` for the signature.

use crate::{
    digest::Sha256,
    id::{DecisionId, JobId, OrderId},
    names::{ModelName, TenantName},
    purpose::Purpose,
};
use serde::{Deserialize, Serialize};

/// What a grant says. Every field is signed; a worker refuses work that departs from any of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// The order that the grant travels with: a grant cannot be moved to another order.
    pub order: OrderId,
    /// Who the work is for.
    pub tenant: TenantName,
    /// The jobs it allows, in the order of the questions.
    pub jobs: Vec<JobId>,
    /// The use that the gate allowed.
    pub purpose: Purpose,
    /// The bytes of the page.
    pub page_sha256: Sha256,
    /// The questions with their parameters: the digest of their canonical JSON, see `order::questions_digest`.
    pub questions_sha256: Sha256,
    /// The model that answers.
    pub model: ModelName,
    /// The revision: the digest of its manifest, which lists every artifact by digest.
    pub revision_sha256: Sha256,
    /// The files of that revision as the hub's records have them: `model::artifacts_digest`. The worker computes
    /// it from the bytes that it is about to load, whatever the manifest says.
    pub artifacts_sha256: Sha256,
    /// The text of the terms under which the decision was made, where the license has one.
    pub terms_sha256: Option<Sha256>,
    /// The policies under which the allow was confirmed when this was minted: `policy::Policies::sha256`.
    pub policies_sha256: Sha256,
    /// The decision that allowed it.
    pub decision: DecisionId,
    /// Which attempt this is, from 1. A report of an older attempt is refused.
    pub attempt: u32,
    /// The tenant's revocation epoch at the moment of minting. A higher one at the hub voids the grant.
    pub epoch: u64,
    /// When the grant ends, in seconds since 1970.
    pub exp: i64,
    /// When it was minted, in seconds since 1970.
    pub iat: i64,
}
