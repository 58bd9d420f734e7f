//! Where the licenses of a lineage permit a purpose, and whether the tenant has said that it is there.

use super::{
    Facts, ReasonCode, Request,
    judge::{Judged, accept},
    need::{Held, Need},
};
use crate::{
    acceptance::Acceptance,
    license::{License, Licenses},
    lineage::Licensed,
    territory::{Territories, Territory},
};
use std::collections::BTreeSet;

/// What the licenses of a lineage say about territories for a purpose.
pub(super) struct Clauses<'a> {
    licenses: &'a Licenses,
    request: &'a Request,
    facts: &'a Facts,
    /// Each clause, at the place of the model in the lineage.
    each: Vec<(usize, Territories)>,
}

impl<'a> Clauses<'a> {
    pub fn of(licenses: &'a Licenses, request: &'a Request, facts: &'a Facts) -> Self {
        let clause = |(place, licensed): (usize, &Licensed)| {
            let license = licenses.get(licensed.license.as_ref()?)?;
            Some((place, license.purpose(request.purpose).territories()?))
        };
        // Few licenses speak of it, and lineages may be long.
        let any = licenses
            .iter()
            .any(|license| license.purpose(request.purpose).territories().is_some());
        let lineage = if any { facts.lineage.as_slice() } else { &[] };
        Self {
            licenses,
            request,
            facts,
            each: lineage.iter().enumerate().filter_map(clause).collect(),
        }
    }

    /// Whether the whole lineage permits the purpose in `territory`.
    fn permit(&self, territory: Territory) -> bool {
        self.each.iter().all(|(_, clause)| clause.contains(territory))
    }

    /// Whether an acceptance of what is needed says enough of where the tenant is.
    pub fn are_met_by(&self, need: &Need<'_>, held: &Acceptance) -> bool {
        need.territories().is_none() || held.territory.is_some_and(|named| self.permit(named))
    }

    /// What stands open about the territory at `place` of the lineage, where all else that the license asks for is
    /// there; with the place of the nearest model whose license is in the way.
    pub fn objection(&self, place: usize, licensed: &Licensed) -> Option<(usize, Judged)> {
        let need = Need::of(self.licenses, self.request, licensed)?;
        need.territories()?;
        let covering = Held::of(&need, self.request, self.facts).covering(&need);
        if covering.is_empty() || covering.iter().any(|held| self.are_met_by(&need, held)) {
            return None;
        }
        let naming = |held: &&Acceptance| Some((held.id, held.territory?));
        let Some((id, named)) = covering.iter().rev().find_map(naming) else {
            return Some((place, unknown(&need, covering.last().copied()?)));
        };
        let outside = |(_, clause): &&(usize, Territories)| !clause.contains(named);
        let (place, clause) = self.each.iter().find(outside)?;
        let cause = self.facts.lineage.get(*place)?;
        let license = self.licenses.get(cause.license.as_ref()?)?;
        let told = format!("acceptance {id} names {named}");
        Some((*place, not_permitted(&need, (cause, license), clause, &told)))
    }

    /// The territories that the tenant names in acceptances that stand, to the licenses that ask for one.
    pub fn named(&self) -> BTreeSet<Territory> {
        let at = |place: usize| {
            let licensed = self.facts.lineage.get(place)?;
            let need = Need::of(self.licenses, self.request, licensed)?;
            Some(Held::of(&need, self.request, self.facts).covering(&need))
        };
        let held = self.each.iter().filter_map(|(place, _)| at(*place)).flatten();
        held.filter_map(|held| held.territory).collect()
    }
}

fn unknown(need: &Need<'_>, held: &Acceptance) -> Judged {
    let permitted = need
        .territories()
        .map_or_else(String::new, |these| these.to_string());
    let message = format!(
        "{} ({}) permits {} {permitted}, and acceptance {} does not say where the tenant is",
        need.license.id, need.licensed.model, need.purpose, held.id
    );
    (ReasonCode::TerritoryUnknown, message, accept(need))
}

fn not_permitted(
    need: &Need<'_>,
    (cause, license): (&Licensed, &License),
    permitted: &Territories,
    told: &str,
) -> Judged {
    let message = format!(
        "{} ({}) permits {} {permitted}, and {told}",
        license.id, cause.model, need.purpose
    );
    let step = format!("use another model, or ask the licensor ({})", license.source);
    let mut words = accept(need);
    words.push(("step", step));
    (ReasonCode::TerritoryNotPermitted, message, words)
}
