//! `/v1/models`: the registry.
//!
//! A model's name has a slash. It may be sent as two segments or, encoded, as one: that form comes first below,
//! because it would otherwise be taken for an owner.

use super::paging::{Listed, Paging};
use crate::{
    app::ok,
    caller::Authenticated,
    catalogue::{Narrowed, browse},
    gate::unknown_model,
    problem::Problem,
};
use actix_web::{
    HttpResponse,
    web::{self, Data, Path, Query},
};
use domain::{
    access::Act,
    digest::Sha256,
    hardware::{Machine, Machines},
    license::Permission,
    lineage::Relation,
    model::{Card, Modality, Model, Revision, Variant},
    names::{LicenseName, ModelName},
    policy::CurrentPolicies,
};
use records::{
    Db,
    models::{self, Entry, Wanted},
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
pub(crate) struct Named {
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

/// What a list is narrowed by.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Listing {
    after: Option<ModelName>,
    limit: Option<u32>,
    q: Option<String>,
    family: Option<String>,
    modality: Option<Modality>,
    commercial: Option<Permission>,
    fits: Option<String>,
}

async fn list(
    caller: Authenticated,
    query: Query<Listing>,
    db: Data<Db>,
    policies: Data<CurrentPolicies>,
) -> Result<HttpResponse, Problem> {
    caller.may(Act::ReadCatalogue)?;
    let query = query.into_inner();
    let (after, limit) = Paging::new(query.after, query.limit).checked()?;
    let fits = query.fits.as_deref().map(machine).transpose()?;
    let wanted = Wanted {
        text: query.q,
        family: query.family,
        modality: query.modality,
    };
    let narrowed = Narrowed {
        commercial: commercial(query.commercial)?,
        fits,
    };
    let policies = policies.get();
    let portion = browse(&db, policies.licenses(), &wanted, narrowed, after, limit as usize).await?;
    let data: Vec<ModelView> = portion.entries.into_iter().map(ModelView::of).collect();
    Ok(ok(serde_json::json!({ "data": data, "next": portion.next })))
}

/// The machine of that id.
pub(crate) fn machine(id: &str) -> Result<&'static Machine, Problem> {
    let machines = Machines::shipped().map_err(Problem::internal)?;
    let detail = format!("no machine has the id {id:?}; GET /v1/models/OWNER/NAME/hardware lists all");
    machines
        .get(id)
        .ok_or_else(|| Problem::bad_request("machine_unknown", detail))
}

/// Only what is permitted can be asked for.
fn commercial(asked: Option<Permission>) -> Result<bool, Problem> {
    match asked {
        None => Ok(false),
        Some(Permission::Permitted) => Ok(true),
        Some(_) => Err(Problem::bad_request(
            "query_malformed",
            "`commercial` is `permitted`, or left out",
        )),
    }
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
pub(crate) async fn find(db: &Db, path: &Path<Named>) -> Result<Model, Problem> {
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
