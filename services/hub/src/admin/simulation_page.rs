//! `/admin/policies/simulate`: what an edit of a policy file would have changed about the decisions of last week.

use super::{policies_page::PATH, refused::Refused, shell::Shell, visitor::Visitor, words};
use crate::{
    api::simulation::{SimulationView, simulated, with_files},
    policy_settings::PolicySettings,
    simulating::Comparison,
    site,
};
use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Data, Form, Query},
};
use askama::Template;
use domain::{
    access::Act,
    clock::SharedClock,
    language::Language,
    policy::{
        BadPolicies, CurrentPolicies, Policies, PolicyFile,
        simulation::{Change, TenantChanges},
    },
};
use records::Db;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

const DAYS: u32 = 7;
/// The most decisions that are listed; the others are counted.
const LISTED: usize = 200;
/// What a file is called that nobody has named.
const NEW_FILE: &str = "rules/tried.cedar";

/// Which own file in force is to be edited.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Asked {
    file: String,
}

/// What the form sends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filled {
    csrf: String,
    file: String,
    text: String,
}

/// See the module's text.
#[derive(Template)]
#[template(path = "simulation.html")]
pub struct SimulationPage {
    t: Language,
    shell: Shell,
    own: Vec<String>,
    file: String,
    text: String,
    faults: Vec<Fault>,
    outcome: Option<Differing>,
}

/// What is wrong with the edit.
struct Fault {
    file: String,
    line: usize,
    column: usize,
    why: String,
}

/// What would differ.
struct Differing {
    replayed: usize,
    cut: bool,
    changed: usize,
    jobs: u64,
    rows: Vec<Row>,
}

/// A decision that would differ.
struct Row {
    id: String,
    tenant: String,
    at: String,
    model: String,
    purpose: &'static str,
    jobs: u64,
    today: &'static str,
    would_be: &'static str,
    tone: &'static str,
    codes: String,
}

impl Row {
    fn of(change: &Change, of: &TenantChanges, t: Language) -> Self {
        let codes: Vec<&str> = change.reasons.iter().map(|reason| reason.code.as_str()).collect();
        Self {
            id: change.decision_id.to_string(),
            tenant: of.tenant.to_string(),
            at: site::minute(change.at),
            model: change.model.to_string(),
            purpose: change.purpose.as_str(),
            jobs: change.jobs,
            today: words::outcome(change.today, t),
            would_be: words::outcome(change.would_be, t),
            tone: words::tone_of_outcome(change.would_be),
            codes: codes.join(", "),
        }
    }
}

impl Differing {
    fn of(view: &SimulationView, t: Language) -> Self {
        let rows = view.tenants.iter().flat_map(|of| {
            let row = move |change| Row::of(change, of, t);
            of.changes.iter().map(row)
        });
        Self {
            replayed: view.replayed,
            cut: view.cut,
            changed: view.changed,
            jobs: view.jobs,
            rows: rows.take(LISTED).collect(),
        }
    }
}

impl SimulationPage {
    fn of(visitor: &Visitor, in_force: &Policies, file: String, text: String) -> Self {
        Self {
            t: visitor.t,
            shell: Shell::of(visitor, PATH),
            own: in_force.own_files().map(|file| file.name.clone()).collect(),
            file,
            text,
            faults: Vec::new(),
            outcome: None,
        }
    }

    fn with_faults(self, bad: BadPolicies) -> Self {
        let faults = bad.0.into_iter().map(|fault| Fault {
            file: fault.file,
            line: fault.line,
            column: fault.column,
            why: fault.why,
        });
        Self {
            faults: faults.collect(),
            ..self
        }
    }

    /// One to look at.
    pub fn sample(t: Language) -> Self {
        let row = Row {
            id: "dec_00000000000000000000000000".into(),
            tenant: "a-tenant-with-a-rather-long-name".into(),
            at: "2026-01-01 12:00 UTC".into(),
            model: "THUDM/glm-4v-9b".into(),
            purpose: "commercial",
            jobs: 12,
            today: t.of("allowed", "允许"),
            would_be: t.of("refused", "拒绝"),
            tone: "bad",
            codes: "only_on_premises".into(),
        };
        Self {
            t,
            shell: Shell::sample(t),
            own: vec!["rules/contracts.cedar".into()],
            file: "rules/contracts.cedar".into(),
            text: "permit (principal, action, resource) when { 1 < 2 };".into(),
            faults: vec![],
            outcome: Some(Differing {
                replayed: 400,
                cut: true,
                changed: 300,
                jobs: 12,
                rows: vec![row],
            }),
        }
    }

    /// One whose edit cannot be.
    pub fn bad_sample(t: Language) -> Self {
        let fault = Fault {
            file: "rules/contracts.cedar".into(),
            line: 2,
            column: 8,
            why: "there is no <colour>".into(),
        };
        Self {
            own: vec![],
            faults: vec![fault],
            outcome: None,
            ..Self::sample(t)
        }
    }
}

/// The page, before anything is simulated.
pub async fn get(
    visitor: Visitor,
    query: Query<Asked>,
    policies: Data<CurrentPolicies>,
) -> Result<HttpResponse, Refused> {
    visitor.caller.may(Act::SimulatePolicies)?;
    let in_force = policies.get();
    let known = in_force.own_files().find(|own| own.name == query.file);
    let (file, text) = match known {
        Some(known) => (known.name.clone(), known.text.clone()),
        None => (NEW_FILE.to_owned(), String::new()),
    };
    let shown = SimulationPage::of(&visitor, &in_force, file, text);
    Ok(site::page(StatusCode::OK, &shown)?)
}

/// Simulates an edit.
pub async fn simulate(
    visitor: Visitor,
    form: Form<Filled>,
    db: Data<Db>,
    policies: Data<CurrentPolicies>,
    clock: Data<SharedClock>,
    settings: Data<PolicySettings>,
) -> Result<HttpResponse, Refused> {
    visitor.check(&form.csrf)?;
    visitor.caller.may(Act::SimulatePolicies)?;
    let (in_force, form) = (policies.get(), form.into_inner());
    // Browsers end lines of forms as HTTP does.
    let text = form.text.replace("\r\n", "\n");
    let edited = PolicyFile::new(form.file.trim(), text.as_str());
    let other = with_files(&in_force, &[edited], &BTreeSet::new());
    let shown = SimulationPage::of(&visitor, &in_force, form.file, text);
    let other = match other {
        Ok(other) => other,
        Err(bad) => return Ok(site::page(StatusCode::BAD_REQUEST, &shown.with_faults(bad))?),
    };
    let comparison = Comparison {
        in_force,
        other,
        terms: BTreeMap::new(),
    };
    let last = (DAYS, clock.now());
    let view = simulated(&db, comparison, last, settings.most_replayed).await?;
    let shown = SimulationPage {
        outcome: Some(Differing::of(&view, visitor.t)),
        ..shown
    };
    Ok(site::page(StatusCode::OK, &shown)?)
}
