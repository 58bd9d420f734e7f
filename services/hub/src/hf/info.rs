//! `/hf/api/models/{owner}/{name}`: what a repository is and holds.

use super::{
    purposed::Purposed,
    repository::{NEWEST, Repository},
};
use crate::{api::models::Named, app::ok, caller::Authenticated, catalogue, problem::Problem};
use actix_web::{
    HttpResponse,
    web::{Data, Path},
};
use domain::{
    access::Act,
    effective::EffectivePurpose,
    license::{Condition, License, Permission},
    lineage::LineageEdge,
    model::Model,
    policy::CurrentPolicies,
    purpose::Purpose,
};
use records::{Db, models};
use serde::Deserialize;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

/// The revision that a path names.
#[derive(Deserialize)]
pub(super) struct Revised {
    pub revision: String,
}

pub(super) async fn newest(
    caller: Authenticated,
    named: Path<Named>,
    purposed: Purposed,
    db: Data<Db>,
    policies: Data<CurrentPolicies>,
) -> Result<HttpResponse, Problem> {
    answer(&caller, &named, NEWEST, purposed.of(&caller), &db, &policies).await
}

pub(super) async fn one(
    caller: Authenticated,
    named: Path<Named>,
    revised: Path<Revised>,
    purposed: Purposed,
    db: Data<Db>,
    policies: Data<CurrentPolicies>,
) -> Result<HttpResponse, Problem> {
    let purpose = purposed.of(&caller);
    answer(&caller, &named, &revised.revision, purpose, &db, &policies).await
}

async fn answer(
    caller: &Authenticated,
    named: &Path<Named>,
    revision: &str,
    purpose: Purpose,
    db: &Db,
    policies: &CurrentPolicies,
) -> Result<HttpResponse, Problem> {
    caller.may(Act::ReadCatalogue)?;
    let policies = policies.get();
    let repository = Repository::open(db, &policies, named, revision).await?;
    let terms = catalogue::terms(db, policies.licenses(), &repository.model.name).await?;
    let parents = models::entry(db, repository.model.clone()).await?.parents;
    let license = policies
        .licenses()
        .get(&repository.model.license)
        .map(AsRef::as_ref);
    let files = repository.files.iter();
    let siblings: Vec<Value> = files.map(|file| json!({ "rfilename": file.path })).collect();
    let imported = repository.revision.imported_at.format(&Rfc3339);
    let imported = imported.map_err(Problem::internal)?;
    let name = &repository.model.name;
    Ok(ok(json!({
        "_id": name, "id": name, "modelId": name, "author": author(name.as_str()),
        "sha": repository.commit(), "private": false, "disabled": false,
        "gated": gated(terms.purposes.get(&purpose)),
        "lastModified": imported, "createdAt": imported, "usedStorage": repository.revision.bytes,
        "tags": tags(&repository.model), "siblings": siblings,
        "cardData": card(&repository.model, license, &parents),
    })))
}

/// Whether something must happen before files are given out, in these clients' words.
pub(super) fn gated(purpose: Option<&EffectivePurpose>) -> Value {
    let Some(purpose) = purpose.filter(|purpose| purpose.permission == Permission::Permitted) else {
        return "manual".into();
    };
    let asked = purpose.asked();
    match asked.contains(&Condition::Review) {
        true => "manual".into(),
        false if asked.is_empty() => false.into(),
        false => "auto".into(),
    }
}

pub(super) fn author(name: &str) -> &str {
    name.split('/').next().unwrap_or_default()
}

pub(super) fn tags(model: &Model) -> Vec<String> {
    let family = model.card.family.clone();
    let license = format!("license:{}", model.license);
    family.into_iter().chain([license]).collect()
}

fn card(model: &Model, license: Option<&License>, parents: &[LineageEdge]) -> Value {
    let bases: Vec<&str> = parents.iter().map(|edge| edge.parent.as_str()).collect();
    let relation = parents.first().map(|edge| edge.relation.as_str());
    let mut card = match license.and_then(|license| license.spdx.as_deref()) {
        Some(spdx) => json!({ "license": spdx.to_lowercase() }),
        None => json!({
            "license": "other", "license_name": model.license,
            "license_link": license.map_or(model.license_source.as_str(), |license| &license.source),
        }),
    };
    if !bases.is_empty() {
        card["base_model"] = json!(bases);
        card["base_model_relation"] = json!(relation);
    }
    card
}

/// The names of revisions: there is one line of them.
pub(super) async fn refs(
    caller: Authenticated,
    named: Path<Named>,
    db: Data<Db>,
    policies: Data<CurrentPolicies>,
) -> Result<HttpResponse, Problem> {
    caller.may(Act::ReadCatalogue)?;
    let repository = Repository::open(&db, &policies.get(), &named, NEWEST).await?;
    let main = json!({ "name": NEWEST, "ref": "refs/heads/main", "targetCommit": repository.commit() });
    Ok(ok(json!({ "branches": [main], "tags": [], "converts": [] })))
}
