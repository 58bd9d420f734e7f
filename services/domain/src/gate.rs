//! The licence gate: may this tenant use this revision for this purpose, now?
//!
//! What the licenses of the lineage ask for is found out here, in Rust; whether the tenant may go on is decided by
//! the rules in `policies/rules`, in Cedar. What no rule permits is refused.
//!
//! [`decide`] is a pure function of what it is given. Only it makes an [`Allowed`], and what needs an
//! allow takes one: code that forgets the gate does not compile.

mod asking;
mod explain;
mod judge;
mod need;
mod reason;
mod territory;

pub use crate::license::Duty;
pub use asking::Judgement;
pub use explain::{Explanation, explain};
pub use reason::{BadCode, Reason, ReasonCode};

use crate::{
    acceptance::Acceptance,
    batch::Metadata,
    digest::Sha256,
    id::DecisionId,
    license::Permission,
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
    /// What the tenant wrote on the batch, for rules of an organisation's own.
    pub metadata: Metadata,
    /// Where the work would be done: the hub's `site`, empty if it has none.
    pub site: String,
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
    request: Box<Request>,
    terms_sha256: Option<Sha256>,
    policies_sha256: Sha256,
    until: Option<OffsetDateTime>,
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

    /// The policies that were asked: [`Policies::sha256`].
    pub fn policies_sha256(&self) -> Sha256 {
        self.policies_sha256
    }

    /// The moment from which the same would be refused, because an acceptance that it stands on ends; none if nothing
    /// of it ends by itself. What is done under this allow ends with it.
    pub fn until(&self) -> Option<OffsetDateTime> {
        self.until
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

impl Refusal {
    /// Whether acceptances alone are in the way: work that was begun waits for them then, and is not given up.
    pub fn waits_for_acceptance(&self) -> bool {
        self.reasons
            .iter()
            .all(|reason| reason.code.waits_for_acceptance())
    }

    /// The code of the first reason.
    pub fn code(&self) -> &str {
        self.reasons
            .first()
            .map_or("refused", |reason| reason.code.as_str())
    }
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
    /// The policies that were in force: [`Policies::sha256`]. Decisions of the first versions do not tell.
    pub policies_sha256: Option<Sha256>,
}

impl DecisionRecord {
    /// What to remember of `decision` on `request`, taken under `policies` and `facts`.
    pub fn of(decision: &Decision, policies: &Policies, request: &Request, facts: &Facts) -> Self {
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
            policies_sha256: Some(policies.sha256()),
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
    let judgement = judge(policies, request, facts);
    if judgement.reasons.is_empty() {
        return Decision::Allowed(Allowed {
            decision: id,
            request: Box::new(request.clone()),
            terms_sha256: facts.terms_sha256(),
            policies_sha256: policies.sha256(),
            until: judge::until(policies.licenses(), request, facts),
            duties: lineage::duties(&facts.lineage, policies.licenses())
                .into_keys()
                .collect(),
        });
    }
    Decision::Refused(Refusal {
        decision: id,
        reasons: judgement.reasons,
    })
}

/// How [`decide`] comes to its answer: the reasons against, and the rules that spoke. It proves nothing and is no
/// decision.
pub fn judge<'a>(policies: &'a Policies, request: &Request, facts: &Facts) -> Judgement<'a> {
    let clauses = territory::Clauses::of(policies.licenses(), request, facts);
    let objections = judge::objections(policies.licenses(), request, facts, &clauses);
    let permitted = match facts.lineage.first() {
        Some(own) if own.model == request.model => {
            lineage::permission(&facts.lineage, policies.licenses(), request.purpose)
        }
        _ => Permission::Unknown,
    };
    let found = asking::Found {
        permission: permitted,
        objections: &objections,
        territories: clauses.named(),
    };
    asking::ask(policies.rules(), request, facts, &found)
}

#[cfg(test)]
mod tests;
