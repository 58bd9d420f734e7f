//! What a reviewer does on the dashboard: the same acts as by the API, from forms.

use super::{refused::Refused, visitor::Visitor};
use crate::{
    acceptance_settings::AcceptanceSettings,
    api::{acceptance_acts::Judging, acceptance_comments, desk::Desk},
    problem::Problem,
};
use actix_web::{
    HttpResponse,
    http::header::LOCATION,
    web::{Data, Form, Path},
};
use domain::{acceptance::Judge, access::Act, id::AcceptanceId};
use records::acceptances::Verdict;
use serde::Deserialize;
use time::{Date, OffsetDateTime, macros::format_description};

/// What a form of a request's page sends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filled {
    csrf: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    valid_until: String,
}

impl Filled {
    fn judging(self, act: &str) -> Result<Judging, Problem> {
        let until = until(&self.valid_until)?;
        Ok(match act {
            "approve" => Judging::Review(Verdict::Approve {
                remark: Some(self.reason).filter(|reason| !reason.trim().is_empty()),
                valid_until: until,
            }),
            "reject" => Judging::Review(Verdict::Reject(self.reason)),
            "suspend" => Judging::Suspend(self.reason),
            "resume" => Judging::Resume(self.reason),
            "revoke" => Judging::Revoke(self.reason),
            _ => return Err(Problem::not_found("act")),
        })
    }
}

/// The end of a day that a form names.
fn until(text: &str) -> Result<Option<OffsetDateTime>, Problem> {
    if text.is_empty() {
        return Ok(None);
    }
    let day = Date::parse(text, format_description!("[year]-[month]-[day]"))
        .map_err(|_| Problem::bad_request("acceptance_invalid", "the end is a day such as 2030-12-31"))?;
    let midnight = day.next_day().map(|next| next.midnight().assume_utc());
    Ok(midnight)
}

/// Approves, rejects, suspends, resumes or revokes.
pub async fn judge(
    visitor: Visitor,
    path: Path<(AcceptanceId, String)>,
    form: Form<Filled>,
    desk: Desk,
) -> Result<HttpResponse, Refused> {
    visitor.check(&form.csrf)?;
    let by = Judge::from(visitor.caller.may(Act::ReviewAcceptance)?);
    let (id, act) = path.into_inner();
    desk.judge(by, id, form.into_inner().judging(&act)?).await?;
    Ok(back_to(id))
}

/// What a form with a comment sends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commented {
    csrf: String,
    text: String,
}

/// Adds a comment.
pub async fn comment(
    visitor: Visitor,
    path: Path<AcceptanceId>,
    form: Form<Commented>,
    desk: Desk,
    settings: Data<AcceptanceSettings>,
) -> Result<HttpResponse, Refused> {
    visitor.check(&form.csrf)?;
    let text = form.into_inner().text;
    acceptance_comments::write(&visitor.caller, *path, text, &desk, &settings, None).await?;
    Ok(back_to(*path))
}

fn back_to(id: AcceptanceId) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((LOCATION, format!("/admin/reviews/{id}")))
        .finish()
}
