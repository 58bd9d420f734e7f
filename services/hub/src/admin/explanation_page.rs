//! `/admin/policies/explain`: how a decision came about, and what the gate would say with the facts of today.

use super::{policies_page::PATH, refused::Refused, shell::Shell, visitor::Visitor, words};
use crate::{
    api::explanation::{ExplanationView, explained},
    site,
};
use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Data, Query},
};
use askama::Template;
use domain::{
    access::Act,
    digest::Sha256,
    gate::{Outcome, Reason},
    id::DecisionId,
    language::Language,
    policy::{CurrentPolicies, RuleEffect},
};
use records::Db;
use serde::Deserialize;

/// Which decision is to be explained.
#[derive(Deserialize)]
pub struct Asked {
    decision: DecisionId,
}

/// See the module's text.
#[derive(Template)]
#[template(path = "explanation.html")]
pub struct ExplanationPage {
    t: Language,
    shell: Shell,
    id: String,
    facts: Vec<(&'static str, String)>,
    /// What was decided then.
    decided: Verdict,
    /// What the same policies say with the facts of today.
    today: Verdict,
    /// Whether the policies of its time were kept.
    of_its_time: bool,
    rules: Vec<(String, &'static str)>,
    /// Whether the page of the policies shows these very rules to the visitor.
    rules_are_listed: bool,
}

/// An answer of the gate.
struct Verdict {
    word: &'static str,
    tone: &'static str,
    reasons: Vec<Row>,
}

/// A reason for a refusal.
struct Row {
    code: String,
    message: String,
    cure: String,
    path: String,
}

impl Verdict {
    fn of(outcome: Outcome, reasons: &[Reason], t: Language) -> Self {
        Self {
            word: words::outcome(outcome, t),
            tone: words::tone_of_outcome(outcome),
            reasons: reasons.iter().map(Row::of).collect(),
        }
    }
}

impl Row {
    fn of(reason: &Reason) -> Self {
        let path: Vec<&str> = reason.path.iter().map(|model| model.as_str()).collect();
        Self {
            code: reason.code.to_string(),
            message: reason.message.clone(),
            cure: reason.cure.clone(),
            path: path.join(" → "),
        }
    }
}

impl ExplanationPage {
    fn of(visitor: &Visitor, id: DecisionId, view: &ExplanationView, in_force: Sha256) -> Self {
        let (t, told) = (visitor.t, &view.explanation);
        let today = Verdict::of(told.outcome, &told.reasons, t);
        let decided = match &view.decision {
            Some(decided) => Verdict::of(decided.outcome, &decided.reasons, t),
            None => Verdict::of(told.outcome, &told.reasons, t),
        };
        Self {
            t,
            shell: Shell::of(visitor, PATH),
            id: id.to_string(),
            facts: facts(view, t),
            decided,
            today,
            of_its_time: view
                .decision
                .as_ref()
                .is_some_and(|decided| decided.policies_of_its_time),
            rules: told
                .rules
                .iter()
                .map(|spoken| (spoken.rule.clone(), words::effect(spoken.effect, t)))
                .collect(),
            rules_are_listed: told.policies_sha256 == in_force && visitor.caller.can(Act::ReadPolicies),
        }
    }

    /// One to look at.
    pub fn sample(t: Language) -> Self {
        let verdict = |outcome, reasons| Verdict {
            word: words::outcome(outcome, t),
            tone: words::tone_of_outcome(outcome),
            reasons,
        };
        let reason = Row {
            code: "license_not_accepted".into(),
            message: "acme has not accepted <glm-4>".into(),
            cure: "POST /v1/acceptances".into(),
            path: "THUDM/glm-4v-9b → THUDM/glm-4-9b".into(),
        };
        Self {
            t,
            shell: Shell::sample(t),
            id: "dec_00000000000000000000000000".into(),
            facts: vec![(t.of("Tenant", "租户"), "acme".into())],
            decided: verdict(Outcome::Refused, vec![reason]),
            today: verdict(Outcome::Allowed, vec![]),
            of_its_time: false,
            rules: vec![(
                "rules/licenses.cedar:33".into(),
                words::effect(RuleEffect::Forbid, t),
            )],
            rules_are_listed: true,
        }
    }
}

/// What was asked.
fn facts(view: &ExplanationView, t: Language) -> Vec<(&'static str, String)> {
    let metadata = view
        .metadata
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    let told = [
        (t.of("Tenant", "租户"), view.tenant.to_string()),
        (t.of("Model", "模型"), view.model.to_string()),
        (
            t.of("Revision", "版本"),
            view.revision_sha256
                .map(|sha256| sha256.to_string())
                .unwrap_or_default(),
        ),
        (t.of("Purpose", "用途"), view.purpose.as_str().to_owned()),
        (
            t.of("Metadata", "元数据"),
            metadata.collect::<Vec<_>>().join(", "),
        ),
        (t.of("Site", "计算地点"), view.site.clone()),
        (t.of("Asked", "时间"), site::minute(view.at)),
        (
            t.of("Policies", "策略"),
            view.explanation.policies_sha256.to_string(),
        ),
    ];
    let known = told.into_iter().filter(|(_, value)| !value.is_empty());
    known.collect()
}

/// The page.
pub async fn get(
    visitor: Visitor,
    query: Query<Asked>,
    db: Data<Db>,
    policies: Data<CurrentPolicies>,
) -> Result<HttpResponse, Refused> {
    let id = query.decision;
    let view = explained(&visitor.caller, &db, &policies, id).await?;
    let shown = ExplanationPage::of(&visitor, id, &view, policies.get().sha256());
    Ok(site::page(StatusCode::OK, &shown)?)
}
