//! `/v1/decisions`: what the licence gate decided.

use crate::{app::ok, caller::Authenticated, problem::Problem};
use actix_web::{
    HttpResponse,
    web::{self, Data, Path},
};
use domain::{
    access::Act,
    batch::Metadata,
    digest::Sha256,
    gate::{DecisionRecord, Duty, Outcome, Reason},
    id::DecisionId,
    names::{MemberName, ModelName, TenantName},
    purpose::Purpose,
};
use records::{Db, decisions};
use serde::Serialize;
use time::OffsetDateTime;

/// The paths of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config.route("/v1/decisions/{decision}", web::get().to(get));
}

async fn get(caller: Authenticated, path: Path<DecisionId>, db: Data<Db>) -> Result<HttpResponse, Problem> {
    let sees_all = caller.can(Act::ReadEveryDecision);
    let caller = caller.may(Act::ReadAcceptance)?;
    let decision = decisions::get(&db, *path).await?;
    let decision = decision.filter(|found| sees_all || found.request.tenant == caller.tenant);
    Ok(ok(DecisionView::of(
        decision.ok_or_else(|| Problem::not_found("decision"))?,
    )))
}

/// A decision in JSON.
#[derive(Serialize)]
struct DecisionView {
    id: DecisionId,
    tenant: TenantName,
    member: MemberName,
    model: ModelName,
    revision_sha256: Sha256,
    purpose: Purpose,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    outcome: Outcome,
    terms_sha256: Option<Sha256>,
    duties: Vec<Duty>,
    reasons: Vec<Reason>,
    policies_sha256: Option<Sha256>,
    metadata: Metadata,
    site: String,
}

impl DecisionView {
    fn of(decision: DecisionRecord) -> Self {
        let request = decision.request;
        Self {
            id: decision.id,
            tenant: request.tenant,
            member: request.member,
            model: request.model,
            revision_sha256: request.revision_sha256,
            purpose: request.purpose,
            at: request.at,
            outcome: decision.outcome,
            terms_sha256: decision.terms_sha256,
            duties: decision.duties,
            reasons: decision.reasons,
            policies_sha256: decision.policies_sha256,
            metadata: request.metadata,
            site: request.site,
        }
    }
}
