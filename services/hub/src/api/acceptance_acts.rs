//! `/v1/acceptances/{acceptance}/…`: what is done to an acceptance once it has been made.

use super::{
    acceptance_problems::{no_acceptance, no_license, not_possible, not_stored},
    acceptances::view,
    desk::Desk,
};
use crate::{
    acceptance_changes::announce, app::ok, caller::Authenticated, json_object::Object, problem::Problem,
};
use actix_web::{
    HttpResponse,
    web::{self, Data, Json, Path},
};
use domain::{
    acceptance::Judge,
    access::{Act, Caller},
    id::AcceptanceId,
    policy::CurrentPolicies,
};
use records::{
    Stamp,
    acceptances::{self, Changed, Verdict},
};
use serde::Deserialize;
use time::OffsetDateTime;

/// The paths of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/v1/acceptances/{acceptance}/submit", web::post().to(submit))
        .route("/v1/acceptances/{acceptance}/review", web::post().to(review))
        .route("/v1/acceptances/{acceptance}/suspend", web::post().to(suspend))
        .route("/v1/acceptances/{acceptance}/resume", web::post().to(resume))
        .route("/v1/acceptances/{acceptance}/revoke", web::post().to(revoke));
}

/// What a reviewer does to an acceptance.
pub enum Judging {
    /// Approves or rejects it.
    Review(Verdict),
    /// Stops it for the time being, for a reason.
    Suspend(String),
    /// Lets it stand again, for a reason.
    Resume(String),
    /// Takes it back, for a reason.
    Revoke(String),
}

impl Desk {
    /// Tells everybody of a change, and the caller what has become of the acceptance.
    async fn tell(&self, changed: Changed) -> Result<HttpResponse, Problem> {
        announce(&changed, self.queue.get_ref(), &self.signals).await;
        let view = view(&self.db, None, changed.acceptance.id, self.clock.now()).await?;
        Ok(ok(view))
    }

    /// Does what `by` wants of an acceptance, and tells everybody.
    pub(crate) async fn judge(
        &self,
        by: Judge,
        id: AcceptanceId,
        judging: Judging,
    ) -> Result<Changed, Problem> {
        let (db, stamp) = (&self.db, self.stamp());
        let outcome = match judging {
            Judging::Review(verdict) => acceptances::review(db, stamp, by, id, verdict).await,
            Judging::Suspend(reason) => acceptances::suspend(db, stamp, by, id, reason).await,
            Judging::Resume(reason) => acceptances::resume(db, stamp, by, id, reason).await,
            Judging::Revoke(reason) => acceptances::revoke(db, stamp, by, id, reason).await,
        };
        let changed = outcome?.ok_or_else(no_acceptance)?.map_err(not_possible)?;
        announce(&changed, self.queue.get_ref(), &self.signals).await;
        Ok(changed)
    }

    /// As [`Desk::judge`], and tells the caller what has become of the acceptance.
    async fn tell_of(&self, by: Judge, id: AcceptanceId, judging: Judging) -> Result<HttpResponse, Problem> {
        let changed = self.judge(by, id, judging).await?;
        let view = view(&self.db, None, changed.acceptance.id, self.clock.now()).await?;
        Ok(ok(view))
    }

    /// The stamp of what a reviewer does, who need not be a member of the tenant.
    fn stamp(&self) -> Stamp<'_> {
        Stamp::of_hub(&self.ids, self.clock.now())
    }
}

async fn submit(
    caller: Authenticated,
    path: Path<AcceptanceId>,
    desk: Desk,
    policies: Data<CurrentPolicies>,
) -> Result<HttpResponse, Problem> {
    let caller: &Caller = caller.may(Act::AcceptTerms)?;
    let held = acceptances::entry(&desk.db, Some(&caller.tenant), *path).await?;
    let id = held.ok_or_else(no_acceptance)?.acceptance.license;
    let policies = policies.get();
    let license = policies.licenses().get(&id).ok_or_else(|| no_license(&id))?;
    let stamp = Stamp::of(&desk.ids, desk.clock.now(), caller);
    let outcome = acceptances::submit(&desk.db, stamp, &caller.tenant, *path, license).await?;
    let changed = outcome
        .ok_or_else(no_acceptance)?
        .map_err(|why| not_stored(&id, why))?;
    desk.tell(changed).await
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum VerdictWord {
    Approve,
    Reject,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Review {
    verdict: VerdictWord,
    reason: Option<String>,
    #[serde(default, with = "time::serde::rfc3339::option")]
    valid_until: Option<OffsetDateTime>,
}

impl Review {
    fn verdict(self) -> Result<Verdict, Problem> {
        match (self.verdict, self.valid_until) {
            (VerdictWord::Approve, valid_until) => Ok(Verdict::Approve {
                remark: self.reason,
                valid_until,
            }),
            (VerdictWord::Reject, None) => Ok(Verdict::Reject(self.reason.unwrap_or_default())),
            (VerdictWord::Reject, Some(_)) => {
                let detail = "a rejection has no `valid_until`; leave it out, or approve";
                Err(Problem::bad_request("acceptance_invalid", detail).with("field", "valid_until"))
            }
        }
    }
}

async fn review(
    caller: Authenticated,
    path: Path<AcceptanceId>,
    Json(Object(body)): Json<Object<Review>>,
    desk: Desk,
) -> Result<HttpResponse, Problem> {
    let by = Judge::from(caller.may(Act::ReviewAcceptance)?);
    let verdict = body.verdict()?;
    desk.tell_of(by, *path, Judging::Review(verdict)).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reasoned {
    reason: String,
}

async fn suspend(
    caller: Authenticated,
    path: Path<AcceptanceId>,
    Json(Object(body)): Json<Object<Reasoned>>,
    desk: Desk,
) -> Result<HttpResponse, Problem> {
    let by = Judge::from(caller.may(Act::ReviewAcceptance)?);
    let reason = body.reason;
    desk.tell_of(by, *path, Judging::Suspend(reason)).await
}

async fn resume(
    caller: Authenticated,
    path: Path<AcceptanceId>,
    Json(Object(body)): Json<Object<Reasoned>>,
    desk: Desk,
) -> Result<HttpResponse, Problem> {
    let by = Judge::from(caller.may(Act::ReviewAcceptance)?);
    let reason = body.reason;
    desk.tell_of(by, *path, Judging::Resume(reason)).await
}

async fn revoke(
    caller: Authenticated,
    path: Path<AcceptanceId>,
    Json(Object(body)): Json<Object<Reasoned>>,
    desk: Desk,
) -> Result<HttpResponse, Problem> {
    let by = Judge::from(caller.may(Act::ReviewAcceptance)?);
    let reason = body.reason;
    desk.tell_of(by, *path, Judging::Revoke(reason)).await
}
