//! `/admin/reviews/together`: several requests approved or rejected for one reason. Each is judged by the same act as a
//! single one; what becomes of one undoes nothing of another.

use super::{
    fields::{Fields, every, one},
    queue_page,
    refused::Refused,
    shell::Shell,
    visitor::Visitor,
    words,
};
use crate::{
    api::{
        acceptance_acts::Judging,
        acceptance_problems::{no_acceptance, not_possible},
        acceptances::scope,
        desk::Desk,
    },
    gate::{self, EarlierAllow},
    problem::Problem,
    site,
};
use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Data, Form, Query},
};
use askama::Template;
use domain::{
    acceptance::{Acceptance, Judge, Phase},
    access::Act,
    batch::StoredBatch,
    clock::SharedClock,
    id::{AcceptanceId, IdMaker},
    language::Language,
    names::TenantName,
    policy::CurrentPolicies,
};
use records::{
    Db, RecordsError,
    acceptances::{self, Entry, Verdict},
    holding,
};
use std::collections::BTreeSet;
use time::OffsetDateTime;

/// The most held batches that are looked at.
const LOOKED_AT: u32 = 200;

/// What is done to all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Together {
    Approve,
    Reject,
}

impl Together {
    fn as_str(self) -> &'static str {
        match self {
            Together::Approve => "approve",
            Together::Reject => "reject",
        }
    }

    fn told(fields: &[(String, String)]) -> Result<Self, Problem> {
        match one(fields, "act")? {
            "approve" => Ok(Together::Approve),
            "reject" => Ok(Together::Reject),
            _ => Err(Problem::not_found("act")),
        }
    }

    fn judging(self, reason: &str) -> Judging {
        Judging::Review(match self {
            Together::Approve => Verdict::Approve {
                remark: Some(reason.to_owned()).filter(|reason| !reason.trim().is_empty()),
                valid_until: None,
            },
            Together::Reject => Verdict::Reject(reason.to_owned()),
        })
    }

    /// What would become of a request, for a reason that is yet to be told.
    fn tried(self, held: Acceptance, by: Judge, at: OffsetDateTime) -> Result<Acceptance, Problem> {
        let tried = match self {
            Together::Approve => held.approve(by, at, None, None),
            Together::Reject => held.reject(by, at, "a reason".into()),
        };
        tried.map_err(not_possible)
    }
}

/// The ids that were ticked, each once. Problems: 400 `nothing_ticked` or `too_many_ticked`, 404.
fn ticked(fields: &[(String, String)]) -> Result<BTreeSet<AcceptanceId>, Problem> {
    let ids: Result<BTreeSet<AcceptanceId>, _> = every(fields, "id").map(str::parse).collect();
    let ids = ids.map_err(|_| no_acceptance())?;
    if ids.is_empty() {
        let detail = "tick at least one request";
        return Err(Problem::bad_request("nothing_ticked", detail));
    }
    if ids.len() > queue_page::SHOWN as usize {
        let detail = format!("at most {} requests are judged together", queue_page::SHOWN);
        return Err(Problem::bad_request("too_many_ticked", detail));
    }
    Ok(ids)
}

/// All of them, before anything is done to one. Problem: 404 for one that the visitor does not see.
async fn entries(
    db: &Db,
    tenant: Option<&TenantName>,
    ids: BTreeSet<AcceptanceId>,
) -> Result<Vec<Entry>, Problem> {
    let mut entries = Vec::with_capacity(ids.len());
    for id in ids {
        let entry = acceptances::entry(db, tenant, id).await?;
        entries.push(entry.ok_or_else(no_acceptance)?);
    }
    Ok(entries)
}

/// Asks once more, and shows what would become of each.
#[derive(Template)]
#[template(path = "together.html")]
pub struct TogetherPage {
    t: Language,
    shell: Shell,
    act: &'static str,
    rows: Vec<Row>,
    /// Whether there are more held batches than were looked at.
    more: bool,
}

/// A request, and what would become, or has become, of it.
struct Row {
    id: String,
    tenant: String,
    license: String,
    purposes: String,
    newer_terms: bool,
    became: Became,
}

/// What becomes of a request.
struct Became {
    word: &'static str,
    tone: &'static str,
    /// Until when it stands then, or why nothing comes of it.
    note: String,
    /// How many held jobs would go on.
    jobs: u64,
}

impl Became {
    fn of(outcome: &Result<Acceptance, Problem>, at: OffsetDateTime, t: Language) -> Self {
        match outcome {
            Ok(held) => {
                let phase = held.phase(at);
                let until = held.valid_until.filter(|_| phase == Phase::Active);
                Self {
                    word: words::acceptance(phase, t),
                    tone: if phase == Phase::Active { "good" } else { "bad" },
                    note: until
                        .map(|until| format!("{} {}", t.of("until", "有效至"), site::minute(until)))
                        .unwrap_or_default(),
                    jobs: 0,
                }
            }
            Err(problem) => Self {
                word: t.of("stays as it is", "不变"),
                tone: "warn",
                note: format!("{}: {}", problem.code(), problem.detail()),
                jobs: 0,
            },
        }
    }
}

impl Row {
    fn of(entry: &Entry, became: Became) -> Self {
        let held = &entry.acceptance;
        let purposes: Vec<&str> = held.purposes.iter().map(|purpose| purpose.as_str()).collect();
        Self {
            id: held.id.to_string(),
            tenant: held.tenant.to_string(),
            license: held.license.to_string(),
            purposes: purposes.join(", "),
            newer_terms: entry.newest_terms_sha256 != held.terms_sha256,
            became,
        }
    }

    fn sample(t: Language, became: Became) -> Self {
        Self {
            id: "acc_00000000000000000000000000".into(),
            tenant: t.of("a-tenant-with-a-rather-long-name", "acme").into(),
            license: "glm-4".into(),
            purposes: "commercial".into(),
            newer_terms: true,
            became,
        }
    }
}

fn samples(t: Language) -> Vec<Row> {
    let became = |word, tone, note: &str| Became {
        word,
        tone,
        note: note.into(),
        jobs: 12,
    };
    vec![
        Row::sample(t, became(t.of("active", "有效"), "good", "")),
        Row::sample(
            t,
            became(
                t.of("stays as it is", "不变"),
                "warn",
                "acceptance_state: it is <revoked>",
            ),
        ),
    ]
}

impl TogetherPage {
    /// One to look at.
    pub fn sample(t: Language) -> Self {
        Self {
            t,
            shell: Shell::sample(t),
            act: "approve",
            rows: samples(t),
            more: true,
        }
    }
}

/// The question before several are judged.
pub async fn ask(
    visitor: Visitor,
    query: Query<Fields>,
    db: Data<Db>,
    policies: Data<CurrentPolicies>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
) -> Result<HttpResponse, Refused> {
    let (t, now) = (visitor.t, clock.now());
    let by = Judge::from(visitor.caller.may(Act::ReviewAcceptance)?);
    let (act, tenant) = (Together::told(&query)?, scope(&visitor.caller)?);
    let held = match act {
        Together::Approve => holding::held(&db, None, LOOKED_AT).await?,
        Together::Reject => Vec::new(),
    };
    let mut rows = Vec::new();
    for entry in entries(&db, tenant, ticked(&query)?).await? {
        let tried = act.tried(entry.acceptance.clone(), by.clone(), now);
        let mut became = Became::of(&tried, now, t);
        if let Ok(then) = &tried {
            became.jobs = going_on(&db, &policies, &ids, now, then, &held).await?;
        }
        rows.push(Row::of(&entry, became));
    }
    let shown = TogetherPage {
        t,
        shell: Shell::of(&visitor, queue_page::PATH),
        act: act.as_str(),
        rows,
        more: held.len() == LOOKED_AT as usize,
    };
    Ok(site::page(StatusCode::OK, &shown)?)
}

/// How many held jobs would go on if an acceptance became `then`.
async fn going_on(
    db: &Db,
    policies: &CurrentPolicies,
    ids: &IdMaker,
    now: OffsetDateTime,
    then: &Acceptance,
    held: &[StoredBatch],
) -> Result<u64, RecordsError> {
    let mut jobs = 0;
    for batch in held.iter().filter(|batch| batch.tenant == then.tenant) {
        if gate::waits_for(db, policies, ids, now, EarlierAllow::of(batch), then).await? {
            jobs += batch.jobs.held;
        }
    }
    Ok(jobs)
}

/// Says of each what came of it.
#[derive(Template)]
#[template(path = "together_done.html")]
pub struct TogetherDonePage {
    t: Language,
    shell: Shell,
    done: usize,
    rows: Vec<Row>,
}

impl TogetherDonePage {
    /// One to look at.
    pub fn sample(t: Language) -> Self {
        Self {
            t,
            shell: Shell::sample(t),
            done: 1,
            rows: samples(t),
        }
    }
}

/// Judges each of them.
pub async fn judge(visitor: Visitor, form: Form<Fields>, desk: Desk) -> Result<HttpResponse, Refused> {
    visitor.check(one(&form, "csrf")?)?;
    let by = Judge::from(visitor.caller.may(Act::ReviewAcceptance)?);
    let (t, tenant) = (visitor.t, scope(&visitor.caller)?);
    let (act, reason) = (Together::told(&form)?, one(&form, "reason")?);
    let (mut done, mut rows) = (0, Vec::new());
    for entry in entries(&desk.db, tenant, ticked(&form)?).await? {
        let judged = desk
            .judge(by.clone(), entry.acceptance.id, act.judging(reason))
            .await;
        match &judged {
            Ok(_) => done += 1,
            Err(problem) => problem.log(),
        }
        let outcome = judged.map(|changed| changed.acceptance);
        rows.push(Row::of(&entry, Became::of(&outcome, desk.clock.now(), t)));
    }
    let shown = TogetherDonePage {
        t,
        shell: Shell::of(&visitor, queue_page::PATH),
        done,
        rows,
    };
    Ok(site::page(StatusCode::OK, &shown)?)
}
