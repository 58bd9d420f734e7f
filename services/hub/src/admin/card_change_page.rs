//! `/admin/card-changes/{change}`: what is in force beside what is proposed, who agreed, and what the visitor may do.

use super::{
    card_changes_page::{PATH, tone},
    card_facts::{source_of, text_of},
    refused::Refused,
    shell::Shell,
    sign_in::Proved,
    visitor::Visitor,
    words,
};
use crate::{
    api::{card_change_acts::who, desk::Desk},
    site,
};
use actix_web::{
    HttpResponse,
    http::{StatusCode, header::LOCATION},
    web::{Form, Path},
};
use askama::Template;
use domain::{
    access::Act,
    card::{FactName, FactSource},
    card_change::{ChangeState, Difference, NoApproval, Who, fact_of, may_approve},
    id::CardChangeId,
    language::Language,
};
use records::{card_changes::CardChange, models::cards};
use serde::Deserialize;
use serde_json::Value;

/// See the module's text.
#[derive(Template)]
#[template(path = "card_change.html")]
pub struct CardChangePage {
    t: Language,
    shell: Shell,
    id: String,
    model: String,
    state: &'static str,
    tone: &'static str,
    facts: Vec<(&'static str, String)>,
    rows: Vec<Row>,
    is_open: bool,
    /// Whether the card has changed since it was proposed.
    is_of_earlier_card: bool,
    agreed: Vec<(String, String)>,
    lacking: usize,
    may_agree: bool,
    why_not: Option<&'static str>,
    may_reject: bool,
    may_withdraw: bool,
}

/// A fact that changes.
struct Row {
    field: String,
    sides: [Side; 2],
}

/// What a fact is, and where it was read; it looks as what is gone or what is new.
struct Side {
    look: &'static str,
    value: String,
    source: String,
}

/// What a visitor may do with a change, and why it may not agree.
#[derive(Default)]
struct Doable {
    agree: bool,
    why_not: Option<&'static str>,
    reject: bool,
    withdraw: bool,
}

impl Doable {
    /// What `me` may do with a change that is open; `outdated` if its card has changed since.
    fn of(change: &CardChange, me: &Who, outdated: bool, t: Language) -> Self {
        let own = change.proposed_by == *me;
        let why_not = match may_approve(&change.proposed_by, &change.approvals, me) {
            Err(NoApproval::Own) => Some(t.of(
                "You proposed it yourself: others have to agree to it.",
                "这是您自己提出的变更，须由他人同意。",
            )),
            Err(NoApproval::Twice) => Some(t.of(
                "You have agreed already, and agreeing counts once.",
                "您已同意过，每人只计一次。",
            )),
            Err(NoApproval::Over) => None,
            Ok(()) if outdated => Some(t.of(
                "Nobody can agree to it any more: the card has changed since.",
                "模型卡此后已有改动，不能再同意此变更。",
            )),
            Ok(()) => None,
        };
        Self {
            agree: why_not.is_none(),
            why_not,
            reject: !own,
            withdraw: own,
        }
    }
}

impl Side {
    fn before(value: String, source: Option<String>) -> Self {
        Self {
            look: "removed",
            value,
            source: source.unwrap_or_default(),
        }
    }

    fn after(value: String, source: Option<String>) -> Self {
        Self {
            look: "added",
            ..Self::before(value, source)
        }
    }
}

impl Row {
    fn of(difference: &Difference, change: &CardChange, t: Language) -> Self {
        let Difference { field, before, after } = difference;
        if let Some(fact) = field.strip_prefix("sources.") {
            let as_it_is = || t.of("as it is", "不变").to_owned();
            return Self {
                field: fact.to_owned(),
                sides: [
                    Side::before(as_it_is(), source_in(before)),
                    Side::after(as_it_is(), source_in(after)),
                ],
            };
        }
        let (source, renewed) = fact_of(field)
            .map(|fact| sources(fact, change))
            .unwrap_or_default();
        Self {
            field: field.clone(),
            sides: [
                Side::before(text_of(before), source),
                Side::after(text_of(after), renewed),
            ],
        }
    }

    fn sample(field: &str, before: &str) -> Self {
        let source = "https://example.org/a/rather/long/path/to/the/card · 2026-11-01";
        Self {
            field: field.into(),
            sides: [
                Side::before(before.into(), None),
                Side::after("4096 <b>".into(), Some(source.into())),
            ],
        }
    }
}

/// Where a fact was read before, and where it was read that is proposed.
fn sources(fact: FactName, change: &CardChange) -> (Option<String>, Option<String>) {
    let is_its = |one: &&Difference| one.field.strip_prefix("sources.") == Some(fact.as_str());
    let after = change.facts.card.sources.get(&fact).map(source_of);
    match change.differences.iter().find(is_its) {
        Some(renewed) => (source_in(&renewed.before), after),
        None => (after.clone(), after),
    }
}

fn source_in(value: &Value) -> Option<String> {
    let source: FactSource = serde_json::from_value(value.clone()).ok()?;
    Some(source_of(&source))
}

/// What changes, field by field; a source that is renewed stands beside its fact, if that changes too.
fn rows(change: &CardChange, t: Language) -> Vec<Row> {
    let stands_elsewhere = |difference: &&Difference| {
        let fact = difference.field.strip_prefix("sources.");
        fact.is_some_and(|fact| {
            let mut facts = change.differences.iter().filter_map(|one| fact_of(&one.field));
            facts.any(|name| name.as_str() == fact)
        })
    };
    change
        .differences
        .iter()
        .filter(|difference| !stands_elsewhere(difference))
        .map(|difference| Row::of(difference, change, t))
        .collect()
}

impl CardChangePage {
    /// One to look at.
    pub fn sample(t: Language) -> Self {
        Self {
            t,
            shell: Shell::sample(t),
            id: "crd_00000000000000000000000000".into(),
            model: "THUDM/glm-4v-9b".into(),
            state: words::card_change(ChangeState::Proposed, t),
            tone: tone(ChangeState::Proposed),
            facts: vec![(t.of("Reason", "理由"), "the page <says> so".into())],
            rows: vec![Row::sample("context_tokens", "8192"), Row::sample("summary", "")],
            is_open: true,
            is_of_earlier_card: true,
            agreed: vec![("li@zhipu".into(), "2026-01-01 12:00 UTC".into())],
            lacking: 1,
            may_agree: true,
            why_not: Some(t.of("You have agreed already.", "您已同意过。")),
            may_reject: true,
            may_withdraw: true,
        }
    }

    /// One that is over, and to which nobody agreed.
    pub fn settled_sample(t: Language) -> Self {
        Self {
            state: words::card_change(ChangeState::Withdrawn, t),
            tone: tone(ChangeState::Withdrawn),
            is_open: false,
            is_of_earlier_card: false,
            agreed: vec![],
            lacking: 0,
            may_agree: false,
            why_not: None,
            may_reject: false,
            may_withdraw: false,
            ..Self::sample(t)
        }
    }
}

fn facts(change: &CardChange, t: Language) -> Vec<(&'static str, String)> {
    let settled = change.settled.as_ref();
    let told = [
        (t.of("Reason", "理由"), Some(change.reason.clone())),
        (
            t.of("Proposed", "提出"),
            Some(format!(
                "{} · {}",
                site::minute(change.proposed_at),
                change.proposed_by
            )),
        ),
        (
            t.of("Settled", "结束"),
            settled.map(|settled| format!("{} · {}", site::minute(settled.at), settled.by)),
        ),
        (
            t.of("Why", "原因"),
            settled.and_then(|settled| settled.note.clone()),
        ),
    ];
    let known = told
        .into_iter()
        .filter_map(|(label, value)| Some((label, value?)));
    known.collect()
}

/// The page.
pub async fn get(visitor: Visitor, path: Path<CardChangeId>, desk: Desk) -> Result<HttpResponse, Refused> {
    let (t, caller) = (visitor.t, visitor.caller.may(Act::ReviewCard)?);
    let change = desk.change(*path).await?;
    let open = change.state == ChangeState::Proposed;
    let outdated = open && {
        let now = cards::facts(&desk.db, &change.model).await?;
        now.is_none_or(|(_, version)| version != change.version)
    };
    let doable = match open {
        true => Doable::of(&change, &who(caller), outdated, t),
        false => Doable::default(),
    };
    let agreed = change
        .approvals
        .iter()
        .map(|approval| (approval.by.to_string(), site::minute(approval.at)));
    let shown = CardChangePage {
        t,
        shell: Shell::of(&visitor, PATH),
        id: change.id.to_string(),
        model: change.model.to_string(),
        state: words::card_change(change.state, t),
        tone: tone(change.state),
        facts: facts(&change, t),
        rows: rows(&change, t),
        is_open: open,
        is_of_earlier_card: outdated,
        agreed: agreed.collect(),
        lacking: if open { change.lacking() } else { 0 },
        may_agree: doable.agree,
        why_not: doable.why_not,
        may_reject: doable.reject,
        may_withdraw: doable.withdraw && visitor.caller.can(Act::RegisterModel),
    };
    Ok(site::page(StatusCode::OK, &shown)?)
}

/// What a form with a reason sends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reasoned {
    csrf: String,
    reason: String,
}

/// Agrees to it.
pub async fn agree(
    visitor: Visitor,
    path: Path<CardChangeId>,
    form: Form<Proved>,
    desk: Desk,
) -> Result<HttpResponse, Refused> {
    visitor.check(&form.csrf)?;
    desk.agree_to_change(visitor.caller.may(Act::ReviewCard)?, *path)
        .await?;
    Ok(see(*path))
}

/// How a change ends that never comes into force.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Others do not want it.
    Reject,
    /// Who proposed it does not want it any more.
    Withdraw,
}

impl Ending {
    /// What whoever ends it so must be allowed, and the state of the change then.
    fn what(self) -> (Act, ChangeState) {
        match self {
            Ending::Reject => (Act::ReviewCard, ChangeState::Rejected),
            Ending::Withdraw => (Act::RegisterModel, ChangeState::Withdrawn),
        }
    }
}

/// Rejects it, or withdraws it.
pub async fn settle(
    visitor: Visitor,
    path: Path<(CardChangeId, Ending)>,
    form: Form<Reasoned>,
    desk: Desk,
) -> Result<HttpResponse, Refused> {
    visitor.check(&form.csrf)?;
    let (change, ending) = path.into_inner();
    let (act, state) = ending.what();
    desk.settle_change(visitor.caller.may(act)?, change, state, &form.reason)
        .await?;
    Ok(see(change))
}

/// Goes on to the page of a change.
pub(super) fn see(change: CardChangeId) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((LOCATION, format!("{PATH}/{change}")))
        .finish()
}
