//! `/admin/card-changes/new`: proposes another value of one fact of a model.

use super::{
    card_change_page::see,
    card_changes_page::PATH,
    card_facts::{FACTS, Fact, Said, source_of},
    refused::Refused,
    shell::Shell,
    visitor::Visitor,
};
use crate::{
    api::{card_change_acts::Proposed, desk::Desk},
    gate::unknown_model,
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
    access::Act, card_change::CardFacts, language::Language, names::ModelName, policy::CurrentPolicies,
};
use records::{Db, models::cards};
use serde::Deserialize;

/// Which fact of which model is to be changed; nothing is chosen yet without both.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Asked {
    model: String,
    fact: String,
}

/// See the module's text.
#[derive(Template)]
#[template(path = "card_proposal.html")]
pub struct CardProposalPage {
    t: Language,
    shell: Shell,
    model: String,
    facts: Vec<(&'static str, &'static str)>,
    chosen: Option<Chosen>,
}

/// The fact that is to be changed, as it is.
struct Chosen {
    field: &'static str,
    word: &'static str,
    hint: String,
    value: String,
    /// Where it was read; `None` if it has no source of its own.
    source: Option<String>,
}

fn facts(t: Language) -> Vec<(&'static str, &'static str)> {
    FACTS.map(|fact| (fact.field, fact.word(t))).to_vec()
}

impl Chosen {
    fn of(fact: Fact, now: &CardFacts, t: Language) -> Result<Self, Problem> {
        Ok(Self {
            field: fact.field,
            word: fact.word(t),
            hint: fact.hint(t),
            value: fact.text(now)?,
            source: fact
                .source(now)
                .map(|source| source.map(source_of).unwrap_or_default()),
        })
    }
}

impl CardProposalPage {
    /// One to look at.
    pub fn sample(t: Language) -> Self {
        Self {
            t,
            shell: Shell::sample(t),
            model: "THUDM/glm-4v-9b".into(),
            facts: facts(t),
            chosen: Some(Chosen {
                field: "strengths",
                word: t.of("Strengths", "优点"),
                hint: t.of("one on each line", "每行一条").into(),
                value: "reads <b>\npages".into(),
                source: Some("https://example.org · 2026-01-01".into()),
            }),
        }
    }

    /// Where nothing is chosen yet.
    pub fn empty_sample(t: Language) -> Self {
        Self {
            model: String::new(),
            chosen: None,
            ..Self::sample(t)
        }
    }

    fn is_chosen(&self, field: &str) -> bool {
        self.chosen.as_ref().is_some_and(|fact| fact.field == field)
    }
}

/// The name of a model that a form sends. Problem: 400 `model_invalid`.
fn named(model: &str) -> Result<ModelName, Problem> {
    let name: Result<ModelName, _> = model.trim().parse();
    name.map_err(|error| Problem::bad_request("model_invalid", error.to_string()))
}

fn chosen(field: &str) -> Result<Fact, Problem> {
    Fact::named(field).ok_or_else(|| Problem::bad_request("fact_invalid", "no fact of a card has this name"))
}

/// The page.
pub async fn get(visitor: Visitor, query: Query<Asked>, db: Data<Db>) -> Result<HttpResponse, Refused> {
    visitor.caller.may(Act::RegisterModel)?;
    let (t, Asked { model, fact }) = (visitor.t, query.into_inner());
    let chosen = match model.is_empty() || fact.is_empty() {
        true => None,
        false => {
            let (name, fact) = (named(&model)?, chosen(&fact)?);
            let found = cards::facts(&db, &name).await?;
            let (now, _) = found.ok_or_else(|| unknown_model(&name))?;
            Some(Chosen::of(fact, &now, t)?)
        }
    };
    let shown = CardProposalPage {
        t,
        shell: Shell::of(&visitor, PATH),
        model,
        facts: facts(t),
        chosen,
    };
    Ok(site::page(StatusCode::OK, &shown)?)
}

/// What the form sends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filled {
    csrf: String,
    model: String,
    fact: String,
    value: String,
    #[serde(default)]
    source: String,
    #[serde(default)]
    seen: String,
    reason: String,
}

/// Proposes it.
pub async fn propose(
    visitor: Visitor,
    form: Form<Filled>,
    desk: Desk,
    policies: Data<CurrentPolicies>,
) -> Result<HttpResponse, Refused> {
    visitor.check(&form.csrf)?;
    let caller = visitor.caller.may(Act::RegisterModel)?;
    let (model, fact) = (named(&form.model)?, chosen(&form.fact)?);
    let said = Said {
        value: &form.value,
        source: &form.source,
        seen: &form.seen,
    };
    let proposed = Proposed {
        model: &model,
        reason: &form.reason,
        claim: None,
    };
    let licenses = policies.get();
    let change = desk
        .propose_change(caller, licenses.licenses(), proposed, |now| fact.put(now, &said))
        .await?;
    Ok(see(change.id))
}
