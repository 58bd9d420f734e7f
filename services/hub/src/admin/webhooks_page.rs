//! `/admin/webhooks`: where the tenant's events go, what was sent there, and sending it again.

use super::{refused::Refused, shell::Shell, sign_in::Proved, visitor::Visitor, words};
use crate::{
    api::{deliveries::no_delivery, desk::Desk},
    site,
};
use actix_web::{
    HttpResponse,
    http::{StatusCode, header::LOCATION},
    web::{Data, Form, Path, Query},
};
use askama::Template;
use domain::{
    access::Act,
    clock::SharedClock,
    id::DeliveryId,
    language::Language,
    webhook::{
        EndpointState,
        delivery::{DeliveryPhase, DeliveryState},
    },
};
use records::{
    Db,
    webhooks::{
        deliveries::{self, Delivery, DeliveryAttempt, DeliveryFilter},
        endpoints::{self, Endpoint},
    },
};
use serde::Deserialize;
use time::{Duration, OffsetDateTime};

pub(super) const PATH: &str = "/admin/webhooks";
const SHOWN: u32 = 50;
/// The most endpoints that are listed.
const ENDPOINTS: u32 = 100;

/// What is asked of the deliveries.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Asked {
    /// A state's word; empty for all.
    state: String,
    after: Option<DeliveryId>,
}

/// See the module's text.
#[derive(Template)]
#[template(path = "webhooks.html")]
pub struct WebhooksPage {
    t: Language,
    shell: Shell,
    endpoints: Vec<EndpointRow>,
    /// Where a while can be sent again to, and the while that is proposed.
    targets: Vec<(String, String)>,
    from: String,
    until: String,
    state: &'static str,
    states: Vec<(&'static str, &'static str)>,
    deliveries: Vec<Row>,
    next: Option<String>,
}

/// An endpoint.
struct EndpointRow {
    id: String,
    url: String,
    description: String,
    /// Why it is off, if it is.
    off: Option<String>,
}

/// A delivery.
struct Row {
    id: String,
    event: String,
    endpoint: String,
    state: &'static str,
    tone: &'static str,
    code: String,
    attempts: u32,
    made: String,
}

impl EndpointRow {
    fn of(endpoint: Endpoint) -> Self {
        let off = match endpoint.state {
            EndpointState::Enabled => None,
            EndpointState::Disabled { code, .. } => Some(code),
        };
        Self {
            id: endpoint.id.to_string(),
            url: endpoint.url,
            description: endpoint.description.unwrap_or_default(),
            off,
        }
    }
}

impl Row {
    fn of(delivery: &Delivery, t: Language) -> Self {
        let phase = delivery.state.phase();
        let code = match &delivery.state {
            DeliveryState::Failed { code, .. } | DeliveryState::Refused { code, .. } => code.clone(),
            DeliveryState::Pending { .. } | DeliveryState::Delivered { .. } => String::new(),
        };
        Self {
            id: delivery.id.to_string(),
            event: delivery.event_type.to_string(),
            endpoint: delivery.endpoint.to_string(),
            state: words::delivery(phase, t),
            tone: match phase {
                DeliveryPhase::Pending => "",
                DeliveryPhase::Delivered => "good",
                DeliveryPhase::Failed | DeliveryPhase::Refused => "bad",
            },
            code,
            attempts: delivery.attempts,
            made: site::minute(delivery.created_at),
        }
    }

    fn sample(t: Language) -> Self {
        Self {
            id: "dlv_00000000000000000000000000".into(),
            event: "batch.completed".into(),
            endpoint: "whe_00000000000000000000000000".into(),
            state: t.of("failed", "失败"),
            tone: "bad",
            code: "attempts_exhausted".into(),
            attempts: 8,
            made: "2026-01-01 12:00 UTC".into(),
        }
    }
}

/// Ids and addresses of those that are on.
fn targets(endpoints: &[EndpointRow]) -> Vec<(String, String)> {
    let on = endpoints.iter().filter(|endpoint| endpoint.off.is_none());
    on.map(|endpoint| (endpoint.id.clone(), endpoint.url.clone()))
        .collect()
}

/// A moment as fields of forms have it.
fn moment(at: OffsetDateTime) -> String {
    format!("{}T{:02}:{:02}", at.date(), at.hour(), at.minute())
}

fn states(t: Language) -> Vec<(&'static str, &'static str)> {
    let one = |phase: DeliveryPhase| (phase.as_str(), words::delivery(phase, t));
    let all = [("", t.of("any", "全部"))];
    all.into_iter().chain(DeliveryPhase::ALL.map(one)).collect()
}

impl WebhooksPage {
    /// One to look at.
    pub fn sample(t: Language) -> Self {
        Self {
            t,
            shell: Shell::sample(t),
            endpoints: vec![EndpointRow {
                id: "whe_00000000000000000000000000".into(),
                url: "https://hooks.example.com/a/rather/long/path?with=a&query".into(),
                description: "invoices <b>".into(),
                off: Some("gone".into()),
            }],
            targets: vec![("whe_0".into(), "https://hooks.example.com/?with=a&query".into())],
            from: "2026-01-01T12:00".into(),
            until: "2026-01-02T12:00".into(),
            state: "failed",
            states: states(t),
            deliveries: vec![Row::sample(t)],
            next: Some("?after=dlv".into()),
        }
    }

    /// Without any.
    pub fn empty_sample(t: Language) -> Self {
        Self {
            endpoints: vec![],
            targets: vec![],
            deliveries: vec![],
            next: None,
            ..Self::sample(t)
        }
    }
}

/// The page.
pub async fn get(
    visitor: Visitor,
    query: Query<Asked>,
    db: Data<Db>,
    clock: Data<SharedClock>,
) -> Result<HttpResponse, Refused> {
    let (t, now) = (visitor.t, clock.now());
    let tenant = &visitor.caller.may(Act::KeepWebhooks)?.tenant;
    let Asked { state, after } = query.into_inner();
    let phase: Option<DeliveryPhase> = state.parse().ok();
    let filter = DeliveryFilter {
        endpoint: None,
        phase,
    };
    let found = deliveries::list(&db, tenant, filter, after, SHOWN).await?;
    let word = phase.map_or("", DeliveryPhase::as_str);
    let endpoints = endpoints::list(&db, tenant, None, ENDPOINTS).await?;
    let endpoints: Vec<EndpointRow> = endpoints.into_iter().map(EndpointRow::of).collect();
    let full = found.len() == SHOWN as usize;
    let shown = WebhooksPage {
        t,
        shell: Shell::of(&visitor, PATH),
        targets: targets(&endpoints),
        endpoints,
        // The minute that is now is in it.
        until: moment(now + Duration::minutes(1)),
        from: moment(now - Duration::days(1)),
        state: word,
        states: states(t),
        next: found
            .last()
            .filter(|_| full)
            .map(|last| format!("?state={word}&after={}", last.id)),
        deliveries: found.iter().map(|delivery| Row::of(delivery, t)).collect(),
    };
    Ok(site::page(StatusCode::OK, &shown)?)
}

/// `/admin/webhooks/{delivery}`: a delivery with all attempts at it.
#[derive(Template)]
#[template(path = "delivery.html")]
pub struct DeliveryPage {
    t: Language,
    shell: Shell,
    delivery: Row,
    attempts: Vec<(u32, String, String)>,
    /// Whether it can be sent again.
    again: bool,
}

impl DeliveryPage {
    /// One to look at.
    pub fn sample(t: Language) -> Self {
        Self {
            t,
            shell: Shell::sample(t),
            delivery: Row::sample(t),
            attempts: vec![(
                1,
                "2026-01-01 12:00 UTC".into(),
                "503 · 12 ms · the receiver <said> so".into(),
            )],
            again: true,
        }
    }
}

/// The page of a delivery.
pub async fn delivery(
    visitor: Visitor,
    path: Path<DeliveryId>,
    db: Data<Db>,
) -> Result<HttpResponse, Refused> {
    let (t, tenant) = (visitor.t, &visitor.caller.may(Act::KeepWebhooks)?.tenant);
    let delivery = deliveries::get(&db, tenant, *path)
        .await?
        .ok_or_else(no_delivery)?;
    let attempts = deliveries::attempts(&db, &delivery).await?;
    let shown = DeliveryPage {
        t,
        shell: Shell::of(&visitor, PATH),
        attempts: attempts
            .iter()
            .map(|attempt| (attempt.number, site::minute(attempt.begun_at), ending(attempt, t)))
            .collect(),
        again: delivery.state.phase() != DeliveryPhase::Pending,
        delivery: Row::of(&delivery, t),
    };
    Ok(site::page(StatusCode::OK, &shown)?)
}

/// How an attempt ended.
fn ending(attempt: &DeliveryAttempt, t: Language) -> String {
    let Some(ending) = &attempt.ending else {
        return t.of("on its way", "发送中").to_owned();
    };
    let told = [
        ending.status.map(|status| status.to_string()),
        Some(format!("{} ms", ending.duration_ms)),
        ending.error.clone(),
    ];
    told.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// Sends a delivery again.
pub async fn redeliver(
    visitor: Visitor,
    path: Path<DeliveryId>,
    form: Form<Proved>,
    desk: Desk,
) -> Result<HttpResponse, Refused> {
    visitor.check(&form.csrf)?;
    desk.redeliver(visitor.caller.may(Act::KeepWebhooks)?, *path)
        .await?;
    Ok(HttpResponse::SeeOther()
        .insert_header((LOCATION, format!("{PATH}/{path}")))
        .finish())
}
