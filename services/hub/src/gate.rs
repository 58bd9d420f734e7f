//! Asks the licence gate on behalf of a caller, and remembers what it said.

mod given;

pub use given::Given;

use crate::problem::Problem;
use actix_web::http::StatusCode;
use domain::{
    acceptance::Acceptance,
    access::Caller,
    batch::{Metadata, StoredBatch},
    digest::Sha256,
    gate::{self, Allowed, Decision, DecisionRecord, Facts, Refusal, Request},
    id::{AcceptanceId, IdMaker},
    names::{MemberName, ModelName, TenantName},
    policy::{CurrentPolicies, Policies},
    purpose::Purpose,
};
use exchange::spans::{self, Kind, Span};
use records::{Db, RecordsError, Tx, decisions, facts, models};
use serde_json::json;
use std::sync::Arc;
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

/// An allow that was given earlier and is about to be used again: all that decides on it. Batches that agree in it are
/// allowed or refused together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EarlierAllow<'a> {
    tenant: &'a TenantName,
    member: &'a MemberName,
    model: &'a ModelName,
    revision_sha256: Sha256,
    purpose: Purpose,
    metadata: &'a Metadata,
}

impl<'a> EarlierAllow<'a> {
    /// What `batch` was opened under.
    pub fn of(batch: &'a StoredBatch) -> Self {
        Self {
            tenant: &batch.tenant,
            member: &batch.member,
            model: &batch.license.model,
            revision_sha256: batch.license.revision_sha256,
            purpose: batch.license.purpose,
            metadata: &batch.metadata,
        }
    }
}

impl EarlierAllow<'_> {
    fn request(&self, site: &str, at: OffsetDateTime) -> Request {
        Request {
            tenant: self.tenant.clone(),
            member: self.member.clone(),
            model: self.model.clone(),
            revision_sha256: self.revision_sha256,
            purpose: self.purpose,
            metadata: self.metadata.clone(),
            site: site.to_owned(),
            at,
        }
    }
}

/// What an earlier allow stands on now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confirmed {
    /// The text of the revision's terms, if one came with its weights.
    pub terms_sha256: Option<Sha256>,
    /// The policies that were asked.
    pub policies_sha256: Sha256,
    /// From when it would not hold any more: `Allowed::until`.
    pub until: Option<OffsetDateTime>,
    /// The revocation epoch of the tenant when it was asked.
    pub epoch: u64,
}

impl Confirmed {
    fn of(allowed: &Allowed, epoch: u64) -> Self {
        Self {
            terms_sha256: allowed.terms_sha256(),
            policies_sha256: allowed.policies_sha256(),
            until: allowed.until(),
            epoch,
        }
    }
}

/// Whether what was allowed earlier would be allowed now, and on what; or the refusal. A refusal is a decision of
/// its own and recorded as one; a confirmation is not.
pub async fn still_holds(
    db: &Db,
    policies: &CurrentPolicies,
    ids: &IdMaker,
    now: OffsetDateTime,
    earlier: EarlierAllow<'_>,
) -> Result<Result<Confirmed, Refusal>, RecordsError> {
    let (decision, record, epoch) = decide_again(db, policies, ids, now, earlier).await?;
    match decision {
        Decision::Allowed(allowed) => Ok(Ok(Confirmed::of(&allowed, epoch))),
        Decision::Refused(refusal) => {
            keep(db, ids, &record).await?;
            Ok(Err(refusal))
        }
    }
}

/// The allow for what was allowed earlier, refused since, and is allowed again. It is a decision of its own and
/// recorded as one; that it is still refused is not.
pub async fn allows_again(
    db: &Db,
    policies: &CurrentPolicies,
    ids: &IdMaker,
    now: OffsetDateTime,
    earlier: EarlierAllow<'_>,
) -> Result<Option<Allowed>, RecordsError> {
    let (decision, record, _) = decide_again(db, policies, ids, now, earlier).await?;
    let Decision::Allowed(allowed) = decision else {
        return Ok(None);
    };
    keep(db, ids, &record).await?;
    Ok(Some(allowed))
}

async fn decide_again(
    db: &Db,
    policies: &CurrentPolicies,
    ids: &IdMaker,
    now: OffsetDateTime,
    earlier: EarlierAllow<'_>,
) -> Result<(Decision, DecisionRecord, u64), RecordsError> {
    let known = facts::of(db, earlier.tenant, earlier.model, Some(&earlier.revision_sha256)).await?;
    let facts = match known.revision_sha256 {
        Some(_) => known.facts,
        None => Facts::default(),
    };
    let site = policies.site().to_owned();
    let (policies, request) = (policies.get(), earlier.request(&site, now));
    let decision = gate::decide(ids.make(), &policies, &request, &facts);
    let record = DecisionRecord::of(&decision, &policies, &request, &facts);
    Ok((decision, record, known.epoch))
}

/// Whether what was allowed earlier is allowed now and would not be without the acceptance `without`. Nothing is
/// recorded: nobody is told a decision.
pub async fn hangs_on(
    db: &Db,
    policies: &CurrentPolicies,
    ids: &IdMaker,
    now: OffsetDateTime,
    earlier: EarlierAllow<'_>,
    without: AcceptanceId,
) -> Result<bool, RecordsError> {
    let (again, mut facts) = Again::of(db, policies, now, earlier).await?;
    let with = again.allows(ids, &facts);
    facts.acceptances.retain(|held| held.id != without);
    Ok(with && !again.allows(ids, &facts))
}

/// Whether what was allowed earlier is refused now and would be allowed if an acceptance became `then`. Nothing is
/// recorded.
pub async fn waits_for(
    db: &Db,
    policies: &CurrentPolicies,
    ids: &IdMaker,
    now: OffsetDateTime,
    earlier: EarlierAllow<'_>,
    then: &Acceptance,
) -> Result<bool, RecordsError> {
    let (again, mut facts) = Again::of(db, policies, now, earlier).await?;
    let without = again.allows(ids, &facts);
    for held in &mut facts.acceptances {
        if held.id == then.id {
            held.clone_from(then);
        }
    }
    Ok(!without && again.allows(ids, &facts))
}

/// What was allowed earlier, asked again under the policies in force and told to nobody.
struct Again {
    request: Request,
    policies: Arc<Policies>,
}

impl Again {
    async fn of(
        db: &Db,
        policies: &CurrentPolicies,
        now: OffsetDateTime,
        earlier: EarlierAllow<'_>,
    ) -> Result<(Self, Facts), RecordsError> {
        let revision = Some(&earlier.revision_sha256);
        let known = facts::of(db, earlier.tenant, earlier.model, revision).await?;
        let again = Self {
            request: earlier.request(policies.site(), now),
            policies: policies.get(),
        };
        Ok((again, known.facts))
    }

    fn allows(&self, ids: &IdMaker, facts: &Facts) -> bool {
        let decision = gate::decide(ids.make(), &self.policies, &self.request, facts);
        matches!(decision, Decision::Allowed(_))
    }
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
