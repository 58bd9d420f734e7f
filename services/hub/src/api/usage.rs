//! `/v1/usage`: what a tenant has used, day by day.

use crate::{app::ok, caller::Authenticated, limits::Keeper, problem::Problem};
use actix_web::{
    HttpResponse,
    web::{self, Data, Query},
};
use domain::{
    access::Act,
    clock::SharedClock,
    id::ApiKeyId,
    limits::{Limits, Usage},
};
use records::{
    Db,
    usage::{self, DayOfUsage},
};
use serde::{Deserialize, Serialize};
use time::{Date, Duration, macros::format_description};

/// How many days are told at most, and without a wish.
const MOST_DAYS: i64 = 366;
const USUAL_DAYS: i64 = 31;

/// The paths of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config.route("/v1/usage", web::get().to(list));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Span {
    from: Option<String>,
    to: Option<String>,
}

/// A day in JSON.
#[derive(Serialize)]
struct DayView {
    day: String,
    api_key: Option<ApiKeyId>,
    #[serde(flatten)]
    usage: Usage,
}

#[derive(Serialize)]
struct UsageView {
    data: Vec<DayView>,
    total: Usage,
    limits: Limits,
}

async fn list(
    caller: Authenticated,
    query: Query<Span>,
    db: Data<Db>,
    clock: Data<SharedClock>,
    keeper: Data<Keeper>,
) -> Result<HttpResponse, Problem> {
    let tenant = &caller.may(Act::ReadBatch)?.tenant;
    let (first, last) = span(&query, clock.now().date())?;
    let days = usage::days(&db, tenant, first, last).await?;
    let total = days.iter().fold(Usage::default(), |sum, day| sum.plus(day.usage));
    Ok(ok(UsageView {
        data: days.into_iter().map(view).collect(),
        total,
        limits: keeper.of_tenant(tenant),
    }))
}

fn view(day: DayOfUsage) -> DayView {
    DayView {
        day: day.day.to_string(),
        api_key: day.key,
        usage: day.usage,
    }
}

/// The first and the last day, both included.
fn span(query: &Span, today: Date) -> Result<(Date, Date), Problem> {
    let last = query.to.as_deref().map_or(Ok(today), |text| day("to", text))?;
    let usual = last.saturating_sub(Duration::days(USUAL_DAYS - 1));
    let first = query
        .from
        .as_deref()
        .map_or(Ok(usual), |text| day("from", text))?;
    match (last - first).whole_days() {
        0..MOST_DAYS => Ok((first, last)),
        _ => Err(Problem::bad_request(
            "span_out_of_range",
            format!("from {first} to {last} are not 1 to {MOST_DAYS} days"),
        )
        .with("field", "from")),
    }
}

fn day(field: &'static str, text: &str) -> Result<Date, Problem> {
    Date::parse(text, format_description!("[year]-[month]-[day]")).map_err(|_| {
        let detail = format!("{field} is a day of UTC such as 2026-03-01");
        Problem::bad_request("day_malformed", detail).with("field", field)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::date;

    fn told(from: Option<&str>, to: Option<&str>) -> Result<(Date, Date), String> {
        let span_of = Span {
            from: from.map(str::to_owned),
            to: to.map(str::to_owned),
        };
        span(&span_of, date!(2026 - 03 - 31)).map_err(|problem| problem.code().to_owned())
    }

    #[test]
    fn a_year_is_told_at_once_and_a_month_without_a_wish() {
        assert_eq!(
            told(None, None),
            Ok((date!(2026 - 03 - 01), date!(2026 - 03 - 31)))
        );
        assert_eq!(
            told(Some("2026-03-31"), None),
            Ok((date!(2026 - 03 - 31), date!(2026 - 03 - 31)))
        );
        assert!(told(Some("2025-03-31"), None).is_ok());
        assert_eq!(told(Some("2025-03-30"), None), Err("span_out_of_range".into()));
        assert_eq!(told(Some("2026-04-01"), None), Err("span_out_of_range".into()));
        assert_eq!(told(None, Some("tomorrow")), Err("day_malformed".into()));
    }
}
