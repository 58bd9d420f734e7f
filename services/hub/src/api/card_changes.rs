//! `/v1/card-changes`: changes of models' cards, which others agree to before they are in force.

use super::{
    paging::{Listed, Paging},
    registration::{unknown_license, unprocessable},
};
use crate::{
    app::ok, caller::Authenticated, gate::unknown_model, idempotency::Once, json_object::Object,
    problem::Problem, signals::Signals,
};
use actix_web::{
    HttpResponse,
    http::header::LOCATION,
    web::{self, Data, Json, Path, Query},
};
use domain::{
    access::{Act, Caller},
    card::Card,
    card_change::{
        Approval, CardFacts, ChangeState, Difference, NamedLicense, NoApproval, REASON_LIMIT, Unproposable,
        Who,
    },
    clock::SharedClock,
    id::{CardChangeId, IdMaker},
    license::Licenses,
    names::ModelName,
    policy::CurrentPolicies,
    registration::check_name,
};
use records::{
    Db, Stamp,
    card_changes::{self, CardChange, NewChange, NotApproved},
    facts,
    models::cards,
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// The most changes of one model that are open.
const MOST_OPEN: u32 = 20;

/// The paths of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/v1/card-changes", web::post().to(propose))
        .route("/v1/card-changes", web::get().to(list))
        .route("/v1/card-changes/{change}", web::get().to(get))
        .route("/v1/card-changes/{change}/approve", web::post().to(approve))
        .route("/v1/card-changes/{change}/reject", web::post().to(reject))
        .route("/v1/card-changes/{change}/withdraw", web::post().to(withdraw));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Proposal {
    model: ModelName,
    card: Card,
    license: Option<NamedLicense>,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listing {
    model: Option<ModelName>,
    state: Option<ChangeState>,
    after: Option<CardChangeId>,
    limit: Option<u32>,
}

/// A change in JSON.
#[derive(Serialize)]
pub(crate) struct ChangeView {
    id: CardChangeId,
    model: ModelName,
    state: ChangeState,
    reason: String,
    proposed_by: Who,
    #[serde(with = "time::serde::rfc3339")]
    proposed_at: OffsetDateTime,
    differences: Vec<Difference>,
    license: NamedLicense,
    card: Card,
    approvals_needed: usize,
    approvals: Vec<Approval>,
    #[serde(with = "time::serde::rfc3339::option")]
    settled_at: Option<OffsetDateTime>,
    settled_by: Option<String>,
    settled_reason: Option<String>,
}

impl ChangeView {
    fn of(change: CardChange) -> Self {
        let (at, by, note) = match change.settled {
            Some(settled) => (Some(settled.at), Some(settled.by), settled.note),
            None => (None, None, None),
        };
        Self {
            id: change.id,
            model: change.model,
            state: change.state,
            reason: change.reason,
            proposed_by: change.proposed_by,
            proposed_at: change.proposed_at,
            differences: change.differences,
            license: change.facts.license,
            card: change.facts.card,
            approvals_needed: change.needed,
            approvals: change.approvals,
            settled_at: at,
            settled_by: by,
            settled_reason: note,
        }
    }
}

pub(crate) fn who(caller: &Caller) -> Who {
    Who {
        tenant: caller.tenant.clone(),
        member: caller.member.clone(),
    }
}

async fn propose(
    caller: Authenticated,
    Json(Object(body)): Json<Object<Proposal>>,
    db: Data<Db>,
    policies: Data<CurrentPolicies>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
    once: Once,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::RegisterModel)?;
    let reason = checked(&body.reason)?;
    let found = cards::facts(&db, &body.model).await?;
    let (now, version) = found.ok_or_else(|| unknown_model(&body.model))?;
    let mut facts = CardFacts {
        license: body.license.unwrap_or_else(|| now.license.clone()),
        card: body.card,
    };
    let differences = facts.propose(&now).map_err(|why| unproposable(&why))?;
    if facts.license.id != now.license.id {
        may_be_under(&db, policies.get().licenses(), &body.model, &facts.license).await?;
    }
    let by = who(caller);
    let new = NewChange {
        id: ids.make(),
        model: &body.model,
        by: &by,
        reason,
        version,
        facts: &facts,
        differences: &differences,
    };
    let stamp = Stamp::of(&ids, clock.now(), caller).under(once.claim());
    if !card_changes::propose(&db, stamp, &new, MOST_OPEN).await? {
        let detail = format!("a model has at most {MOST_OPEN} open changes: settle some first");
        return Err(Problem::conflict("too_many_card_changes", detail).with("limit", MOST_OPEN));
    }
    let location = (LOCATION, format!("/v1/card-changes/{}", new.id));
    let change = found_change(card_changes::get(&db, new.id).await?)?;
    Ok(HttpResponse::Created()
        .insert_header(location)
        .json(ChangeView::of(change)))
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
    check_name(&lineage, licenses).map_err(|why| super::registration::name_refused(&why))
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

fn found_change(change: Option<CardChange>) -> Result<CardChange, Problem> {
    change.ok_or_else(|| Problem::not_found("change of a card"))
}

async fn list(caller: Authenticated, query: Query<Listing>, db: Data<Db>) -> Result<HttpResponse, Problem> {
    caller.may(Act::ReviewCard)?;
    let (after, limit) = Paging::new(query.after, query.limit).checked()?;
    let found = card_changes::list(&db, query.model.as_ref(), query.state, after, limit).await?;
    let views = found.into_iter().map(ChangeView::of).collect();
    Ok(ok(Listed::new(views, limit, |view: &ChangeView| {
        view.id.to_string()
    })))
}

async fn get(caller: Authenticated, path: Path<CardChangeId>, db: Data<Db>) -> Result<HttpResponse, Problem> {
    caller.may(Act::ReviewCard)?;
    let change = found_change(card_changes::get(&db, *path).await?)?;
    Ok(ok(ChangeView::of(change)))
}

async fn approve(
    caller: Authenticated,
    path: Path<CardChangeId>,
    db: Data<Db>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
    signals: Data<Signals>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::ReviewCard)?;
    let stamp = Stamp::of(&ids, clock.now(), caller);
    let approved = card_changes::approve(&db, stamp, &who(caller), *path).await?;
    let approved = approved.ok_or_else(|| Problem::not_found("change of a card"))?;
    let change = approved.map_err(not_approved)?;
    // Another license may forbid what waits, and allow what is held.
    signals.reconsider.notify_one();
    Ok(ok(ChangeView::of(change)))
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

async fn reject(
    caller: Authenticated,
    path: Path<CardChangeId>,
    Json(Object(body)): Json<Object<Reason>>,
    db: Data<Db>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::ReviewCard)?;
    let reason = checked(&body.reason)?;
    let stamp = Stamp::of(&ids, clock.now(), caller);
    settle(&db, stamp, &who(caller), *path, ChangeState::Rejected, reason).await
}

async fn withdraw(
    caller: Authenticated,
    path: Path<CardChangeId>,
    Json(Object(body)): Json<Object<Reason>>,
    db: Data<Db>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::RegisterModel)?;
    let reason = checked(&body.reason)?;
    let (by, change) = (who(caller), found_change(card_changes::get(&db, *path).await?)?);
    if change.proposed_by != by {
        let detail = "who proposed a change withdraws it; others reject it";
        return Err(Problem::conflict("proposed_by_another", detail));
    }
    let stamp = Stamp::of(&ids, clock.now(), caller);
    settle(&db, stamp, &by, *path, ChangeState::Withdrawn, reason).await
}

async fn settle(
    db: &Db,
    stamp: Stamp<'_>,
    by: &Who,
    id: CardChangeId,
    state: ChangeState,
    reason: &str,
) -> Result<HttpResponse, Problem> {
    found_change(card_changes::get(db, id).await?)?;
    match card_changes::settle(db, stamp, by, id, state, reason).await? {
        Some(change) => Ok(ok(ChangeView::of(change))),
        None => Err(not_approved(NotApproved::No(NoApproval::Over))),
    }
}
