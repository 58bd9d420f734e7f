//! `/admin/policies`: the rules in force, and where decisions are explained and edits simulated.

use super::{refused::Refused, shell::Shell, visitor::Visitor, words};
use crate::site;
use actix_web::{HttpResponse, http::StatusCode, web::Data};
use askama::Template;
use domain::{
    access::Act,
    language::Language,
    policy::{CurrentPolicies, FileKind, Policies, PolicyFile, Rule, RuleEffect},
};

pub(super) const PATH: &str = "/admin/policies";

/// See the module's text.
#[derive(Template)]
#[template(path = "policies.html")]
pub struct PoliciesPage {
    t: Language,
    shell: Shell,
    may_simulate: bool,
    /// What whoever may read the policies is told of them.
    reading: Option<Reading>,
}

/// A reading of all files.
struct Reading {
    sha256: String,
    since: String,
    site: String,
    sets: Vec<Set>,
    licenses: Vec<File>,
}

/// A file of policies.
struct File {
    name: String,
    sha256: String,
    own: bool,
}

/// A file of rules.
struct Set {
    file: File,
    rules: Vec<Row>,
}

/// A rule.
struct Row {
    /// FILE:LINE.
    place: String,
    line: usize,
    /// Its `@id` or its `@code`.
    name: String,
    effect: &'static str,
    tone: &'static str,
    text: String,
}

impl File {
    fn of(file: &PolicyFile, policies: &Policies) -> Self {
        Self {
            name: file.name.clone(),
            sha256: file.sha256().to_string(),
            own: policies.own_files().any(|own| own == file),
        }
    }
}

impl Row {
    fn of(rule: &Rule, t: Language) -> Self {
        let code = rule.refusal.as_ref().map(|refusal| refusal.code.to_string());
        let line = rule
            .place
            .rsplit_once(':')
            .and_then(|(_, line)| line.parse().ok());
        Self {
            place: rule.place.clone(),
            line: line.unwrap_or_default(),
            name: rule.id.clone().or(code).unwrap_or_default(),
            effect: words::effect(rule.effect, t),
            tone: match rule.effect {
                RuleEffect::Permit => "good",
                RuleEffect::Forbid => "bad",
            },
            text: rule.text.clone(),
        }
    }
}

impl Set {
    fn of(file: &PolicyFile, policies: &Policies, t: Language) -> Self {
        let stands_in = |rule: &&Rule| {
            let line = rule.place.strip_prefix(&file.name);
            line.is_some_and(|line| line.starts_with(':'))
        };
        let own = policies.rules().iter().filter(stands_in);
        let mut rules: Vec<Row> = own.map(|rule| Row::of(rule, t)).collect();
        rules.sort_by_key(|rule| rule.line);
        Self {
            file: File::of(file, policies),
            rules,
        }
    }
}

impl Reading {
    fn of(current: &CurrentPolicies, t: Language) -> Self {
        let in_force = current.in_force();
        let policies = &in_force.policies;
        let of = |kind| {
            policies
                .files()
                .iter()
                .filter(move |file| file.kind() == Some(kind))
        };
        Self {
            sha256: policies.sha256().to_string(),
            since: site::minute(in_force.since),
            site: current.site().to_owned(),
            sets: of(FileKind::Rules)
                .map(|file| Set::of(file, policies, t))
                .collect(),
            licenses: of(FileKind::License)
                .map(|file| File::of(file, policies))
                .collect(),
        }
    }
}

impl PoliciesPage {
    /// One to look at.
    pub fn sample(t: Language) -> Self {
        let file = |name: &str| File {
            name: name.into(),
            sha256: "0".repeat(64),
            own: true,
        };
        let set = Set {
            file: file("rules/contracts.cedar"),
            rules: vec![Row {
                place: "rules/contracts.cedar:3".into(),
                line: 3,
                name: "only_on_premises".into(),
                effect: words::effect(RuleEffect::Forbid, t),
                tone: "bad",
                text: "forbid (principal, action, resource)\nwhen { 1 < 2 };".into(),
            }],
        };
        Self {
            t,
            shell: Shell::sample(t),
            may_simulate: true,
            reading: Some(Reading {
                sha256: "0".repeat(64),
                since: "2026-01-01 12:00 UTC".into(),
                site: "on-premises".into(),
                sets: vec![set],
                licenses: vec![file("licenses/glm-4.toml")],
            }),
        }
    }

    /// That of a visitor who may not read them.
    pub fn empty_sample(t: Language) -> Self {
        Self {
            may_simulate: false,
            reading: None,
            ..Self::sample(t)
        }
    }
}

/// The page.
pub async fn get(visitor: Visitor, policies: Data<CurrentPolicies>) -> Result<HttpResponse, Refused> {
    visitor.caller.may(Act::ExplainPolicies)?;
    let may_read = visitor.caller.can(Act::ReadPolicies);
    let shown = PoliciesPage {
        t: visitor.t,
        shell: Shell::of(&visitor, PATH),
        may_simulate: visitor.caller.can(Act::SimulatePolicies),
        reading: may_read.then(|| Reading::of(&policies, visitor.t)),
    };
    Ok(site::page(StatusCode::OK, &shown)?)
}
