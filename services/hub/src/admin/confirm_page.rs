//! Asks once more before an acceptance is suspended or revoked, and shows what that stops.

use super::{refused::Refused, shell::Shell, visitor::Visitor};
use crate::{
    api::{acceptance_problems::no_acceptance, acceptances::scope},
    gate::{self, EarlierAllow},
    problem::Problem,
    site,
};
use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};
use askama::Template;
use domain::{
    acceptance::Acceptance,
    access::Act,
    clock::SharedClock,
    id::{AcceptanceId, IdMaker},
    language::Language,
    policy::CurrentPolicies,
};
use records::{Db, RecordsError, acceptances, holding};
use time::OffsetDateTime;

/// The most batches that are looked at.
const LOOKED_AT: u32 = 200;

/// See the module's text.
#[derive(Template)]
#[template(path = "confirm.html")]
pub struct ConfirmPage {
    t: Language,
    shell: Shell,
    id: String,
    tenant: String,
    act: String,
    stops: Vec<Stopped>,
    jobs: u64,
    more: bool,
}

/// A batch that would be held.
struct Stopped {
    id: String,
    model: String,
    purpose: &'static str,
    jobs: u64,
}

impl ConfirmPage {
    /// One to look at.
    pub fn sample(t: Language) -> Self {
        Self {
            t,
            shell: Shell::sample(t),
            id: "acc_00000000000000000000000000".into(),
            tenant: "acme".into(),
            act: "revoke".into(),
            stops: vec![Stopped {
                id: "bat_00000000000000000000000000".into(),
                model: "THUDM/glm-4v-9b".into(),
                purpose: "commercial",
                jobs: 12,
            }],
            jobs: 12,
            more: true,
        }
    }
}

/// The page.
pub async fn get(
    visitor: Visitor,
    path: Path<(AcceptanceId, String)>,
    db: Data<Db>,
    policies: Data<CurrentPolicies>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
) -> Result<HttpResponse, Refused> {
    visitor.caller.may(Act::ReviewAcceptance)?;
    let (id, act) = path.into_inner();
    if act != "suspend" && act != "revoke" {
        return Err(Problem::not_found("page").into());
    }
    let entry = acceptances::entry(&db, scope(&visitor.caller)?, id)
        .await?
        .ok_or_else(no_acceptance)?;
    let (stops, more) = stopped(&db, &policies, &ids, clock.now(), &entry.acceptance).await?;
    let shown = ConfirmPage {
        t: visitor.t,
        shell: Shell::of(&visitor, "/admin/reviews"),
        id: id.to_string(),
        tenant: entry.acceptance.tenant.to_string(),
        act,
        jobs: stops.iter().map(|batch| batch.jobs).sum(),
        stops,
        more,
    };
    Ok(site::page(StatusCode::OK, &shown)?)
}

/// The batches at work that the gate allows with `held` and would refuse without it.
async fn stopped(
    db: &Db,
    policies: &CurrentPolicies,
    ids: &IdMaker,
    now: OffsetDateTime,
    held: &Acceptance,
) -> Result<(Vec<Stopped>, bool), RecordsError> {
    let batches = holding::at_work(db, Some(&held.tenant), None, LOOKED_AT).await?;
    let more = batches.len() == LOOKED_AT as usize;
    let mut stops = Vec::new();
    for batch in &batches {
        if gate::hangs_on(db, policies, ids, now, EarlierAllow::of(batch), held.id).await? {
            stops.push(Stopped {
                id: batch.id.to_string(),
                model: batch.license.model.to_string(),
                purpose: batch.license.purpose.as_str(),
                jobs: batch.jobs.queued + batch.jobs.dispatched + batch.jobs.running,
            });
        }
    }
    Ok((stops, more))
}
