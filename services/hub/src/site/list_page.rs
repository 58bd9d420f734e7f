//! `/models`: the catalogue with its search.

use super::{figures, language, page};
use crate::{
    api::models::machine,
    catalogue::{Narrowed, browse},
    problem::Problem,
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Query},
};
use askama::Template;
use domain::{
    hardware::Machines, language::Language, model::Modality, names::ModelName, policy::CurrentPolicies,
};
use records::{
    Db,
    models::{self, Entry, Wanted},
};
use serde::Deserialize;

/// How many models a page shows.
const SHOWN: usize = 24;

/// The fields of the search, as forms send them: what is not filled in is empty.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Search {
    lang: String,
    q: String,
    family: String,
    modality: String,
    commercial: String,
    fits: String,
    after: String,
}

/// See the module's text.
#[derive(Template)]
#[template(path = "list.html")]
pub struct ListPage {
    t: Language,
    other: String,
    search: Search,
    families: Vec<String>,
    machines: Vec<(String, String)>,
    models: Vec<Shown>,
    next: Option<String>,
}

/// A model in the list.
struct Shown {
    name: String,
    license: String,
    summary: String,
    parameters: String,
    context: String,
    multimodal: bool,
}

impl Shown {
    fn of(entry: &Entry, t: Language) -> Self {
        let card = &entry.model.card;
        let chinese = card.chinese.as_ref().and_then(|texts| texts.summary.clone());
        let summary = match t {
            Language::Chinese => chinese.or_else(|| card.summary.clone()),
            Language::English => card.summary.clone(),
        };
        Self {
            name: entry.model.name.to_string(),
            license: entry.model.license.to_string(),
            summary: summary.unwrap_or_default(),
            parameters: card.parameters.map(figures::parameters).unwrap_or_default(),
            context: card
                .context_tokens
                .map(|tokens| figures::grouped(tokens.into()))
                .unwrap_or_default(),
            multimodal: card.modality == Some(Modality::ImageText),
        }
    }
}

impl ListPage {
    /// One to look at.
    pub fn sample(t: Language) -> Self {
        let shown = |name: &str| Shown {
            name: name.into(),
            license: "glm-4".into(),
            summary: "A sample with <angles> & a rather long summary that has to wrap on a narrow screen"
                .into(),
            parameters: "13.9B".into(),
            context: "8,192".into(),
            multimodal: true,
        };
        Self {
            t,
            other: "?lang=zh".into(),
            search: Search::default(),
            families: vec!["glm".into(), "qwen".into()],
            machines: vec![("geforce-rtx-4090".into(), "GeForce RTX 4090".into())],
            models: vec![shown("THUDM/glm-4v-9b"), shown("acme/a-model")],
            next: Some("?after=acme%2Fa-model".into()),
        }
    }
}

impl Search {
    /// This search as a query, in a language and after a model.
    fn query(&self, lang: Language, after: &str) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::from("?"));
        for (name, value) in [
            ("lang", lang.as_str()),
            ("q", &self.q),
            ("family", &self.family),
            ("modality", &self.modality),
            ("commercial", &self.commercial),
            ("fits", &self.fits),
            ("after", after),
        ] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        query.finish()
    }

    fn wanted(&self) -> Wanted {
        let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        Wanted {
            text: some(&self.q),
            family: some(&self.family),
            modality: match self.modality.as_str() {
                "text" => Some(Modality::Text),
                "image_text" => Some(Modality::ImageText),
                _ => None,
            },
        }
    }
}

/// The page.
pub async fn get(
    request: HttpRequest,
    query: Query<Search>,
    db: Data<Db>,
    policies: Data<CurrentPolicies>,
) -> Result<HttpResponse, Problem> {
    let search = query.into_inner();
    let t = language(&request, Some(&search.lang));
    // A machine that is not known narrows nothing: the form offers those that are.
    let narrowed = Narrowed {
        commercial: !search.commercial.is_empty(),
        fits: machine(&search.fits).ok(),
    };
    let policies = policies.get();
    let after: Option<ModelName> = search.after.parse().ok();
    let portion = browse(&db, policies.licenses(), &search.wanted(), narrowed, after, SHOWN).await?;
    let machines = Machines::shipped().map_err(Problem::internal)?;
    let shown = ListPage {
        t,
        other: search.query(t.of(Language::Chinese, Language::English), &search.after),
        families: models::families(&db).await?,
        machines: machines
            .iter()
            .map(|machine| (machine.id.clone(), machine.name.clone()))
            .collect(),
        models: portion.entries.iter().map(|entry| Shown::of(entry, t)).collect(),
        next: portion.next.map(|next| search.query(t, next.as_str())),
        search,
    };
    page(StatusCode::OK, &shown)
}
