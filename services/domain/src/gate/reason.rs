//! Why the gate says no, and what to do about it.

use crate::names::ModelName;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A stable word for why the gate said no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasonCode {
    /// Nobody knows what the license says about the purpose.
    LicenseUnknown,
    /// The license does not permit the purpose.
    PurposeProhibited,
    /// The tenant has not accepted the terms for the purpose.
    LicenseNotAccepted,
    /// The tenant accepted, but names no registration with the licensor.
    RegistrationMissing,
    /// The tenant accepted, and a reviewer has yet to approve it.
    AcceptanceUnderReview,
    /// A reviewer rejected the tenant's acceptance.
    AcceptanceRejected,
    /// The tenant's acceptance was revoked.
    AcceptanceRevoked,
    /// The tenant accepted another text of the terms.
    TermsSuperseded,
}

impl ReasonCode {
    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            ReasonCode::LicenseUnknown => "license_unknown",
            ReasonCode::PurposeProhibited => "purpose_prohibited",
            ReasonCode::LicenseNotAccepted => "license_not_accepted",
            ReasonCode::RegistrationMissing => "registration_missing",
            ReasonCode::AcceptanceUnderReview => "acceptance_under_review",
            ReasonCode::AcceptanceRejected => "acceptance_rejected",
            ReasonCode::AcceptanceRevoked => "acceptance_revoked",
            ReasonCode::TermsSuperseded => "terms_superseded",
        }
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One reason for a refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// The stable word.
    pub code: ReasonCode,
    /// What is the matter.
    pub message: String,
    /// What to do, down to the call.
    pub cure: String,
    /// From the model that was asked for (first) to the one whose license is in the way (last).
    pub path: Vec<ModelName>,
}
