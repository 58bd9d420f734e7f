//! `/admin/card-changes`: changes of models' cards that others have to agree to, and what became of earlier ones.

use super::{refused::Refused, shell::Shell, visitor::Visitor, words};
use crate::site;
use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Data, Query},
};
use askama::Template;
use domain::{
    access::Act, card_change::ChangeState, clock::SharedClock, id::CardChangeId, language::Language,
};
use records::{
    Db,
    card_changes::{self, CardChange},
};
use serde::Deserialize;
use time::OffsetDateTime;

pub(super) const PATH: &str = "/admin/card-changes";
const SHOWN: u32 = 50;

/// Where the two lists go on.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Asked {
    after: Option<CardChangeId>,
    settled_after: Option<CardChangeId>,
}

/// See the module's text.
#[derive(Template)]
#[template(path = "card_changes.html")]
pub struct CardChangesPage {
    t: Language,
    shell: Shell,
    may_propose: bool,
    open: Vec<Row>,
    next_open: Option<String>,
    settled: Vec<Row>,
    next_settled: Option<String>,
}

/// A change in a list.
struct Row {
    id: String,
    model: String,
    fields: String,
    by: String,
    age: String,
    lacking: usize,
    state: &'static str,
    tone: &'static str,
    settled: String,
}

/// How a state looks.
pub(super) fn tone(state: ChangeState) -> &'static str {
    match state {
        ChangeState::Proposed => "warn",
        ChangeState::Approved => "good",
        ChangeState::Rejected => "bad",
        ChangeState::Withdrawn => "",
    }
}

impl Row {
    fn of(change: &CardChange, now: OffsetDateTime, t: Language) -> Self {
        let all = || {
            change
                .differences
                .iter()
                .map(|difference| difference.field.as_str())
        };
        let values: Vec<&str> = all().filter(|field| !field.starts_with("sources.")).collect();
        let fields = match values.is_empty() {
            true => all().collect(),
            false => values,
        };
        let settled = change.settled.as_ref();
        Self {
            id: change.id.to_string(),
            model: change.model.to_string(),
            fields: fields.join(", "),
            by: change.proposed_by.to_string(),
            age: words::age(now - change.proposed_at, t),
            lacking: change.lacking(),
            state: words::card_change(change.state, t),
            tone: tone(change.state),
            settled: settled
                .map(|settled| format!("{} · {}", site::minute(settled.at), settled.by))
                .unwrap_or_default(),
        }
    }

    fn sample(t: Language, state: ChangeState) -> Self {
        Self {
            id: "crd_00000000000000000000000000".into(),
            model: "THUDM/glm-4v-9b".into(),
            fields: "context_tokens, summary".into(),
            by: "li@a-tenant-with-a-rather-long-name".into(),
            age: "3 d".into(),
            lacking: 2,
            state: words::card_change(state, t),
            tone: tone(state),
            settled: "2026-01-01 12:00 UTC · li@zhipu".into(),
        }
    }
}

impl CardChangesPage {
    /// One to look at.
    pub fn sample(t: Language) -> Self {
        let settled = [
            ChangeState::Approved,
            ChangeState::Rejected,
            ChangeState::Withdrawn,
        ];
        Self {
            t,
            shell: Shell::sample(t),
            may_propose: true,
            open: vec![Row::sample(t, ChangeState::Proposed)],
            next_open: Some("?after=crd".into()),
            settled: settled.map(|state| Row::sample(t, state)).into(),
            next_settled: Some("?settled_after=crd".into()),
        }
    }

    /// Without any.
    pub fn empty_sample(t: Language) -> Self {
        Self {
            open: vec![],
            next_open: None,
            settled: vec![],
            next_settled: None,
            ..Self::sample(t)
        }
    }
}

/// Where a list goes on that is full.
fn next(name: &str, found: &[CardChange]) -> Option<String> {
    let full = found.len() == SHOWN as usize;
    let last = found.last().filter(|_| full)?;
    Some(format!("?{name}={}", last.id))
}

/// The page.
pub async fn get(
    visitor: Visitor,
    query: Query<Asked>,
    db: Data<Db>,
    clock: Data<SharedClock>,
) -> Result<HttpResponse, Refused> {
    visitor.caller.may(Act::ReviewCard)?;
    let (t, now) = (visitor.t, clock.now());
    let proposed = Some(ChangeState::Proposed);
    let open = card_changes::list(&db, None, proposed, query.after, SHOWN).await?;
    let settled = card_changes::list_settled(&db, query.settled_after, SHOWN).await?;
    let shown = CardChangesPage {
        t,
        shell: Shell::of(&visitor, PATH),
        may_propose: visitor.caller.can(Act::RegisterModel),
        next_open: next("after", &open),
        open: open.iter().map(|change| Row::of(change, now, t)).collect(),
        next_settled: next("settled_after", &settled),
        settled: settled.iter().map(|change| Row::of(change, now, t)).collect(),
    };
    Ok(site::page(StatusCode::OK, &shown)?)
}
