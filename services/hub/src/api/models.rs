//! `/v1/models`: the registry.
//!
//! A model's name has a slash. It may be sent as two segments or, encoded, as one: that form comes first below,
//! because it would otherwise be taken for an owner.

use super::paging::{Listed, Paging};
use crate::{app::ok, caller::Authenticated, gate::unknown_model, problem::Problem};
use actix_web::{
    HttpResponse,
    web::{self, Data, Path, Query},
};
use domain::{
    access::Act,
    digest::Sha256,
    lineage::Relation,
    model::{Card, Model, Revision, Variant},
    names::{LicenseName, ModelName},
};
use records::{
    Db,
    models::{self, Entry},
};
use serde::Serialize;
use time::OffsetDateTime;

/// The paths of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/v1/models", web::get().to(list))
        .route("/v1/models/{model}", web::get().to(get))
        .route(
            "/v1/models/{model:[\\w.%-]+%2[Ff][\\w.%-]+}/revisions",
            web::get().to(revisions),
        )
        .route("/v1/models/{owner}/{name}", web::get().to(get))
        .route("/v1/models/{owner}/{name}/revisions", web::get().to(revisions));
}

/// A name in either form.
#[derive(serde::Deserialize)]
pub(super) struct Named {
    model: Option<String>,
    owner: Option<String>,
    name: Option<String>,
}

impl Named {
    fn read(&self) -> Result<ModelName, Problem> {
        let text = match (&self.model, &self.owner, &self.name) {
            (Some(model), _, _) => model.clone(),
            (None, Some(owner), Some(name)) => format!("{owner}/{name}"),
            _ => String::new(),
        };
        text.parse().map_err(|_| Problem::not_found("model"))
    }
}

async fn list(
    caller: Authenticated,
    query: Query<Paging<ModelName>>,
    db: Data<Db>,
) -> Result<HttpResponse, Problem> {
    caller.may(Act::ReadCatalogue)?;
    let (after, limit) = query.into_inner().checked()?;
    let mut views = Vec::new();
    for model in models::page(&db, after.as_ref(), limit).await? {
        views.push(ModelView::of(models::entry(&db, model).await?));
    }
    Ok(ok(Listed::new(views, limit, |model: &ModelView| {
        model.id.to_string()
    })))
}

async fn get(caller: Authenticated, path: Path<Named>, db: Data<Db>) -> Result<HttpResponse, Problem> {
    caller.may(Act::ReadCatalogue)?;
    let model = find(&db, &path).await?;
    Ok(ok(ModelView::of(models::entry(&db, model).await?)))
}

async fn revisions(
    caller: Authenticated,
    path: Path<Named>,
    query: Query<Paging<Sha256>>,
    db: Data<Db>,
) -> Result<HttpResponse, Problem> {
    caller.may(Act::ReadCatalogue)?;
    let (after, limit) = query.into_inner().checked()?;
    let model = find(&db, &path).await?;
    let revisions = models::revisions(&db, &model.name, after.as_ref(), limit).await?;
    let views = revisions.into_iter().map(RevisionView::of).collect();
    Ok(ok(Listed::new(views, limit, |revision: &RevisionView| {
        revision.sha256.to_string()
    })))
}

/// The model of that name; else 404.
pub(super) async fn find(db: &Db, path: &Path<Named>) -> Result<Model, Problem> {
    let name = path.read()?;
    models::get(db, &name).await?.ok_or_else(|| unknown_model(&name))
}

/// A model in JSON.
#[derive(Serialize)]
pub(super) struct ModelView {
    id: ModelName,
    license: LicenseView,
    card: Card,
    variants: Vec<Variant>,
    parents: Vec<ParentView>,
    revision: Option<RevisionView>,
    #[serde(with = "time::serde::rfc3339")]
    registered_at: OffsetDateTime,
}

#[derive(Serialize)]
struct LicenseView {
    id: LicenseName,
    source: String,
}

#[derive(Serialize)]
struct ParentView {
    model: ModelName,
    relation: Relation,
    evidence: String,
}

#[derive(Serialize)]
struct RevisionView {
    sha256: Sha256,
    terms_sha256: Option<Sha256>,
    bytes: u64,
    #[serde(with = "time::serde::rfc3339")]
    imported_at: OffsetDateTime,
}

impl ModelView {
    pub(super) fn of(entry: Entry) -> Self {
        let parents = entry.parents.into_iter();
        Self {
            id: entry.model.name,
            license: LicenseView {
                id: entry.model.license,
                source: entry.model.license_source,
            },
            card: entry.model.card,
            variants: entry.variants,
            parents: parents
                .map(|edge| ParentView {
                    model: edge.parent,
                    relation: edge.relation,
                    evidence: edge.evidence,
                })
                .collect(),
            revision: entry.revision.map(RevisionView::of),
            registered_at: entry.model.registered_at,
        }
    }
}

impl RevisionView {
    fn of(revision: Revision) -> Self {
        Self {
            sha256: revision.sha256,
            terms_sha256: revision.terms_sha256,
            bytes: revision.bytes,
            imported_at: revision.imported_at,
        }
    }
}
