//! Who may do what through the API.

use crate::names::{MemberName, TenantName};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, fmt, str::FromStr};

/// A role that a member holds in its tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Opens batches, uploads documents, reads answers, keeps webhook endpoints.
    Submitter,
    /// Accepts terms for the tenant.
    Signatory,
    /// Judges acceptances of all tenants.
    Reviewer,
    /// Registers models and edits their cards.
    Registrar,
    /// Watches batches, workers and deliveries, and mends them.
    Operator,
    /// Reads everything that was decided.
    Auditor,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 6] = [
        Role::Submitter,
        Role::Signatory,
        Role::Reviewer,
        Role::Registrar,
        Role::Operator,
        Role::Auditor,
    ];

    /// The word in tokens and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Submitter => "submitter",
            Role::Signatory => "signatory",
            Role::Reviewer => "reviewer",
            Role::Registrar => "registrar",
            Role::Operator => "operator",
            Role::Auditor => "auditor",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The word names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a role is one of submitter, signatory, reviewer, registrar, operator, auditor")]
pub struct BadRole;

impl FromStr for Role {
    type Err = BadRole;

    fn from_str(text: &str) -> Result<Self, BadRole> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or(BadRole)
    }
}

/// Something that an API call does, as far as permission is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Act {
    /// Read models, licenses and terms.
    ReadCatalogue,
    /// Open, fill, submit and cancel batches of the own tenant, and requeue their jobs.
    SubmitBatch,
    /// Read batches, jobs and answers of the own tenant.
    ReadBatch,
    /// Accept terms for the own tenant.
    AcceptTerms,
    /// Read acceptances and decisions of the own tenant.
    ReadAcceptance,
    /// Judge, suspend or revoke acceptances of any tenant.
    ReviewAcceptance,
    /// Keep webhook endpoints of the own tenant and replay their deliveries.
    KeepWebhooks,
    /// Register models and revisions.
    RegisterModel,
    /// Read the audit log.
    ReadAudit,
}

impl Act {
    /// The roles that may do this. Any one of them is enough.
    pub fn roles(self) -> &'static [Role] {
        match self {
            Act::ReadCatalogue => &Role::ALL,
            Act::SubmitBatch | Act::KeepWebhooks => &[Role::Submitter, Role::Operator],
            Act::ReadBatch => &[Role::Submitter, Role::Operator, Role::Auditor],
            Act::AcceptTerms => &[Role::Signatory],
            Act::ReadAcceptance => &[
                Role::Submitter,
                Role::Signatory,
                Role::Reviewer,
                Role::Operator,
                Role::Auditor,
            ],
            Act::ReviewAcceptance => &[Role::Reviewer],
            Act::RegisterModel => &[Role::Registrar],
            Act::ReadAudit => &[Role::Auditor],
        }
    }
}

/// Who makes a call: a member of a tenant with its roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The legal entity on whose behalf the call is made.
    pub tenant: TenantName,
    /// The person or service that makes it.
    pub member: MemberName,
    /// The roles that the member holds.
    pub roles: BTreeSet<Role>,
}

/// The caller holds none of the roles that the act needs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this needs one of the roles {}", needed.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", "))]
pub struct MissingRole {
    /// The roles of which one would have been enough.
    pub needed: &'static [Role],
}

impl Caller {
    /// Checks that the caller may do `act`.
    pub fn may(&self, act: Act) -> Result<(), MissingRole> {
        let needed = act.roles();
        if needed.iter().any(|role| self.roles.contains(role)) {
            Ok(())
        } else {
            Err(MissingRole { needed })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_submitter_cannot_judge_acceptances() {
        let caller = Caller {
            tenant: "acme".parse().unwrap(),
            member: "li".parse().unwrap(),
            roles: BTreeSet::from([Role::Submitter]),
        };
        assert_eq!(caller.may(Act::SubmitBatch), Ok(()));
        assert_eq!(
            caller.may(Act::ReviewAcceptance),
            Err(MissingRole {
                needed: &[Role::Reviewer]
            })
        );
    }
}
