//! `/models/{owner}/{name}`: everything that is known about a model.

mod fitting;
mod making;
mod parts;
mod sample;

use super::{MissingPage, drawing, language, page};
use crate::{catalogue, problem::Problem};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web::{Data, Path, Query},
};
use askama::Template;
use domain::{
    clock::SharedClock, faq, language::Language, model::Model, names::ModelName, policy::CurrentPolicies,
};
use parts::{Badge, Comparable, Fact, Fitting, LicencePart, Measured, Shown, Taken};
use records::{Db, models};
use serde::Deserialize;

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
) -> Result<HttpResponse, Problem> {
    let t = language(&request, Some(&query.lang));
    let other = format!("?lang={}", t.of(Language::Chinese, Language::English).as_str());
    let Some(model) = found(&db, &path).await? else {
        let name = format!("{}/{}", path.0, path.1);
        return page(StatusCode::NOT_FOUND, &MissingPage { t, other, name });
    };
    let entry = models::entry(&db, model).await?;
    let policies = policies.get();
    let licenses = policies.licenses();
    let terms = catalogue::terms(&db, licenses, &entry.model.name).await?;
    let tree = catalogue::tree(&db, licenses, &entry.model.name).await?;
    let comparable = catalogue::comparable(&db, &entry).await?;
    let known = making::Known {
        entry: &entry,
        terms: &terms,
        tree: &tree,
        license: licenses.get(&entry.model.license).map(AsRef::as_ref),
        comparable: &comparable,
        today: clock.now().date(),
    };
    page(
        StatusCode::OK,
        &making::page(known, t, other, query.into_inner())?,
    )
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
