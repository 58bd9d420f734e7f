//! Access requests in Hugging Face's form: acceptances of a model's license, as reviewers see and judge them.
//!
//! A request is an acceptance, its user the tenant. It is made with `POST /v1/acceptances`, where a signatory names the
//! exact text: there is no form for that here.

use crate::{
    api::{
        acceptance_acts::Judging,
        desk::Desk,
        models::{Named, find},
    },
    app::ok,
    caller::Authenticated,
    json_object::Object,
    problem::Problem,
};
use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Data, Json, Path},
};
use domain::{
    acceptance::{Judge, Phase},
    access::Act,
    clock::SharedClock,
    id::AcceptanceId,
    names::{LicenseName, TenantName},
};
use records::{
    Db,
    acceptances::{self, Entry, Filter, Verdict},
};
use serde::Deserialize;
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// How many acceptances are read at a time.
const PORTION: u32 = 100;

/// What the requests that are listed have come to.
#[derive(Deserialize)]
pub(super) struct Wanted {
    status: Status,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Pending,
    Accepted,
    Rejected,
}

impl Status {
    fn phase(self) -> Phase {
        match self {
            Status::Pending => Phase::UnderReview,
            Status::Accepted => Phase::Active,
            Status::Rejected => Phase::Rejected,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Status::Pending => "pending",
            Status::Accepted => "accepted",
            Status::Rejected => "rejected",
        }
    }
}

pub(super) async fn list(
    caller: Authenticated,
    named: Path<Named>,
    wanted: Path<Wanted>,
    db: Data<Db>,
    clock: Data<SharedClock>,
) -> Result<HttpResponse, Problem> {
    caller.may(Act::ReadEveryAcceptance)?;
    let license = find(&db, &named).await?.license;
    let entries = entries(&db, &license, wanted.status.phase(), clock.now()).await?;
    let rows: Result<Vec<Value>, Problem> = entries.iter().map(|entry| row(entry, wanted.status)).collect();
    Ok(ok(rows?))
}

/// The acceptances of a license that are in a phase now.
async fn entries(
    db: &Db,
    license: &LicenseName,
    phase: Phase,
    at: OffsetDateTime,
) -> Result<Vec<Entry>, Problem> {
    let filter = Filter {
        tenant: None,
        phase: Some(phase),
        at,
    };
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = acceptances::page(db, filter, after, PORTION).await?;
        let full = page.len() == PORTION as usize;
        after = page.last().map(|entry| entry.acceptance.id);
        found.extend(
            page.into_iter()
                .filter(|entry| entry.acceptance.license == *license),
        );
        if !full {
            return Ok(found);
        }
    }
}

fn row(entry: &Entry, status: Status) -> Result<Value, Problem> {
    let held = &entry.acceptance;
    let requested = held.requested_at.format(&Rfc3339).map_err(Problem::internal)?;
    Ok(json!({
        "requestId": held.id, "status": status.as_str(), "timestamp": requested,
        "user": { "user": held.tenant, "fullname": format!("{}, {}", held.signer.name, held.signer.title), "email": null },
        "fields": { "purposes": held.purposes, "registration_number": held.registration_number },
    }))
}

/// What a reviewer does to a request.
#[derive(Deserialize)]
pub(super) struct Handled {
    #[serde(rename = "requestId")]
    request: Option<AcceptanceId>,
    user: Option<TenantName>,
    status: Status,
    #[serde(rename = "rejectionReason")]
    reason: Option<String>,
}

pub(super) async fn handle(
    caller: Authenticated,
    named: Path<Named>,
    Json(Object(body)): Json<Object<Handled>>,
    desk: Desk,
) -> Result<HttpResponse, Problem> {
    let by = Judge::from(caller.may(Act::ReviewAcceptance)?);
    let license = find(&desk.db, &named).await?.license;
    let waiting = entries(&desk.db, &license, Phase::UnderReview, desk.clock.now()).await?;
    let asked = waiting
        .iter()
        .map(|entry| &entry.acceptance)
        .find(|held| match body.request {
            Some(id) => held.id == id,
            None => body.user.as_ref() == Some(&held.tenant),
        });
    let id = asked
        .ok_or_else(|| Problem::not_found("request that waits for a review"))?
        .id;
    let verdict = match body.status {
        Status::Accepted => Verdict::Approve {
            remark: None,
            valid_until: None,
        },
        Status::Rejected => Verdict::Reject(body.reason.unwrap_or_default()),
        Status::Pending => {
            let detail = "a review is not taken back; suspend or revoke the acceptance instead";
            return Err(Problem::conflict("acceptance_state", detail));
        }
    };
    desk.judge(by, id, Judging::Review(verdict)).await?;
    Ok(ok(json!({ "requestId": id, "status": body.status.as_str() })))
}

/// Nobody is let in who has not accepted the terms.
pub(super) async fn grant(
    caller: Authenticated,
    named: Path<Named>,
    db: Data<Db>,
) -> Result<HttpResponse, Problem> {
    caller.may(Act::ReviewAcceptance)?;
    let license = find(&db, &named).await?.license;
    let detail = format!("{license} is accepted by a signatory of the tenant and not by its reviewer");
    Err(
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "acceptance_needed", detail)
            .with("cure", "a signatory of the tenant calls POST /v1/acceptances"),
    )
}
