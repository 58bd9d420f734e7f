//! `/admin/dead-letters`: jobs that were given up, why, and trying them again.

use super::{refused::Refused, shell::Shell, visitor::Visitor};
use crate::site;
use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Data, Query},
};
use askama::Template;
use domain::{access::Act, id::JobId, job::JobState, language::Language};
use records::{
    Db,
    jobs::{self, FailedJobs, Job},
};
use serde::Deserialize;

const SHOWN: u32 = 50;

/// Which failed jobs are listed.
#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Which {
    /// Those that were given up after too many attempts.
    #[default]
    Dead,
    /// All.
    Failed,
}

/// What is asked of the list.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Asked {
    state: Which,
    after: Option<JobId>,
}

/// See the module's text.
#[derive(Template)]
#[template(path = "dead_letters.html")]
pub struct DeadLettersPage {
    t: Language,
    shell: Shell,
    all: bool,
    jobs: Vec<Row>,
    may_act: bool,
    next: Option<String>,
}

/// A job that failed.
struct Row {
    id: String,
    batch: String,
    page: String,
    code: String,
    message: String,
    attempts: u32,
    at: String,
}

impl Row {
    fn of(job: &Job) -> Self {
        let (code, message, at) = match &job.state {
            JobState::Failed { code, message, at } => (code.clone(), message.clone(), site::minute(*at)),
            _ => Default::default(),
        };
        Self {
            id: job.id.to_string(),
            batch: job.batch.to_string(),
            page: job.page().map(|page| page.to_string()).unwrap_or_default(),
            code,
            message,
            attempts: job.tries.faults + job.tries.losses,
            at,
        }
    }
}

impl DeadLettersPage {
    /// One to look at.
    pub fn sample(t: Language) -> Self {
        Self {
            t,
            shell: Shell::sample(t),
            all: false,
            jobs: vec![Row {
                id: "job_00000000000000000000000000".into(),
                batch: "bat_00000000000000000000000000".into(),
                page: "3".into(),
                code: "dead_lettered".into(),
                message: "the worker <was> lost 5 times".into(),
                attempts: 5,
                at: "2026-01-01 12:00 UTC".into(),
            }],
            may_act: true,
            next: Some("?after=job".into()),
        }
    }

    /// Without any.
    pub fn empty_sample(t: Language) -> Self {
        Self {
            jobs: Vec::new(),
            next: None,
            ..Self::sample(t)
        }
    }
}

/// The page.
pub async fn get(visitor: Visitor, query: Query<Asked>, db: Data<Db>) -> Result<HttpResponse, Refused> {
    let caller = visitor.caller.may(Act::ReadBatch)?;
    let Asked { state, after } = query.into_inner();
    let (which, word) = match state {
        Which::Dead => (FailedJobs::DeadLettered, "dead"),
        Which::Failed => (FailedJobs::All, "failed"),
    };
    let failed = jobs::failed(&db, &caller.tenant, which, after, SHOWN).await?;
    let full = failed.len() == SHOWN as usize;
    let shown = DeadLettersPage {
        t: visitor.t,
        shell: Shell::of(&visitor, "/admin/dead-letters"),
        all: state == Which::Failed,
        may_act: visitor.caller.can(Act::SubmitBatch),
        next: failed
            .last()
            .filter(|_| full)
            .map(|last| format!("?state={word}&after={}", last.id)),
        jobs: failed.iter().map(Row::of).collect(),
    };
    Ok(site::page(StatusCode::OK, &shown)?)
}
