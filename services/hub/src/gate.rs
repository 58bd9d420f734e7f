//! Asks the licence gate on behalf of a caller, and remembers what it said.

mod earlier;
mod given;

pub use earlier::{Confirmed, EarlierAllow, allows_again, hangs_on, still_holds, waits_for};
pub use given::Given;

use crate::problem::Problem;
use actix_web::http::StatusCode;
use domain::{
    access::Caller,
    batch::Metadata,
    digest::Sha256,
    gate::{self, Allowed, Decision, DecisionRecord, Refusal, Request},
    id::IdMaker,
    names::ModelName,
    policy::CurrentPolicies,
    purpose::Purpose,
};
use exchange::spans::{self, Kind, Span};
use records::{Db, RecordsError, Tx, decisions, facts, models};
use serde_json::json;
use time::OffsetDateTime;

/// What is wanted of a model.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Which model.
    pub model: &'a ModelName,
    /// Which revision of it; the current one if none is named.
    pub revision: Option<&'a Sha256>,
    /// For what.
    pub purpose: Purpose,
    /// What the tenant wrote on the batch.
    pub metadata: &'a Metadata,
}

impl<'a> Wanted<'a> {
    /// The model itself, without a batch that something was written on.
    pub fn model(model: &'a ModelName, revision: Option<&'a Sha256>, purpose: Purpose) -> Self {
        static NOTHING: Metadata = Metadata::new();
        Self {
            model,
            revision,
            purpose,
            metadata: &NOTHING,
        }
    }
}

/// Asks whether `caller` may have what is `wanted`. The decision is recorded with its
/// audit entry before this returns, whichever way it went.
///
/// Problems: 404 `model_unknown`; 409 `model_not_imported`; 403 with the first reason's code, `decision_id`,
/// `cure` and all `reasons`.
pub async fn ask(
    db: &Db,
    policies: &CurrentPolicies,
    ids: &IdMaker,
    now: OffsetDateTime,
    caller: &Caller,
    wanted: Wanted<'_>,
) -> Result<Allowed, Problem> {
    let nothing = async { Ok(()) };
    let allow = decide(db, policies, ids, now, caller, wanted, nothing).await?;
    keep(db, ids, &allow.record).await?;
    Ok(allow.allowed)
}

/// As [`ask`], unless `room` has a problem, with which nothing is decided; and does `work` once the answer is known to be
/// an allow, while that is being recorded. Nothing that comes of `work` may be used or told before this returns. An allow is
/// on the disk with whatever is committed after it and waits for that, or after [`Db::flush`]: nothing may be done under it
/// before. Problems: those of [`ask`], of `room` and of `work`.
#[expect(
    clippy::too_many_arguments,
    reason = "who asks for what, and what happens meanwhile"
)]
pub async fn ask_before<T>(
    db: &Db,
    policies: &CurrentPolicies,
    ids: &IdMaker,
    now: OffsetDateTime,
    caller: &Caller,
    wanted: Wanted<'_>,
    room: impl Future<Output = Result<(), Problem>>,
    work: impl Future<Output = Result<T, Problem>>,
) -> Result<(Given, T), Problem> {
    let Allow {
        span,
        allowed,
        record,
        epoch,
    } = decide(db, policies, ids, now, caller, wanted, room).await?;
    // What is done meanwhile is no part of the decision.
    let keep = async {
        let _span = span;
        keep_in(db.begin_without_flush().await?, ids, &record).await
    };
    let (kept, done) = tokio::join!(keep, work);
    kept?;
    Ok((Given::new(allowed, now, epoch), done?))
}

/// An allow that is not recorded yet.
struct Allow {
    /// Ends when it is.
    span: Span,
    allowed: Allowed,
    record: DecisionRecord,
    /// The tenant's revocation epoch of that moment.
    epoch: u64,
}

/// Decides, unless `room` has a problem. A refusal is recorded, and is the problem.
async fn decide(
    db: &Db,
    policies: &CurrentPolicies,
    ids: &IdMaker,
    now: OffsetDateTime,
    caller: &Caller,
    wanted: Wanted<'_>,
    room: impl Future<Output = Result<(), Problem>>,
) -> Result<Allow, Problem> {
    let model = wanted.model;
    let mut span = begun(&wanted);
    let (room, known) = tokio::join!(room, facts::of(db, &caller.tenant, model, wanted.revision));
    room?;
    let known = known?;
    let Some(revision_sha256) = known.revision_sha256 else {
        return Err(without_revision(db, model).await);
    };
    let (policies, site) = (policies.get(), policies.site().to_owned());
    let request = Request {
        tenant: caller.tenant.clone(),
        member: caller.member.clone(),
        model: model.clone(),
        revision_sha256,
        purpose: wanted.purpose,
        metadata: wanted.metadata.clone(),
        site,
        at: now,
    };
    let decision = gate::decide(ids.make(), &policies, &request, &known.facts);
    let record = DecisionRecord::of(&decision, &policies, &request, &known.facts);
    span.tell("glmhub.decision", record.id.to_string());
    span.tell("glmhub.outcome", record.outcome.as_str());
    match decision {
        Decision::Allowed(allowed) => Ok(Allow {
            span,
            allowed,
            record,
            epoch: known.epoch,
        }),
        Decision::Refused(refusal) => {
            keep(db, ids, &record).await?;
            Err(problem(&refusal))
        }
    }
}

fn begun(wanted: &Wanted<'_>) -> Span {
    let mut span = Span::begin("decision", Kind::Internal, spans::here().as_ref());
    span.tell("gen_ai.request.model", wanted.model.to_string());
    span.tell("glmhub.purpose", wanted.purpose.as_str());
    span
}

/// Records a decision with its audit entry, and says so in the log: what a caller was told, a webhook tells or an order
/// carries is found there by the same id.
async fn keep(db: &Db, ids: &IdMaker, record: &DecisionRecord) -> Result<(), RecordsError> {
    keep_in(db.begin().await?, ids, record).await
}

/// As [`keep`], in a transaction that ends with it.
async fn keep_in(tx: Tx, ids: &IdMaker, record: &DecisionRecord) -> Result<(), RecordsError> {
    decisions::record(tx, ids, record).await?;
    let code = record.reasons.first().map(|reason| reason.code.to_string());
    tracing::info!(
        decision = %record.id,
        tenant = %record.request.tenant,
        model = %record.request.model,
        purpose = %record.request.purpose,
        outcome = record.outcome.as_str(),
        code,
        "decided"
    );
    Ok(())
}

/// The 403 that tells a client of a refusal.
pub fn problem(refusal: &Refusal) -> Problem {
    let Some(first) = refusal.reasons.first() else {
        return Problem::internal(anyhow::anyhow!(
            "decision {} refuses without a reason",
            refusal.decision
        ));
    };
    Problem::new(
        StatusCode::FORBIDDEN,
        first.code.to_string(),
        first.message.clone(),
    )
    .with("decision_id", refusal.decision.to_string())
    .with("cure", first.cure.clone())
    .with("reasons", json!(refusal.reasons))
}

async fn without_revision(db: &Db, model: &ModelName) -> Problem {
    match models::get(db, model).await {
        Err(error) => error.into(),
        Ok(None) => unknown_model(model),
        Ok(Some(_)) => not_imported(model),
    }
}

/// The 409 for a model whose weights are not here.
pub fn not_imported(model: &ModelName) -> Problem {
    Problem::conflict(
        "model_not_imported",
        format!(
            "{model} is registered and no revision of it is on this hub; the operator runs `glmhub model import --model {model} --from DIR`"
        ),
    )
}

/// The 404 for a model that is not registered.
pub fn unknown_model(model: &ModelName) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "model_unknown",
        format!("no model {model} is registered here; GET /v1/models lists those that are"),
    )
}
