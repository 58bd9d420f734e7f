//! `POST /v1/policies/explain`: how the gate comes to its answer. An explanation is no decision: it allows nothing and
//! is not recorded.

use super::policies::invalid;
use crate::{app::ok, caller::Authenticated, gate::unknown_model, json_object::Object, problem::Problem};
use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{self, Data, Json},
};
use domain::{
    access::Act,
    batch::Metadata,
    clock::SharedClock,
    digest::Sha256,
    gate::{self, DecisionRecord, Explanation, Outcome, Reason, Request},
    id::DecisionId,
    names::{MemberName, ModelName, TenantName},
    policy::{CurrentPolicies, Policies},
    purpose::Purpose,
};
use records::{Db, decisions, facts, models, policies as sets};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use time::OffsetDateTime;

/// The paths of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config.route("/v1/policies/explain", web::post().to(explain));
}

/// A question of one's own, or a decision that was taken.
#[derive(Deserialize)]
#[serde(untagged)]
enum Asked {
    Decision(OfDecision),
    Question(Question),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfDecision {
    decision_id: DecisionId,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    model: ModelName,
    purpose: Purpose,
    tenant: Option<TenantName>,
    #[serde(default)]
    metadata: Metadata,
}

async fn explain(
    caller: Authenticated,
    Json(Object(body)): Json<Object<Asked>>,
    db: Data<Db>,
    policies: Data<CurrentPolicies>,
    clock: Data<SharedClock>,
) -> Result<HttpResponse, Problem> {
    let view = match body {
        Asked::Decision(OfDecision { decision_id }) => {
            explained(&caller, &db, &policies, decision_id).await?
        }
        Asked::Question(question) => {
            let asking = caller.may(Act::ExplainPolicies)?;
            let tenant = question.tenant.clone().unwrap_or_else(|| asking.tenant.clone());
            if !sees(&caller, &tenant) {
                return Err(Problem::not_found("tenant"));
            }
            let whose = (tenant, asking.member.clone());
            of_question(&db, &policies, clock.now(), whose, question).await?
        }
    };
    Ok(ok(view))
}

/// Whether what concerns a tenant is told to the caller.
fn sees(caller: &Authenticated, tenant: &TenantName) -> bool {
    *tenant == caller.itself().tenant || caller.can(Act::ReadEveryDecision)
}

/// Explains a decision that the caller may read. Problems: 403, 404.
pub(crate) async fn explained(
    caller: &Authenticated,
    db: &Db,
    policies: &CurrentPolicies,
    id: DecisionId,
) -> Result<ExplanationView, Problem> {
    caller.may(Act::ExplainPolicies)?;
    let found = decisions::get(db, id).await?;
    let found = found.filter(|found| sees(caller, &found.request.tenant));
    let decided = found.ok_or_else(|| Problem::not_found("decision"))?;
    of_decision(db, policies, decided).await
}

async fn of_question(
    db: &Db,
    policies: &CurrentPolicies,
    now: OffsetDateTime,
    (tenant, member): (TenantName, MemberName),
    question: Question,
) -> Result<ExplanationView, Problem> {
    let known = facts::of(db, &tenant, &question.model, None).await?;
    if known.revision_sha256.is_none() && models::get(db, &question.model).await?.is_none() {
        return Err(unknown_model(&question.model));
    }
    let request = Request {
        tenant,
        member,
        model: question.model,
        // A model that is registered and not imported can be asked about too; no license depends on its files.
        revision_sha256: known.revision_sha256.unwrap_or(Sha256::of(b"")),
        purpose: question.purpose,
        metadata: question.metadata,
        site: policies.site().to_owned(),
        at: now,
    };
    let explanation = gate::explain(&policies.get(), &request, &known.facts);
    Ok(ExplanationView::of(
        request,
        known.revision_sha256,
        explanation,
        None,
    ))
}

/// Under the policies of its time, where those were kept, and with the facts of today.
async fn of_decision(
    db: &Db,
    policies: &CurrentPolicies,
    decided: DecisionRecord,
) -> Result<ExplanationView, Problem> {
    let request = decided.request.clone();
    let revision = request.revision_sha256;
    let known = facts::of(db, &request.tenant, &request.model, Some(&revision)).await?;
    let kept = match &decided.policies_sha256 {
        Some(sha256) => sets::files(db, sha256).await?,
        None => None,
    };
    let of_its_time = kept.is_some();
    let then = match kept {
        Some(files) => Arc::new(Policies::read(files).map_err(|bad| invalid(StatusCode::CONFLICT, &bad))?),
        None => policies.get(),
    };
    let explanation = gate::explain(&then, &request, &known.facts);
    let decision = DecidedView {
        id: decided.id,
        outcome: decided.outcome,
        reasons: decided.reasons,
        policies_of_its_time: of_its_time,
    };
    Ok(ExplanationView::of(
        request,
        Some(revision),
        explanation,
        Some(decision),
    ))
}

/// An explanation in JSON.
#[derive(Serialize)]
pub(crate) struct ExplanationView {
    pub(crate) tenant: TenantName,
    pub(crate) model: ModelName,
    pub(crate) revision_sha256: Option<Sha256>,
    pub(crate) purpose: Purpose,
    pub(crate) metadata: Metadata,
    pub(crate) site: String,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) at: OffsetDateTime,
    pub(crate) decision: Option<DecidedView>,
    #[serde(flatten)]
    pub(crate) explanation: Explanation,
}

/// What had been decided.
#[derive(Serialize)]
pub(crate) struct DecidedView {
    pub(crate) id: DecisionId,
    pub(crate) outcome: Outcome,
    pub(crate) reasons: Vec<Reason>,
    pub(crate) policies_of_its_time: bool,
}

impl ExplanationView {
    fn of(
        request: Request,
        revision_sha256: Option<Sha256>,
        explanation: Explanation,
        decision: Option<DecidedView>,
    ) -> Self {
        Self {
            tenant: request.tenant,
            model: request.model,
            revision_sha256,
            purpose: request.purpose,
            metadata: request.metadata,
            site: request.site,
            at: request.at,
            decision,
            explanation,
        }
    }
}
