//! `/admin/reviews`: what waits for a review, and what ends soon.

use super::{refused::Refused, shell::Shell, visitor::Visitor, words};
use crate::{api::acceptances::scope, problem::Problem, site};
use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Data, Query},
};
use askama::Template;
use domain::{acceptance::Phase, access::Act, clock::SharedClock, id::AcceptanceId, language::Language};
use records::{
    Db,
    acceptances::{self, Entry, Filter},
};
use serde::Deserialize;
use time::{Duration, OffsetDateTime};

pub(super) const PATH: &str = "/admin/reviews";
pub(super) const SHOWN: u32 = 50;
/// Days before its end from which an acceptance is told of.
const SOON_DAYS: i64 = 30;

/// What is asked of the queue.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Asked {
    state: Option<Phase>,
    after: Option<AcceptanceId>,
}

/// See the module's text.
#[derive(Template)]
#[template(path = "queue.html")]
pub struct QueuePage {
    t: Language,
    shell: Shell,
    state: &'static str,
    states: Vec<(&'static str, &'static str)>,
    /// Whether several can be judged together.
    may_tick: bool,
    waiting: Vec<Row>,
    ending: Vec<Row>,
    next: Option<String>,
}

/// Every state that there is to choose, as a form sends it and as people read it.
fn states(t: Language) -> Vec<(&'static str, &'static str)> {
    let one = |phase: Phase| (phase.as_str(), words::acceptance(phase, t));
    Phase::ALL.map(one).to_vec()
}

/// A request in a list.
struct Row {
    id: String,
    tenant: String,
    license: String,
    purposes: String,
    age: String,
    until: String,
    newer_terms: bool,
}

impl Row {
    fn of(entry: &Entry, now: OffsetDateTime, t: Language) -> Self {
        let held = &entry.acceptance;
        Self {
            id: held.id.to_string(),
            tenant: held.tenant.to_string(),
            license: held.license.to_string(),
            purposes: held
                .purposes
                .iter()
                .map(|purpose| purpose.as_str())
                .collect::<Vec<_>>()
                .join(", "),
            age: words::age(now - held.requested_at, t),
            until: held
                .valid_until
                .map(|until| until.date().to_string())
                .unwrap_or_default(),
            newer_terms: entry.newest_terms_sha256 != held.terms_sha256,
        }
    }
}

impl QueuePage {
    /// One to look at.
    pub fn sample(t: Language) -> Self {
        let row = |tenant: &str| Row {
            id: "acc_00000000000000000000000000".into(),
            tenant: tenant.into(),
            license: "glm-4".into(),
            purposes: "commercial".into(),
            age: "3 d".into(),
            until: "2030-01-01".into(),
            newer_terms: true,
        };
        Self {
            t,
            shell: Shell::sample(t),
            state: "under_review",
            states: states(t),
            may_tick: true,
            waiting: vec![row("acme"), row("a-tenant-with-a-rather-long-name")],
            ending: vec![row("other")],
            next: Some("?after=acc".into()),
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
    visitor.caller.may(Act::ReadAcceptance)?;
    let tenant = scope(&visitor.caller)?;
    let phase = query.state.unwrap_or(Phase::UnderReview);
    let filter = |phase| Filter {
        tenant,
        phase: Some(phase),
        at: now,
    };
    let waiting = acceptances::page(&db, filter(phase), query.after, SHOWN).await?;
    let active = acceptances::page(&db, filter(Phase::Active), None, SHOWN * 2).await?;
    let soon = |entry: &&Entry| {
        let until = entry.acceptance.valid_until;
        until.is_some_and(|until| until - now <= Duration::days(SOON_DAYS))
    };
    let full = waiting.len() == SHOWN as usize;
    let last = waiting.last().map(|entry| entry.acceptance.id).filter(|_| full);
    let shown = QueuePage {
        t,
        shell: Shell::of(&visitor, PATH),
        state: phase.as_str(),
        states: states(t),
        may_tick: phase == Phase::UnderReview && visitor.caller.can(Act::ReviewAcceptance),
        next: last.map(|id| format!("?state={}&after={id}", phase.as_str())),
        waiting: waiting.iter().map(|entry| Row::of(entry, now, t)).collect(),
        ending: active
            .iter()
            .filter(soon)
            .map(|entry| Row::of(entry, now, t))
            .collect(),
    };
    site::page(StatusCode::OK, &shown).map_err(|problem: Problem| problem.into())
}
