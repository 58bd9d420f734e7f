//! What a license asks to be accepted, and which acceptances of the tenant bear on that.

use super::{Facts, Request};
use crate::{
    acceptance::Acceptance,
    license::{Condition, License, Licenses},
    lineage::Licensed,
    purpose::Purpose,
    territory::Territories,
};
use time::OffsetDateTime;

/// What must be accepted.
pub(super) struct Need<'a> {
    pub licensed: &'a Licensed,
    pub license: &'a License,
    pub purpose: Purpose,
    pub at: OffsetDateTime,
}

impl<'a> Need<'a> {
    /// What `licensed` asks for before the request's purpose; nothing if it has no conditions.
    pub fn of(licenses: &'a Licenses, request: &Request, licensed: &'a Licensed) -> Option<Self> {
        let (license, purpose) = (licenses.get(licensed.license.as_ref()?)?, request.purpose);
        (!license.purpose(purpose).conditions.is_empty()).then_some(Need {
            licensed,
            license,
            purpose,
            at: request.at,
        })
    }

    /// Where the license permits the purpose, if it speaks of that.
    pub fn territories(&self) -> Option<Territories> {
        self.license.purpose(self.purpose).territories()
    }

    /// Whether the acceptance, as it is now, is all that is asked for, but for what it says of the territory.
    fn is_met_by(&self, held: &Acceptance) -> bool {
        let conditions = &self.license.purpose(self.purpose).conditions;
        let needs_number = conditions.contains(&Condition::Registration);
        held.stands(self.at) && (!needs_number || held.registration_number.is_some())
    }
}

/// The tenant's acceptances that bear on a need.
pub(super) struct Held<'a> {
    /// Those of its text, each as what counts in its place.
    pub of_text: Vec<&'a Acceptance>,
    /// Those of another text.
    pub of_other: Vec<&'a Acceptance>,
}

impl<'a> Held<'a> {
    pub fn of(need: &Need<'_>, request: &Request, facts: &'a Facts) -> Self {
        let mine = |held: &&Acceptance| {
            held.tenant == request.tenant
                && held.license == need.license.id
                && held.purposes.contains(&need.purpose)
        };
        // A text that came with weights must be the very one that was accepted. Where no text is here,
        // any acceptance of the license counts.
        let of_this_text = |text: &&Acceptance| {
            let current = need.licensed.terms_sha256;
            current.is_none_or(|current| current == text.terms_sha256)
        };
        let all = &facts.acceptances;
        let (of_text, of_other): (Vec<&Acceptance>, Vec<_>) = all.iter().filter(mine).partition(of_this_text);
        Self {
            // What was superseded goes on under the acceptance that took its place, as long as that stands.
            of_text: of_text.iter().map(|held| held.in_force(all)).collect(),
            of_other,
        }
    }

    pub fn covering(&self, need: &Need<'_>) -> Vec<&'a Acceptance> {
        let met = |held: &&Acceptance| need.is_met_by(held);
        self.of_text.iter().copied().filter(met).collect()
    }
}
