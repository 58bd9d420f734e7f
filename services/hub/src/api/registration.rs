//! `POST /v1/models`: registering a model with its license and what it was made from.

use super::models::ModelView;
use crate::{caller::Authenticated, idempotency::Once, json_object::Object, problem::Problem};
use actix_web::{
    HttpResponse,
    http::{StatusCode, header::LOCATION},
    web::{self, Data, Json},
};
use domain::{
    access::Act,
    clock::SharedClock,
    id::IdMaker,
    lineage::{LineageEdge, Relation},
    model::{Card, Model},
    names::{LicenseName, ModelName},
    policy::CurrentPolicies,
    registration::{NameRefused, Registration, Unregistrable},
};
use records::{
    Db, Stamp, facts,
    models::{self, Registered},
};
use serde::Deserialize;
use serde_json::json;
use time::OffsetDateTime;

/// The paths of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config.route("/v1/models", web::post().to(register));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewModel {
    id: ModelName,
    license: NewLicense,
    #[serde(default)]
    card: Card,
    #[serde(default)]
    parents: Vec<NewParent>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewLicense {
    id: LicenseName,
    source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewParent {
    model: ModelName,
    relation: Relation,
    evidence: String,
}

impl NewModel {
    fn registration(self, at: OffsetDateTime) -> Registration {
        let child = self.id.clone();
        let edge = |parent: NewParent| LineageEdge {
            parent: parent.model,
            child: child.clone(),
            relation: parent.relation,
            evidence: parent.evidence,
        };
        Registration {
            parents: self.parents.into_iter().map(edge).collect(),
            model: Model {
                name: self.id,
                license: self.license.id,
                license_source: self.license.source,
                card: self.card,
                registered_at: at,
            },
        }
    }
}

async fn register(
    caller: Authenticated,
    Json(Object(body)): Json<Object<NewModel>>,
    db: Data<Db>,
    policies: Data<CurrentPolicies>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
    once: Once,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::RegisterModel)?;
    let (now, policies) = (clock.now(), policies.get());
    let new = body.registration(now);
    if policies.licenses().get(&new.model.license).is_none() {
        return Err(unknown_license(&new.model.license));
    }
    let mut lineages = Vec::new();
    for edge in new.parents.iter().take(domain::registration::PARENT_LIMIT) {
        lineages.push(facts::lineage(&db, &edge.parent).await?);
    }
    new.check(policies.licenses(), &lineages)
        .map_err(not_registered)?;
    let stamp = Stamp::of(&ids, now, caller).under(once.claim());
    match models::register(&db, stamp, &caller.tenant, &new).await? {
        Registered::Already => Err(registered_before(&new.model.name)),
        Registered::New => {
            let location = (LOCATION, format!("/v1/models/{}", new.model.name));
            let view = ModelView::of(models::entry(&db, new.model).await?);
            Ok(HttpResponse::Created().insert_header(location).json(view))
        }
    }
}

pub(super) fn unprocessable(code: &'static str, detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
}

pub(super) fn unknown_license(id: &LicenseName) -> Problem {
    let detail = format!("the facts of license {id} are not known here, so nobody could ever use the model");
    let cure = format!(
        "name one of GET /v1/licenses, or have the operator add policies/licenses/{id}.toml and reload the policies"
    );
    unprocessable("license_unknown", detail).with("cure", cure)
}

fn registered_before(model: &ModelName) -> Problem {
    Problem::conflict(
        "model_registered",
        format!(
            "{model} is registered already: GET /v1/models/{model} shows it, and POST /v1/card-changes proposes other facts"
        ),
    )
}

fn not_registered(why: Unregistrable) -> Problem {
    let detail = why.to_string();
    match why {
        Unregistrable::Field(_) => unprocessable("registration_invalid", detail),
        Unregistrable::ParentUnknown(parent) => unprocessable("parent_unknown", detail).with(
            "cure",
            format!("register {parent} with its license first: POST /v1/models"),
        ),
        Unregistrable::Name(refused) => name_refused(&refused),
    }
}

pub(super) fn name_refused(refused: &NameRefused) -> Problem {
    unprocessable("name_prefix_required", refused.to_string())
        .with(
            "cure",
            format!(
                "choose a name that begins with {0:?}, such as OWNER/{0}-NAME",
                refused.prefix
            ),
        )
        .with("prefix", refused.prefix.clone())
        .with("license", refused.license.to_string())
        .with("path", json!(refused.path))
}
