//! `expires_at`: until when a batch or job may be answered, as a request names it.

use crate::{problem::Problem, work_settings::WorkSettings};
use actix_web::http::StatusCode;
use domain::deadline::{self, BadDeadline};
use time::OffsetDateTime;

/// The moment that a request names, if it names one. Problems: 422 `expires_at_malformed`, `expires_at_past`,
/// `expires_at_too_far`.
pub(super) fn read(
    text: Option<&str>,
    now: OffsetDateTime,
    settings: &WorkSettings,
) -> Result<Option<OffsetDateTime>, Problem> {
    let read = text.map(|text| deadline::read(text, now, settings.longest_expiry()));
    read.transpose().map_err(|bad| {
        let code = match bad {
            BadDeadline::NoMoment => "expires_at_malformed",
            BadDeadline::Past => "expires_at_past",
            BadDeadline::TooFar(_) => "expires_at_too_far",
        };
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, bad.to_string()).with("field", "expires_at")
    })
}
