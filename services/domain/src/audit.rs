//! What the audit log remembers.

use crate::{
    id::{AuditId, DecisionId},
    names::{MemberName, TenantName},
};
use time::OffsetDateTime;

/// An entry to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct NewAudit {
    /// Its id.
    pub id: AuditId,
    /// When it happened.
    pub at: OffsetDateTime,
    /// The tenant that it concerns.
    pub tenant: TenantName,
    /// Who did it, if a member did.
    pub member: Option<MemberName>,
    /// What happened, such as `decision.refused`.
    pub kind: &'static str,
    /// What it happened to: an id or a name.
    pub subject: String,
    /// The decision behind it.
    pub decision: Option<DecisionId>,
    /// Facts for the reader. No text of documents or answers, no secrets.
    pub detail: serde_json::Value,
}
