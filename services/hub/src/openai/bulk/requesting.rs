//! How a request of a file becomes a job.

use super::{BulkParts, HOLD, request_line::RequestLine};
use crate::{
    api::asking::Asking,
    idempotency::Once,
    limits,
    openai::{chat, conversation, errors},
    problem::Problem,
};
use actix_web::http::StatusCode;
use domain::{access::Act, digest::Sha256, id::JobId};
use records::{
    api_keys,
    claims::{self, Claim, ClaimKind, Reserved},
    openai_batches::{OpenaiBatch, RowVerdict, StoredRow},
};
use time::{Duration, OffsetDateTime};

/// How long it is remembered which job a line became, beyond the end of its batch.
const REMEMBERED: Duration = Duration::days(1);

/// Makes a job of a request, once. Problems: those that may pass; all others are its verdict.
pub(super) async fn row(
    parts: &BulkParts,
    batch: &OpenaiBatch,
    request: &RequestLine<'_>,
) -> Result<StoredRow, Problem> {
    let verdict = match job(parts, batch, request).await {
        Ok(job) => RowVerdict::Job(job),
        Err(problem) if may_pass(&problem) => return Err(problem),
        Err(problem) => RowVerdict::Refused(problem.status().as_u16(), errors::body(&problem)),
    };
    Ok(request.stored(verdict))
}

/// What another hub made of a request before it lost the batch. From now on nobody makes anything of it for a while.
pub(super) async fn taken(
    parts: &BulkParts,
    batch: &OpenaiBatch,
    request: &RequestLine<'_>,
) -> Result<Reserved, Problem> {
    let now = parts.clock.now();
    reserve(parts, batch, &claim(parts, batch, request, now), now).await
}

fn may_pass(problem: &Problem) -> bool {
    let passing = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS];
    passing.contains(&problem.status()) || problem.retry_after().is_some()
}

/// What a request holds while it becomes a job, and ever after.
fn claim(parts: &BulkParts, batch: &OpenaiBatch, request: &RequestLine<'_>, now: OffsetDateTime) -> Claim {
    Claim {
        key: Sha256::of(format!("openai_batch {} {}", batch.id, request.number).as_bytes()),
        id: parts.ids.make(),
        request: Sha256::of(request.body.get().as_bytes()),
        held_until: now + HOLD,
        forget_at: batch.expires_at + REMEMBERED,
        kind: ClaimKind::Reserved,
    }
}

async fn reserve(
    parts: &BulkParts,
    batch: &OpenaiBatch,
    claim: &Claim,
    now: OffsetDateTime,
) -> Result<Reserved, Problem> {
    let (tenant, until) = (&batch.caller.tenant, (claim.held_until, claim.forget_at));
    Ok(claims::reserve(&parts.db, tenant, (claim.key, claim.id), now, until).await?)
}

async fn job(parts: &BulkParts, batch: &OpenaiBatch, request: &RequestLine<'_>) -> Result<JobId, Problem> {
    within_limits(parts, batch).await?;
    let now = parts.clock.now();
    let claim = claim(parts, batch, request, now);
    match reserve(parts, batch, &claim, now).await? {
        Reserved::Made(made) => made.subject.parse().map_err(Problem::internal),
        Reserved::Busy => Err(Problem::conflict("line_in_hand", "another hub has the line in hand").after(1)),
        Reserved::Free => {
            let made = ask(parts, batch, request, &Once::under(claim)).await;
            if made.is_err() {
                let tenant = &batch.caller.tenant;
                claims::release(&parts.db, tenant, (claim.key, claim.id), now).await?;
            }
            made
        }
    }
}

/// Whether its tenant and its key may ask for more on this day. Problem: 429 `quota_exhausted`.
async fn within_limits(parts: &BulkParts, batch: &OpenaiBatch) -> Result<(), Problem> {
    let tenant = &batch.caller.tenant;
    let key = match batch.key {
        Some(id) => api_keys::get(&parts.db, tenant, id).await?,
        None => None,
    };
    let key = key.map(|key| (key.id, key.limits));
    limits::has_some_left(&parts.keeper, &parts.db, tenant, key, parts.clock.now()).await
}

/// Asks as a chat completion does. The job is durable when its row is.
async fn ask(
    parts: &BulkParts,
    batch: &OpenaiBatch,
    request: &RequestLine<'_>,
    once: &Once,
) -> Result<JobId, Problem> {
    let caller = &batch.caller;
    caller
        .may(&parts.policies.get(), Act::SubmitBatch)
        .map_err(|refusal| Problem::new(StatusCode::FORBIDDEN, refusal.code, refusal.message))?;
    let asked = conversation::read(request.body.get().as_bytes(), parts.openai.most_choices)?;
    if asked.streamed != conversation::Streamed::Not {
        let detail = "answers of a batch come whole: leave `stream` out";
        return Err(Problem::bad_request("field_unsupported", detail).with("field", "stream"));
    }
    let asking = Asking {
        caller,
        key: batch.key,
        db: &parts.db,
        policies: &parts.policies,
        ids: &parts.ids,
        clock: &parts.clock,
        settings: &parts.settings,
        blobs: parts.blobs.as_ref(),
        splitting: &parts.splitting,
        signals: &parts.signals,
        once,
        awaited: None,
    };
    let mut call = chat::call(&asking, asked, batch.purpose, &parts.outgoing).await?;
    let end = call
        .expires_at
        .map_or(batch.expires_at, |end| end.min(batch.expires_at));
    call.expires_at = Some(end);
    let jobs = asking.submit(&mut call).await?;
    jobs.first().copied().ok_or_else(|| Problem::not_found("job"))
}
