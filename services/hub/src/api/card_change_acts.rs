//! What is done with changes of models' cards, by the API and on the dashboard.

use super::{
    desk::Desk,
    registration::{name_refused, unknown_license, unprocessable},
};
use crate::{gate::unknown_model, problem::Problem};
use domain::{
    access::Caller,
    card_change::{CardFacts, ChangeState, NamedLicense, NoApproval, REASON_LIMIT, Unproposable, Who},
    id::CardChangeId,
    license::Licenses,
    names::ModelName,
    registration::check_name,
};
use records::{
    Db,
    card_changes::{self, CardChange, NewChange, NotApproved, NotSettled},
    claims::Claim,
    facts,
    models::cards,
};

/// The most changes of one model that are open.
const MOST_OPEN: u32 = 20;

/// The caller as changes name it.
pub(crate) fn who(caller: &Caller) -> Who {
    Who {
        tenant: caller.tenant.clone(),
        member: caller.member.clone(),
    }
}

/// What somebody proposes for a model.
pub(crate) struct Proposed<'a> {
    pub(crate) model: &'a ModelName,
    pub(crate) reason: &'a str,
    /// The key under which it is asked for, if it is one.
    pub(crate) claim: Option<Claim>,
}

impl Desk {
    /// Stores what `caller` proposes: what `wanted` makes of the facts in force.
    pub(crate) async fn propose_change(
        &self,
        caller: &Caller,
        licenses: &Licenses,
        proposed: Proposed<'_>,
        wanted: impl FnOnce(&CardFacts) -> Result<CardFacts, Problem>,
    ) -> Result<CardChange, Problem> {
        let Proposed { model, reason, claim } = proposed;
        let reason = checked(reason)?;
        let found = cards::facts(&self.db, model).await?;
        let (now, version) = found.ok_or_else(|| unknown_model(model))?;
        let mut facts = wanted(&now)?;
        let differences = facts.propose(&now).map_err(|why| unproposable(&why))?;
        if facts.license.id != now.license.id {
            may_be_under(&self.db, licenses, model, &facts.license).await?;
        }
        let new = NewChange {
            id: self.ids.make(),
            model,
            by: &who(caller),
            reason,
            version,
            facts: &facts,
            differences: &differences,
        };
        let stamp = self.stamp_of(caller).under(claim);
        if !card_changes::propose(&self.db, stamp, &new, MOST_OPEN).await? {
            let detail = format!("a model has at most {MOST_OPEN} open changes: settle some first");
            return Err(Problem::conflict("too_many_card_changes", detail).with("limit", MOST_OPEN));
        }
        self.change(new.id).await
    }

    /// A change. Problem: 404.
    pub(crate) async fn change(&self, id: CardChangeId) -> Result<CardChange, Problem> {
        card_changes::get(&self.db, id).await?.ok_or_else(no_change)
    }

    /// Counts the agreement of `caller`. Problems: 404, 409 `own_proposal`, `approved_before`, `card_change_over` or
    /// `card_changed`.
    pub(crate) async fn agree_to_change(
        &self,
        caller: &Caller,
        id: CardChangeId,
    ) -> Result<CardChange, Problem> {
        let approved = card_changes::approve(&self.db, self.stamp_of(caller), &who(caller), id).await?;
        let change = approved.ok_or_else(no_change)?.map_err(not_approved)?;
        // Another license may forbid what waits, and allow what is held.
        self.signals.reconsider.notify_one();
        Ok(change)
    }

    /// Rejects or withdraws a change. Problems: 400 `reason_invalid`, 404, 409 `card_change_over` or
    /// `proposed_by_another`.
    pub(crate) async fn settle_change(
        &self,
        caller: &Caller,
        id: CardChangeId,
        state: ChangeState,
        reason: &str,
    ) -> Result<CardChange, Problem> {
        let (reason, stamp) = (checked(reason)?, self.stamp_of(caller));
        let settled = card_changes::settle(&self.db, stamp, &who(caller), id, state, reason).await?;
        settled.ok_or_else(no_change)?.map_err(not_settled)
    }
}

/// Whether the model may be under another license: one whose facts are known, and that lets it have its name.
async fn may_be_under(
    db: &Db,
    licenses: &Licenses,
    model: &ModelName,
    license: &NamedLicense,
) -> Result<(), Problem> {
    if licenses.get(&license.id).is_none() {
        return Err(unknown_license(&license.id));
    }
    let mut lineage = facts::lineage(db, model).await?;
    if let Some(own) = lineage.first_mut() {
        own.license = Some(license.id.clone());
    }
    check_name(&lineage, licenses).map_err(|why| name_refused(&why))
}

fn checked(reason: &str) -> Result<&str, Problem> {
    let reason = reason.trim();
    match (1..=REASON_LIMIT).contains(&reason.chars().count()) {
        true => Ok(reason),
        false => {
            let detail = format!("`reason` has 1 to {REASON_LIMIT} characters");
            Err(Problem::bad_request("reason_invalid", detail).with("field", "reason"))
        }
    }
}

fn unproposable(why: &Unproposable) -> Problem {
    match why {
        Unproposable::Same => unprocessable("card_same", why.to_string()),
        Unproposable::Unsourced(fact) => unprocessable("fact_unsourced", why.to_string())
            .with("field", format!("card.sources.{}", fact.as_str()))
            .with("cure", "say where it was read (`source`) and when (`seen`)"),
        Unproposable::License => {
            unprocessable("registration_invalid", why.to_string()).with("field", "license.source")
        }
    }
}

fn no_change() -> Problem {
    Problem::not_found("change of a card")
}

fn not_approved(why: NotApproved) -> Problem {
    match why {
        NotApproved::No(no) => {
            let code = match no {
                NoApproval::Over => "card_change_over",
                NoApproval::Own => "own_proposal",
                NoApproval::Twice => "approved_before",
            };
            Problem::conflict(code, no.to_string())
        }
        NotApproved::CardChanged => {
            let detail = "the card was changed after this was proposed, so nobody saw what it would be";
            Problem::conflict("card_changed", detail).with("cure", "propose it anew for the card as it is")
        }
    }
}

fn not_settled(why: NotSettled) -> Problem {
    match why {
        NotSettled::Over => not_approved(NotApproved::No(NoApproval::Over)),
        NotSettled::OfAnother => {
            let detail = "who proposed a change withdraws it; others reject it";
            Problem::conflict("proposed_by_another", detail)
        }
    }
}
