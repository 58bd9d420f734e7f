//! A tenant accepts the terms of a license for purposes; a reviewer may have to judge that; it may be suspended, taken
//! back, run out, or make way for an acceptance of newer terms.

mod comment;
mod declaration;
mod evidence;
mod state;
mod transitions;

pub use comment::{BadComment, COMMENT_LIMIT, Comment, check_comment};
pub use declaration::{
    Asking, Declaration, EVIDENCE_LIMIT, LONGEST_VALIDITY, REGISTRATION_LIMIT, SIGNER_LIMIT, Unacceptable,
};
pub use evidence::{Evidence, EvidenceRefusal};
pub use state::{BadPhase, Phase, Standing, State};
pub use transitions::{NotPossible, REASON_LIMIT};

use crate::{
    access::Caller,
    digest::Sha256,
    id::AcceptanceId,
    names::{LicenseName, MemberName, TenantName},
    purpose::Purpose,
    territory::Territory,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use time::OffsetDateTime;

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
    /// Where the tenant is, where it is asked for that.
    pub territory: Option<Territory>,
    /// What shows that signer and registration are real: a text, or where it is filed.
    pub evidence: Option<String>,
    /// The moment from which it allows nothing any more; without one it stands until somebody ends it.
    pub valid_until: Option<OffsetDateTime>,
    /// What it has come to, as far as somebody has acted on it. Whether time has ended it is told by
    /// [`Acceptance::phase`].
    pub state: State,
}

impl Acceptance {
    /// Its state as one word at the moment `at`: one whose `valid_until` has passed is expired, whether or not that
    /// has been written down.
    pub fn phase(&self, at: OffsetDateTime) -> Phase {
        match self.state {
            State::Active(_) | State::Suspended { .. } if self.has_run_out(at) => Phase::Expired,
            _ => self.state.phase(),
        }
    }

    /// Whether it allows anything at the moment `at`.
    pub fn stands(&self, at: OffsetDateTime) -> bool {
        self.phase(at) == Phase::Active
    }

    /// Whether its `valid_until` has come.
    pub fn has_run_out(&self, at: OffsetDateTime) -> bool {
        self.valid_until.is_some_and(|until| until <= at)
    }

    /// Whether it makes `other` superfluous at the moment `at`: it stands, waits for a review or is suspended, for the
    /// same text and at least the same purposes, and nothing else is said of where the tenant is.
    pub fn covers(&self, other: &Acceptance, at: OffsetDateTime) -> bool {
        matches!(
            self.phase(at),
            Phase::Active | Phase::UnderReview | Phase::Suspended
        ) && self.license == other.license
            && self.terms_sha256 == other.terms_sha256
            && self.purposes.is_superset(&other.purposes)
            && self.says_where(other)
    }

    /// Whether it takes the place of `older`, provided that the text of `older` is not in force any more: it is for
    /// another text of the same license and at least the same purposes, and takes no word about the territory back.
    pub fn replaces(&self, older: &Acceptance) -> bool {
        self.id != older.id
            && self.tenant == older.tenant
            && self.license == older.license
            && self.terms_sha256 != older.terms_sha256
            && self.purposes.is_superset(&older.purposes)
            && self.says_where(older)
    }

    /// Whether it says of the tenant's territory what `other` says, or `other` says nothing.
    fn says_where(&self, other: &Acceptance) -> bool {
        other.territory.is_none() || self.territory == other.territory
    }

    /// What counts in its place among `all` of its tenant: the acceptance that superseded it, or the one that
    /// superseded that, and so on; itself if none did. What was begun under an older text goes on under the acceptance
    /// of the newer one, for as long as that stands.
    pub fn in_force<'a>(&'a self, all: &'a [Acceptance]) -> &'a Acceptance {
        let mut found = self;
        // No more steps than there are acceptances, whatever the rows say.
        for _ in all {
            let State::Superseded { by, .. } = found.state else {
                break;
            };
            let Some(newer) = all.iter().find(|other| other.id == by) else {
                break;
            };
            found = newer;
        }
        found
    }
}

#[cfg(test)]
mod table;
#[cfg(test)]
mod tests;
