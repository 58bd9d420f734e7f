//! Why the gate says no, and what to do about it.

use crate::names::ModelName;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, str::FromStr};

/// The most characters of a code.
const LONGEST_CODE: usize = 64;

macro_rules! reason_codes {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// A stable word for why the gate said no.
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ReasonCode {
            $($(#[$doc])* $name,)*
            /// A rule of an organisation forbids it; the word is its `@code`.
            OfRule(RuleCode),
        }

        impl ReasonCode {
            /// The hub's own codes.
            pub const KNOWN: &[ReasonCode] = &[$(ReasonCode::$name,)*];

            /// The word in JSON.
            pub fn as_str(&self) -> &str {
                match self {
                    $(ReasonCode::$name => $word,)*
                    ReasonCode::OfRule(code) => &code.0,
                }
            }
        }
    };
}

// Each has a forbid with its `@code` and `@cure` in policies/rules/licenses.cedar, but for the last two.
reason_codes! {
    /// Nobody knows what the license says about the purpose.
    LicenseUnknown = "license_unknown",
    /// The license does not permit the purpose.
    PurposeProhibited = "purpose_prohibited",
    /// The license permitted the purpose until a moment that has come.
    LicenseExpired = "license_expired",
    /// The tenant has not accepted the terms for the purpose.
    LicenseNotAccepted = "license_not_accepted",
    /// The tenant accepted, but names no registration with the licensor.
    RegistrationMissing = "registration_missing",
    /// The tenant accepted, and a reviewer has yet to approve it.
    AcceptanceUnderReview = "acceptance_under_review",
    /// The tenant accepted, but does not say where it is, and the license permits the purpose in some territories.
    TerritoryUnknown = "territory_unknown",
    /// The tenant accepted, and is where the lineage does not permit the purpose.
    TerritoryNotPermitted = "territory_not_permitted",
    /// The tenant made an acceptance and has not submitted it yet.
    AcceptanceNotSubmitted = "acceptance_not_submitted",
    /// A reviewer suspended the tenant's acceptance.
    AcceptanceSuspended = "acceptance_suspended",
    /// The tenant's acceptance has run out.
    AcceptanceExpired = "acceptance_expired",
    /// A reviewer rejected the tenant's acceptance.
    AcceptanceRejected = "acceptance_rejected",
    /// The tenant's acceptance was revoked.
    AcceptanceRevoked = "acceptance_revoked",
    /// The tenant accepted another text of the terms.
    TermsSuperseded = "terms_superseded",
    /// No rule permits the purpose.
    NoRulePermits = "no_rule_permits",
    /// A rule could not be asked, so nobody knows what it would have said.
    RuleFailed = "rule_failed",
}

/// The word of an organisation's own rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleCode(String);

/// The word cannot be a code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a code begins with a small letter and has 2 to {LONGEST_CODE} small letters, digits and underscores"
)]
pub struct BadCode;

impl ReasonCode {
    /// Whether an acceptance that stands would be the end of it: made, submitted, approved, resumed or renewed.
    pub fn waits_for_acceptance(&self) -> bool {
        match self {
            ReasonCode::LicenseNotAccepted
            | ReasonCode::RegistrationMissing
            | ReasonCode::TerritoryUnknown
            | ReasonCode::AcceptanceUnderReview
            | ReasonCode::AcceptanceNotSubmitted
            | ReasonCode::AcceptanceSuspended
            | ReasonCode::AcceptanceExpired
            | ReasonCode::AcceptanceRejected
            | ReasonCode::AcceptanceRevoked
            | ReasonCode::TermsSuperseded => true,
            ReasonCode::LicenseUnknown
            | ReasonCode::PurposeProhibited
            | ReasonCode::LicenseExpired
            | ReasonCode::TerritoryNotPermitted
            | ReasonCode::NoRulePermits
            | ReasonCode::RuleFailed
            | ReasonCode::OfRule(_) => false,
        }
    }

    /// The codes of what the judge finds in facts; every one needs a rule that forbids for it.
    pub fn of_judge() -> impl Iterator<Item = &'static ReasonCode> {
        let of_rules =
            |code: &&ReasonCode| !matches!(code, ReasonCode::NoRulePermits | ReasonCode::RuleFailed);
        Self::KNOWN.iter().filter(of_rules)
    }
}

impl FromStr for ReasonCode {
    type Err = BadCode;

    fn from_str(word: &str) -> Result<Self, BadCode> {
        if let Some(known) = Self::KNOWN.iter().find(|known| known.as_str() == word) {
            return Ok(known.clone());
        }
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        let begins = word.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
        match begins && (2..=LONGEST_CODE).contains(&word.len()) && word.bytes().all(allowed) {
            true => Ok(Self::OfRule(RuleCode(word.to_owned()))),
            false => Err(BadCode),
        }
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for ReasonCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ReasonCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_of_a_rule_is_a_plain_word_and_reads_back() {
        for word in ["only_on_premises", "license_unknown"] {
            let code: ReasonCode = word.parse().unwrap();
            let json = serde_json::to_string(&code).unwrap();
            assert_eq!(json, format!("\"{word}\""));
            assert_eq!(serde_json::from_str::<ReasonCode>(&json).unwrap(), code);
        }
        for bad in ["", "a", "A_b", "1a", "a-b", &"a".repeat(65)] {
            assert_eq!(bad.parse::<ReasonCode>(), Err(BadCode), "{bad}");
        }
    }
}
