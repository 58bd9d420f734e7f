//! What a signatory declares, and when that makes an acceptance.

use super::{Acceptance, Phase, Signer, Standing, State};
use crate::{
    access::Caller,
    digest::Sha256,
    id::AcceptanceId,
    license::{Condition, License, Permission},
    names::LicenseName,
    purpose::Purpose,
    territory::{Territories, Territory},
};
use std::collections::BTreeSet;
use time::{Duration, OffsetDateTime};

/// The most characters of a signer's name or title.
pub const SIGNER_LIMIT: usize = 200;
/// The most characters of a registration number.
pub const REGISTRATION_LIMIT: usize = 200;
/// The most bytes of the evidence that is given as a text.
pub const EVIDENCE_LIMIT: usize = 4096;
/// The longest that an acceptance may be asked for: ten years.
pub const LONGEST_VALIDITY: Duration = Duration::days(3653);

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
    /// Where the tenant is.
    pub territory: Option<Territory>,
    /// What shows it.
    pub evidence: Option<String>,
    /// Until when it shall stand.
    pub valid_until: Option<OffsetDateTime>,
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
    /// A purpose is permitted in some territories, and none is named.
    #[error("{license} permits {purpose} {permitted}: add `territory`, where the tenant is")]
    TerritoryUnknown {
        /// The license.
        license: LicenseName,
        /// The purpose.
        purpose: Purpose,
        /// Where it is permitted.
        permitted: Territories,
    },
    /// A purpose is not permitted in the territory that is named.
    #[error("{license} permits {purpose} {permitted}, and not in {named}")]
    NotInTerritory {
        /// The license.
        license: LicenseName,
        /// The purpose.
        purpose: Purpose,
        /// Where it is permitted.
        permitted: Territories,
        /// Where the tenant is.
        named: Territory,
    },
}

/// A signatory that asks for an acceptance.
#[derive(Debug, Clone)]
pub struct Asking<'a> {
    /// The id that it shall have.
    pub id: AcceptanceId,
    /// Who asks, for its tenant.
    pub caller: &'a Caller,
    /// When.
    pub at: OffsetDateTime,
    /// The license.
    pub license: &'a License,
    /// What is declared.
    pub declared: Declaration,
    /// Whether it goes to review, or into force, at once. Else it stays requested until it is submitted.
    pub submit: bool,
}

impl Asking<'_> {
    /// The acceptance that comes of it, given the `earlier` ones of the tenant, oldest first.
    pub fn acceptance(self, earlier: &[Acceptance]) -> Result<Acceptance, Unacceptable> {
        self.declared.check(self.license, self.at)?;
        let declared = self.declared;
        let mut acceptance = Acceptance {
            id: self.id,
            tenant: self.caller.tenant.clone(),
            requested_by: self.caller.member.clone(),
            requested_at: self.at,
            license: self.license.id.clone(),
            terms_sha256: declared.terms_sha256,
            purposes: declared.purposes,
            signer: declared.signer,
            registration_number: declared.registration_number,
            territory: declared.territory,
            evidence: declared.evidence,
            valid_until: declared.valid_until,
            state: State::Requested,
        };
        if self.submit {
            acceptance.state = acceptance.submitted(self.at, self.license, earlier);
        }
        Ok(acceptance)
    }
}

impl Acceptance {
    /// What it comes to when it is submitted: it is under review if the license asks for one for any of the purposes,
    /// or if a reviewer has stopped an earlier one; else it stands at once.
    pub(super) fn submitted(&self, at: OffsetDateTime, license: &License, earlier: &[Acceptance]) -> State {
        let asks = |&purpose: &Purpose| license.purpose(purpose).conditions.contains(&Condition::Review);
        if self.purposes.iter().any(asks) || self.was_stopped(earlier) {
            return State::UnderReview;
        }
        State::Active(Standing {
            since: at,
            approved: None,
        })
    }

    /// Whether a reviewer suspended or revoked what the tenant held for any of the purposes, and none has approved
    /// anything since. Else whoever was stopped could help themselves by accepting again.
    fn was_stopped(&self, earlier: &[Acceptance]) -> bool {
        let shared = |held: &&Acceptance| {
            held.id != self.id && held.license == self.license && !held.purposes.is_disjoint(&self.purposes)
        };
        for held in earlier.iter().rev().filter(shared) {
            match held.state.phase() {
                Phase::Suspended | Phase::Revoked => return true,
                _ if held.state.standing().is_some_and(|how| how.approved.is_some()) => return false,
                _ => {}
            }
        }
        false
    }
}

/// Whether `value` has something to read, at most `most` characters of it, and no zero.
pub(super) fn is_text(value: &str, most: usize) -> bool {
    !value.trim().is_empty() && value.chars().count() <= most && !value.contains('\0')
}

fn text(value: &str, most: usize, rule: &'static str) -> Result<(), Unacceptable> {
    if is_text(value, most) {
        Ok(())
    } else {
        Err(Unacceptable::Field(rule))
    }
}

impl Declaration {
    fn check(&self, license: &License, at: OffsetDateTime) -> Result<(), Unacceptable> {
        self.check_fields()?;
        if self.valid_until.is_some_and(|until| !is_end(until, at)) {
            return Err(Unacceptable::Field(
                "`valid_until` is a moment in the future, ten years from now at the latest",
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
            self.check_territory(license, purpose)?;
        }
        Ok(())
    }

    fn check_territory(&self, license: &License, purpose: Purpose) -> Result<(), Unacceptable> {
        let Some(permitted) = license.purpose(purpose).territories() else {
            return Ok(());
        };
        let license = license.id.clone();
        match self.territory {
            Some(named) if permitted.contains(named) => Ok(()),
            Some(named) => Err(Unacceptable::NotInTerritory {
                license,
                purpose,
                permitted,
                named,
            }),
            None => Err(Unacceptable::TerritoryUnknown {
                license,
                purpose,
                permitted,
            }),
        }
    }

    fn check_fields(&self) -> Result<(), Unacceptable> {
        if self.purposes.is_empty() {
            let rule = "`purposes` names at least one of research, evaluation, commercial";
            return Err(Unacceptable::Field(rule));
        }
        let Signer { name, title } = &self.signer;
        text(name, SIGNER_LIMIT, "`signer.name` has 1 to 200 characters")?;
        text(title, SIGNER_LIMIT, "`signer.title` has 1 to 200 characters")?;
        if let Some(number) = &self.registration_number {
            let rule = "`registration_number` has 1 to 200 characters";
            text(number, REGISTRATION_LIMIT, rule)?;
        }
        let too_much = |text: &String| text.len() > EVIDENCE_LIMIT || text.contains('\0');
        if self.evidence.as_ref().is_some_and(too_much) {
            let rule = "`evidence` has at most 4096 bytes and no zero character";
            return Err(Unacceptable::Field(rule));
        }
        Ok(())
    }
}

/// Whether an acceptance of the moment `at` may stand until `until`.
pub(super) fn is_end(until: OffsetDateTime, at: OffsetDateTime) -> bool {
    until > at && until - at <= LONGEST_VALIDITY
}
