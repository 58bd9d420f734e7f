//! A tenant accepts the terms of a license for purposes; a reviewer may have to judge that; it may be revoked.

use crate::{
    access::Caller,
    digest::Sha256,
    id::AcceptanceId,
    license::{Condition, License, Permission},
    names::{LicenseName, MemberName, TenantName},
    purpose::Purpose,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use time::OffsetDateTime;

/// The most characters of a signer's name or title.
pub const SIGNER_LIMIT: usize = 200;
/// The most characters of a registration number.
pub const REGISTRATION_LIMIT: usize = 200;
/// The most bytes of evidence.
pub const EVIDENCE_LIMIT: usize = 4096;
/// The most characters of a reviewer's reason.
pub const REASON_LIMIT: usize = 2000;

/// Who signed for the tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signer {
    /// The person's name.
    pub name: String,
    /// In which function.
    pub title: String,
}

/// A member of some tenant: two members of one name in two tenants are two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judge {
    /// The member's tenant.
    pub tenant: TenantName,
    /// The member.
    pub member: MemberName,
}

impl From<&Caller> for Judge {
    fn from(caller: &Caller) -> Self {
        Self {
            tenant: caller.tenant.clone(),
            member: caller.member.clone(),
        }
    }
}

/// A reviewer's act on an acceptance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Who.
    pub by: Judge,
    /// When.
    pub at: OffsetDateTime,
}

/// What an acceptance has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// A reviewer has yet to judge it. It allows nothing.
    UnderReview,
    /// It stands.
    Active {
        /// Since when.
        since: OffsetDateTime,
        /// The review that approved it, where one was needed.
        approved: Option<Judgement>,
    },
    /// A reviewer refused it.
    Rejected {
        /// The review.
        judged: Judgement,
        /// Why.
        reason: String,
    },
    /// It stood, and was taken back.
    Revoked {
        /// Since when it had stood.
        since: OffsetDateTime,
        /// The review that had approved it, where one was needed.
        approved: Option<Judgement>,
        /// By whom and when it was taken back.
        judged: Judgement,
        /// Why.
        reason: String,
    },
}

impl State {
    /// The word for the state in JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            State::UnderReview => "under_review",
            State::Active { .. } => "active",
            State::Rejected { .. } => "rejected",
            State::Revoked { .. } => "revoked",
        }
    }
}

/// A tenant's acceptance of terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acceptance {
    /// Its id.
    pub id: AcceptanceId,
    /// Who is bound by it.
    pub tenant: TenantName,
    /// Who made it.
    pub requested_by: MemberName,
    /// When.
    pub requested_at: OffsetDateTime,
    /// The license.
    pub license: LicenseName,
    /// The exact text that was accepted.
    pub terms_sha256: Sha256,
    /// For what.
    pub purposes: BTreeSet<Purpose>,
    /// Who signed.
    pub signer: Signer,
    /// The number under which the tenant registered with the licensor.
    pub registration_number: Option<String>,
    /// What shows that signer and registration are real: a text, or where it is filed.
    pub evidence: Option<String>,
    /// What it has come to.
    pub state: State,
}

/// What a signatory declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declaration {
    /// The exact text.
    pub terms_sha256: Sha256,
    /// For what.
    pub purposes: BTreeSet<Purpose>,
    /// Who signs.
    pub signer: Signer,
    /// The number under which the tenant registered with the licensor.
    pub registration_number: Option<String>,
    /// What shows it.
    pub evidence: Option<String>,
}

/// Why a declaration makes no acceptance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unacceptable {
    /// A field is empty or too long.
    #[error("{0}")]
    Field(&'static str),
    /// The license does not permit a purpose, whoever accepts it.
    #[error("{license} does not permit {purpose}, so accepting its terms for that would change nothing")]
    NotPermitted {
        /// The license.
        license: LicenseName,
        /// The purpose.
        purpose: Purpose,
    },
    /// A purpose needs a registration, and none is named.
    #[error("{license} asks for a registration before {purpose}: add `registration_number`{}", place.as_ref().map_or(String::new(), |place| format!(" (register at {place})")))]
    Unregistered {
        /// The license.
        license: LicenseName,
        /// The purpose.
        purpose: Purpose,
        /// Where to register.
        place: Option<String>,
    },
}

/// Why a reviewer's act is not possible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotPossible {
    /// Four eyes: the member made the acceptance itself.
    #[error("nobody reviews an acceptance that they requested themselves; ask another reviewer")]
    Own,
    /// It was judged before.
    #[error("the acceptance is {0}; only one that is under_review can be reviewed")]
    NotUnderReview(&'static str),
    /// It does not stand, so it cannot be taken back.
    #[error("the acceptance is {0}; only an active one can be revoked")]
    NotActive(&'static str),
    /// A reason is missing or too long.
    #[error("give a `reason` of 1 to 2000 characters")]
    Reason,
}

fn text(value: &str, most: usize, rule: &'static str) -> Result<(), Unacceptable> {
    let fits = !value.trim().is_empty() && value.chars().count() <= most && !value.contains('\0');
    if fits {
        Ok(())
    } else {
        Err(Unacceptable::Field(rule))
    }
}

impl Declaration {
    fn check(&self, license: &License) -> Result<(), Unacceptable> {
        if self.purposes.is_empty() {
            return Err(Unacceptable::Field(
                "`purposes` names at least one of research, evaluation, commercial",
            ));
        }
        text(
            &self.signer.name,
            SIGNER_LIMIT,
            "`signer.name` has 1 to 200 characters",
        )?;
        text(
            &self.signer.title,
            SIGNER_LIMIT,
            "`signer.title` has 1 to 200 characters",
        )?;
        if let Some(number) = &self.registration_number {
            text(
                number,
                REGISTRATION_LIMIT,
                "`registration_number` has 1 to 200 characters",
            )?;
        }
        if self
            .evidence
            .as_ref()
            .is_some_and(|text| text.len() > EVIDENCE_LIMIT || text.contains('\0'))
        {
            return Err(Unacceptable::Field(
                "`evidence` has at most 4096 bytes and no zero character",
            ));
        }
        for &purpose in &self.purposes {
            let facts = license.purpose(purpose);
            if facts.permission != Permission::Permitted {
                return Err(Unacceptable::NotPermitted {
                    license: license.id.clone(),
                    purpose,
                });
            }
            if facts.conditions.contains(&Condition::Registration) && self.registration_number.is_none() {
                let place = license.registration_source.clone();
                return Err(Unacceptable::Unregistered {
                    license: license.id.clone(),
                    purpose,
                    place,
                });
            }
        }
        Ok(())
    }
}

impl Acceptance {
    /// The acceptance that `caller` makes for its tenant. It is under review if the license asks for one
    /// for any of the purposes, else it stands at once.
    pub fn request(
        id: AcceptanceId,
        caller: &Caller,
        at: OffsetDateTime,
        license: &License,
        declared: Declaration,
    ) -> Result<Self, Unacceptable> {
        declared.check(license)?;
        let review = |&purpose: &Purpose| license.purpose(purpose).conditions.contains(&Condition::Review);
        let state = match declared.purposes.iter().any(review) {
            true => State::UnderReview,
            false => State::Active {
                since: at,
                approved: None,
            },
        };
        Ok(Self {
            id,
            tenant: caller.tenant.clone(),
            requested_by: caller.member.clone(),
            requested_at: at,
            license: license.id.clone(),
            terms_sha256: declared.terms_sha256,
            purposes: declared.purposes,
            signer: declared.signer,
            registration_number: declared.registration_number,
            evidence: declared.evidence,
            state,
        })
    }

    fn judged_by(&self, by: Judge, at: OffsetDateTime) -> Result<Judgement, NotPossible> {
        if by.tenant == self.tenant && by.member == self.requested_by {
            return Err(NotPossible::Own);
        }
        match &self.state {
            State::UnderReview => Ok(Judgement { by, at }),
            other => Err(NotPossible::NotUnderReview(other.as_str())),
        }
    }

    /// A reviewer says yes, perhaps with a remark for the audit log.
    pub fn approve(self, by: Judge, at: OffsetDateTime, remark: Option<&str>) -> Result<Self, NotPossible> {
        let judgement = self.judged_by(by, at)?;
        remark.map_or(Ok(()), check_reason)?;
        Ok(Self {
            state: State::Active {
                since: at,
                approved: Some(judgement),
            },
            ..self
        })
    }

    /// A reviewer says no, and why.
    pub fn reject(self, by: Judge, at: OffsetDateTime, reason: String) -> Result<Self, NotPossible> {
        let judged = self.judged_by(by, at)?;
        check_reason(&reason)?;
        Ok(Self {
            state: State::Rejected { judged, reason },
            ..self
        })
    }

    /// A reviewer takes it back, and says why.
    pub fn revoke(self, by: Judge, at: OffsetDateTime, reason: String) -> Result<Self, NotPossible> {
        match self.state {
            State::Active { since, approved } => {
                check_reason(&reason)?;
                let judged = Judgement { by, at };
                Ok(Self {
                    state: State::Revoked {
                        since,
                        approved,
                        judged,
                        reason,
                    },
                    ..self
                })
            }
            other => Err(NotPossible::NotActive(other.as_str())),
        }
    }
}

fn check_reason(reason: &str) -> Result<(), NotPossible> {
    text(reason, REASON_LIMIT, "").map_err(|_| NotPossible::Reason)
}

#[cfg(test)]
#[path = "acceptance/tests.rs"]
mod tests;
