//! The licence gate: may this tenant use this revision for this purpose, now?
//!
//! [`decide`] is a pure function of what it is given. Only it makes an [`Allowed`], and what needs an
//! allow takes one: code that forgets the gate does not compile.

mod judge;
mod reason;

pub use crate::license::Duty;
pub use reason::{Reason, ReasonCode};

use crate::{
    acceptance::Acceptance,
    digest::Sha256,
    id::DecisionId,
    lineage::{self, Licensed},
    names::{MemberName, ModelName, TenantName},
    policy::Policies,
    purpose::Purpose,
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// For which tenant.
    pub tenant: TenantName,
    /// By whom.
    pub member: MemberName,
    /// Which model.
    pub model: ModelName,
    /// Which revision of it.
    pub revision_sha256: Sha256,
    /// For what.
    pub purpose: Purpose,
    /// When.
    pub at: OffsetDateTime,
}

/// What is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// The licenses of the revision's model and of every ancestor, in the order of [`lineage::descent`].
    pub lineage: Vec<Licensed>,
    /// The tenant's acceptances, oldest first.
    pub acceptances: Vec<Acceptance>,
}

/// The gate's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Yes.
    Allowed(Allowed),
    /// No.
    Refused(Refusal),
}

/// The proof that the gate said yes. There is no way to make one but [`decide`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    decision: DecisionId,
    request: Request,
    terms_sha256: Option<Sha256>,
    duties: Vec<Duty>,
}

impl Allowed {
    /// The decision's id.
    pub fn decision(&self) -> DecisionId {
        self.decision
    }

    /// The tenant that was allowed.
    pub fn tenant(&self) -> &TenantName {
        &self.request.tenant
    }

    /// The member that asked.
    pub fn member(&self) -> &MemberName {
        &self.request.member
    }

    /// The model.
    pub fn model(&self) -> &ModelName {
        &self.request.model
    }

    /// The revision: the digest of its manifest.
    pub fn revision_sha256(&self) -> Sha256 {
        self.request.revision_sha256
    }

    /// The purpose.
    pub fn purpose(&self) -> Purpose {
        self.request.purpose
    }

    /// When it was decided.
    pub fn at(&self) -> OffsetDateTime {
        self.request.at
    }

    /// The text of the revision's terms, if one came with its weights.
    pub fn terms_sha256(&self) -> Option<Sha256> {
        self.terms_sha256
    }

    /// What the whole lineage obliges to.
    pub fn duties(&self) -> &[Duty] {
        &self.duties
    }
}

/// A no, with every reason for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The decision's id.
    pub decision: DecisionId,
    /// At least one, the nearest model's first.
    pub reasons: Vec<Reason>,
}

/// Which way a decision went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Yes.
    Allowed,
    /// No.
    Refused,
}

impl Outcome {
    /// The word in JSON and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Allowed => "allowed",
            Outcome::Refused => "refused",
        }
    }
}

/// A decision as it is remembered. It proves nothing by itself: an [`Allowed`] cannot be made from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionRecord {
    /// Its id.
    pub id: DecisionId,
    /// What was asked.
    pub request: Request,
    /// What was answered.
    pub outcome: Outcome,
    /// The text of the revision's terms, if one came with its weights.
    pub terms_sha256: Option<Sha256>,
    /// What the lineage obliges to, if allowed.
    pub duties: Vec<Duty>,
    /// Why not, if refused.
    pub reasons: Vec<Reason>,
}

impl DecisionRecord {
    /// What to remember of `decision` on `request`, taken under `facts`.
    pub fn of(decision: &Decision, request: &Request, facts: &Facts) -> Self {
        let (id, outcome, duties, reasons) = match decision {
            Decision::Allowed(allowed) => (
                allowed.decision,
                Outcome::Allowed,
                allowed.duties.clone(),
                Vec::new(),
            ),
            Decision::Refused(refusal) => (
                refusal.decision,
                Outcome::Refused,
                Vec::new(),
                refusal.reasons.clone(),
            ),
        };
        Self {
            id,
            request: request.clone(),
            outcome,
            terms_sha256: facts.terms_sha256(),
            duties,
            reasons,
        }
    }
}

impl Facts {
    fn terms_sha256(&self) -> Option<Sha256> {
        self.lineage.first().and_then(|own| own.terms_sha256)
    }
}

/// Decides. The answer depends on the arguments alone; `id` names it and has no say in it.
pub fn decide(id: DecisionId, policies: &Policies, request: &Request, facts: &Facts) -> Decision {
    let licenses = policies.licenses();
    let reasons = judge::reasons(licenses, request, facts);
    if reasons.is_empty() {
        let duties = lineage::duties(&facts.lineage, licenses).into_keys().collect();
        let terms_sha256 = facts.terms_sha256();
        return Decision::Allowed(Allowed {
            decision: id,
            request: request.clone(),
            terms_sha256,
            duties,
        });
    }
    Decision::Refused(Refusal {
        decision: id,
        reasons,
    })
}

#[cfg(test)]
mod cases;
#[cfg(test)]
mod tests;
