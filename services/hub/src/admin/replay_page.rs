//! `/admin/webhooks/replay`: what was made for an endpoint in a while is sent again, after a page that says how much that
//! is. What one act leaves over is asked about anew.

use super::{
    fields::{Fields, every, one},
    refused::Refused,
    shell::Shell,
    visitor::Visitor,
    webhooks_page,
};
use crate::{
    api::{
        deliveries::{MOST_AT_ONCE, RangeWish, no_delivery},
        desk::Desk,
        webhook_endpoints::no_endpoint,
    },
    problem::Problem,
    site,
};
use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Form, Query},
};
use askama::Template;
use domain::{
    access::Act,
    id::{DeliveryId, WebhookEndpointId},
    language::Language,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use url::form_urlencoded;

const PATH: &str = "/admin/webhooks/replay";

/// The length of a moment of a form that has no seconds.
const TO_THE_MINUTE: usize = "2026-01-31T12:00".len();

/// What is asked for, as the form says it, and as it is meant.
struct Asked {
    endpoint: WebhookEndpointId,
    from: String,
    until: String,
    which: String,
    wish: RangeWish,
}

/// A moment of a form. Problem: 400 `moment_malformed`.
fn moment(text: &str, field: &'static str) -> Result<OffsetDateTime, Problem> {
    let seconds = if text.len() == TO_THE_MINUTE { ":00" } else { "" };
    OffsetDateTime::parse(&format!("{text}{seconds}Z"), &Rfc3339).map_err(|_| {
        let detail = "a moment is such as 2026-01-31T12:00, in UTC";
        Problem::bad_request("moment_malformed", detail).with("field", field)
    })
}

impl Asked {
    /// Problems: 400 `form_incomplete` or `moment_malformed`, 404.
    fn told(fields: &[(String, String)]) -> Result<Self, Problem> {
        let (from, until) = (one(fields, "from")?, one(fields, "until")?);
        let which = one(fields, "which")?;
        let delivered = match which {
            "failed" => false,
            "all" => true,
            _ => return Err(Problem::not_found("kind of deliveries")),
        };
        let after = every(fields, "after")
            .next()
            .map(str::parse::<DeliveryId>)
            .transpose();
        Ok(Self {
            endpoint: one(fields, "endpoint")?.parse().map_err(|_| no_endpoint())?,
            wish: RangeWish {
                from: moment(from, "from")?,
                to: moment(until, "until")?,
                delivered,
                after: after.map_err(|_| no_delivery())?,
            },
            from: from.to_owned(),
            until: until.to_owned(),
            which: which.to_owned(),
        })
    }

    /// The fields of the form that asks for what comes after `after`.
    fn fields(&self, after: Option<String>) -> Vec<(&'static str, String)> {
        let fields = [
            ("endpoint", self.endpoint.to_string()),
            ("from", self.from.clone()),
            ("until", self.until.clone()),
            ("which", self.which.clone()),
        ];
        let after = after.map(|after| ("after", after));
        fields.into_iter().chain(after).collect()
    }

    /// The page that asks about what comes after `after`.
    fn rest(&self, after: String) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let query = query.extend_pairs(self.fields(Some(after))).finish();
        format!("{PATH}?{query}")
    }
}

/// Says how many deliveries would be sent again, and asks once more.
#[derive(Template)]
#[template(path = "replay.html")]
pub struct ReplayPage {
    t: Language,
    shell: Shell,
    url: String,
    from: String,
    until: String,
    delivered: bool,
    count: u64,
    /// How many of them are sent with one act.
    most: u64,
    /// What the form carries.
    fields: Vec<(&'static str, String)>,
}

impl ReplayPage {
    /// One to look at.
    pub fn sample(t: Language) -> Self {
        Self {
            t,
            shell: Shell::sample(t),
            url: "https://hooks.example.com/a/rather/long/path?with=a&query".into(),
            from: "2026-01-01T12:00".into(),
            until: "2026-01-02T12:00".into(),
            delivered: true,
            count: 1_200,
            most: MOST_AT_ONCE.into(),
            fields: vec![("endpoint", "whe_<0>".into())],
        }
    }

    /// Where nothing would be sent.
    pub fn empty_sample(t: Language) -> Self {
        Self {
            count: 0,
            delivered: false,
            ..Self::sample(t)
        }
    }
}

/// Says how many were sent again.
#[derive(Template)]
#[template(path = "replay_done.html")]
pub struct ReplayDonePage {
    t: Language,
    shell: Shell,
    sent: u64,
    /// The page that asks about the rest, if there may be one.
    rest: Option<String>,
}

impl ReplayDonePage {
    /// One to look at.
    pub fn sample(t: Language) -> Self {
        Self {
            t,
            shell: Shell::sample(t),
            sent: MOST_AT_ONCE.into(),
            rest: Some(format!("{PATH}?endpoint=whe&after=dlv")),
        }
    }
}

/// The question before a range is sent again.
pub async fn ask(visitor: Visitor, query: Query<Fields>, desk: Desk) -> Result<HttpResponse, Refused> {
    let caller = visitor.caller.may(Act::KeepWebhooks)?;
    let asked = Asked::told(&query)?;
    let (endpoint, count) = desk.count_range(caller, asked.endpoint, &asked.wish).await?;
    let shown = ReplayPage {
        t: visitor.t,
        shell: Shell::of(&visitor, webhooks_page::PATH),
        url: endpoint.url,
        fields: asked.fields(asked.wish.after.map(|after| after.to_string())),
        delivered: asked.wish.delivered,
        from: asked.from,
        until: asked.until,
        count,
        most: MOST_AT_ONCE.into(),
    };
    Ok(site::page(StatusCode::OK, &shown)?)
}

/// Sends a range again.
pub async fn replay(visitor: Visitor, form: Form<Fields>, desk: Desk) -> Result<HttpResponse, Refused> {
    visitor.check(one(&form, "csrf")?)?;
    let caller = visitor.caller.may(Act::KeepWebhooks)?;
    let asked = Asked::told(&form)?;
    let (sent, next) = desk.redeliver_range(caller, asked.endpoint, &asked.wish).await?;
    let shown = ReplayDonePage {
        t: visitor.t,
        shell: Shell::of(&visitor, webhooks_page::PATH),
        sent,
        rest: next.map(|next| asked.rest(next.to_string())),
    };
    Ok(site::page(StatusCode::OK, &shown)?)
}

#[cfg(test)]
mod tests {
    use super::moment;
    use time::macros::datetime;

    #[test]
    fn a_moment_is_what_browsers_send_and_nothing_else() {
        let noon = datetime!(2026-01-31 12:00 UTC);
        for text in [
            "2026-01-31T12:00",
            "2026-01-31T12:00:00",
            "2026-01-31T12:00:00.000",
        ] {
            assert_eq!(moment(text, "from").unwrap(), noon, "{text}");
        }
        for text in [
            "",
            "soon",
            "2026-01-31",
            "2026-02-30T12:00",
            "2026-01-31T12:00:00+01:00",
            "2026-01-31T25:00",
            "99999-01-31T12:00",
        ] {
            let problem = moment(text, "until").unwrap_err();
            assert_eq!(problem.code(), "moment_malformed", "{text}");
        }
    }
}
