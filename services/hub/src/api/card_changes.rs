//! `/v1/card-changes`: changes of models' cards, which others agree to before they are in force.

use super::{
    card_change_acts::Proposed,
    desk::Desk,
    paging::{Listed, Paging},
};
use crate::{app::ok, caller::Authenticated, idempotency::Once, json_object::Object, problem::Problem};
use actix_web::{
    HttpResponse,
    http::header::LOCATION,
    web::{self, Data, Json, Path, Query},
};
use domain::{
    access::Act,
    card::Card,
    card_change::{Approval, CardFacts, ChangeState, Difference, NamedLicense, Who},
    id::CardChangeId,
    names::ModelName,
    policy::CurrentPolicies,
};
use records::{
    Db,
    card_changes::{self, CardChange},
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

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

async fn propose(
    caller: Authenticated,
    Json(Object(body)): Json<Object<Proposal>>,
    desk: Desk,
    policies: Data<CurrentPolicies>,
    once: Once,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::RegisterModel)?;
    let Proposal {
        model,
        card,
        license,
        reason,
    } = body;
    let proposed = Proposed {
        model: &model,
        reason: &reason,
        claim: once.claim(),
    };
    let wanted = |now: &CardFacts| {
        let license = license.unwrap_or_else(|| now.license.clone());
        Ok(CardFacts { license, card })
    };
    let change = desk
        .propose_change(caller, policies.get().licenses(), proposed, wanted)
        .await?;
    let location = (LOCATION, format!("/v1/card-changes/{}", change.id));
    Ok(HttpResponse::Created()
        .insert_header(location)
        .json(ChangeView::of(change)))
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

async fn get(caller: Authenticated, path: Path<CardChangeId>, desk: Desk) -> Result<HttpResponse, Problem> {
    caller.may(Act::ReviewCard)?;
    Ok(ok(ChangeView::of(desk.change(*path).await?)))
}

async fn approve(
    caller: Authenticated,
    path: Path<CardChangeId>,
    desk: Desk,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::ReviewCard)?;
    Ok(ok(ChangeView::of(desk.agree_to_change(caller, *path).await?)))
}

async fn reject(
    caller: Authenticated,
    path: Path<CardChangeId>,
    Json(Object(body)): Json<Object<Reason>>,
    desk: Desk,
) -> Result<HttpResponse, Problem> {
    let (caller, state) = (caller.may(Act::ReviewCard)?, ChangeState::Rejected);
    let change = desk.settle_change(caller, *path, state, &body.reason).await?;
    Ok(ok(ChangeView::of(change)))
}

async fn withdraw(
    caller: Authenticated,
    path: Path<CardChangeId>,
    Json(Object(body)): Json<Object<Reason>>,
    desk: Desk,
) -> Result<HttpResponse, Problem> {
    let (caller, state) = (caller.may(Act::RegisterModel)?, ChangeState::Withdrawn);
    let change = desk.settle_change(caller, *path, state, &body.reason).await?;
    Ok(ok(ChangeView::of(change)))
}
