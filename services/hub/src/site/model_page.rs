//! `/models/{owner}/{name}`: everything that is known about a model.

mod fitting;
mod making;
mod parts;
mod sample;

use super::{
    CONTENT_POLICY, MissingPage, drawing,
    kept::{KeptPages, Under},
    language, page, response,
};
use crate::{catalogue, problem::Problem};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web::{Bytes, Data, Path, Query},
};
use askama::Template;
use domain::{
    clock::SharedClock, faq, language::Language, license::Licenses, model::Model, names::ModelName,
    policy::CurrentPolicies,
};
use parts::{Badge, Comparable, Fact, Fitting, LicencePart, Measured, Shown, Taken};
use records::{Db, models};
use serde::Deserialize;
use time::Date;

/// What is asked of a page: its language, and the use for which the hardware is shown.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    lang: String,
    variant: String,
    context: String,
    pages: String,
    kv: String,
}

impl Asked {
    /// Whether it is the page that is shown where nothing is asked but a language.
    fn is_usual(&self) -> bool {
        [&self.variant, &self.context, &self.pages, &self.kv]
            .into_iter()
            .all(String::is_empty)
    }
}

/// See the module's text.
#[derive(Template)]
#[template(path = "model.html")]
pub struct ModelPage {
    t: Language,
    other: String,
    name: String,
    publisher: String,
    badges: Vec<Badge>,
    summary: String,
    overview: String,
    facts: Vec<Fact>,
    licence: LicencePart,
    strengths: Vec<String>,
    weaknesses: Vec<String>,
    variants: Vec<Shown>,
    measured: Vec<Measured>,
    source: String,
    needs_quantising: bool,
    usual_variant: String,
    drawing: String,
    relatives: Vec<Fact>,
    memory: Option<Taken>,
    use_told: String,
    asked: Asked,
    fits: Vec<Fitting>,
    comparable: Vec<Comparable>,
    compare_all: String,
    faq: Vec<faq::Entry>,
    reviewed: String,
    revision: Option<String>,
    json_ld: String,
}

impl ModelPage {
    /// One to look at: the seeded GLM-4V 9B, or whatever the seed begins with.
    pub fn sample(t: Language) -> Self {
        sample::page(t)
    }
}

async fn found(db: &Db, path: &(String, String)) -> Result<Option<Model>, Problem> {
    let Ok(name) = format!("{}/{}", path.0, path.1).parse::<ModelName>() else {
        return Ok(None);
    };
    Ok(models::get(db, &name).await?)
}

/// The page.
pub async fn get(
    request: HttpRequest,
    path: Path<(String, String)>,
    query: Query<Asked>,
    db: Data<Db>,
    policies: Data<CurrentPolicies>,
    clock: Data<SharedClock>,
    kept: Data<KeptPages>,
) -> Result<HttpResponse, Problem> {
    let asked = query.into_inner();
    let t = language(&request, Some(&asked.lang));
    let name = format!("{}/{}", path.0, path.1);
    let Ok(which) = name.parse().map(|model: ModelName| (model, t)) else {
        return missing(t, name);
    };
    let policies = policies.get();
    let under = Under {
        version: kept.version(&db).await?,
        policies: policies.sha256(),
        day: clock.now().date(),
    };
    if asked.is_usual()
        && let Some(body) = kept.get(&which, &under)
    {
        return Ok(response(CONTENT_POLICY, StatusCode::OK, body));
    }
    let Some(model) = models::get(&db, &which.0).await? else {
        return missing(t, name);
    };
    let is_usual = asked.is_usual();
    let page = made(&db, policies.licenses(), model, t, under.day, asked).await?;
    let body = Bytes::from(page.render().map_err(Problem::internal)?);
    if is_usual {
        kept.keep(which, under, body.clone());
    }
    Ok(response(CONTENT_POLICY, StatusCode::OK, body))
}

fn missing(t: Language, name: String) -> Result<HttpResponse, Problem> {
    let other = in_other(t);
    page(StatusCode::NOT_FOUND, &MissingPage { t, other, name })
}

/// The same page in the other language.
fn in_other(t: Language) -> String {
    format!("?lang={}", t.of(Language::Chinese, Language::English).as_str())
}

async fn made(
    db: &Db,
    licenses: &Licenses,
    model: Model,
    t: Language,
    today: Date,
    asked: Asked,
) -> Result<ModelPage, Problem> {
    let entry = models::entry(db, model).await?;
    let name = &entry.model.name;
    let terms = catalogue::terms(db, licenses, name).await?;
    let tree = catalogue::tree(db, licenses, name).await?;
    let comparable = catalogue::comparable(db, &entry).await?;
    let known = making::Known {
        entry: &entry,
        terms: &terms,
        tree: &tree,
        license: licenses.get(&entry.model.license).map(AsRef::as_ref),
        comparable: &comparable,
        today,
    };
    making::page(known, t, in_other(t), asked)
}

/// The lineage as a picture by itself.
pub async fn svg(
    request: HttpRequest,
    path: Path<(String, String)>,
    query: Query<Asked>,
    db: Data<Db>,
    policies: Data<CurrentPolicies>,
) -> Result<HttpResponse, Problem> {
    let t = language(&request, Some(&query.lang));
    let model = found(&db, &path)
        .await?
        .ok_or_else(|| Problem::not_found("model"))?;
    let tree = catalogue::tree(&db, policies.get().licenses(), &model.name).await?;
    Ok(HttpResponse::Ok()
        .content_type("image/svg+xml")
        .insert_header((header::CONTENT_SECURITY_POLICY, super::CONTENT_POLICY))
        .body(drawing::svg(&tree, t)))
}

/// The lineage as a flow chart of Mermaid.
pub async fn mermaid(
    path: Path<(String, String)>,
    db: Data<Db>,
    policies: Data<CurrentPolicies>,
) -> Result<HttpResponse, Problem> {
    let model = found(&db, &path)
        .await?
        .ok_or_else(|| Problem::not_found("model"))?;
    let tree = catalogue::tree(&db, policies.get().licenses(), &model.name).await?;
    Ok(HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .body(tree.mermaid()))
}
