//! `/openai/v1/models`: the models that can be asked here, in OpenAI's form.

use crate::{
    api::models::{Named, find},
    app::ok,
    caller::Authenticated,
    catalogue::{Narrowed, browse},
    gate,
    problem::Problem,
};
use actix_web::{
    HttpResponse,
    web::{Data, Path},
};
use domain::{
    access::Act,
    names::{LicenseName, ModelName},
    policy::CurrentPolicies,
};
use records::{
    Db,
    models::{self, Entry, Wanted},
};
use serde::Serialize;
use serde_json::json;

/// How many are read at a time.
const PORTION: usize = 100;

/// A model in OpenAI's form.
#[derive(Serialize)]
struct ModelView {
    object: &'static str,
    created: i64,
    owned_by: String,
    license: LicenseName,
    id: ModelName,
}

impl ModelView {
    /// Nothing for a model without weights on this hub.
    fn of(entry: Entry) -> Option<Self> {
        let revision = entry.revision?;
        let name = entry.model.name;
        Some(Self {
            object: "model",
            created: revision.imported_at.unix_timestamp(),
            owned_by: name.as_str().split('/').next().unwrap_or_default().to_owned(),
            license: entry.model.license,
            id: name,
        })
    }
}

/// OpenAI's clients read no further than one answer, so all of them are in it.
pub(super) async fn list(
    caller: Authenticated,
    db: Data<Db>,
    policies: Data<CurrentPolicies>,
) -> Result<HttpResponse, Problem> {
    caller.may(Act::ReadCatalogue)?;
    let policies = policies.get();
    let (mut data, mut after) = (Vec::new(), None);
    loop {
        let all = (Wanted::default(), Narrowed::default());
        let portion = browse(&db, policies.licenses(), &all.0, all.1, after, PORTION).await?;
        data.extend(portion.entries.into_iter().filter_map(ModelView::of));
        after = portion.next;
        if after.is_none() {
            return Ok(ok(json!({ "object": "list", "data": data })));
        }
    }
}

/// The slash of a name may be encoded.
pub(super) async fn get(
    caller: Authenticated,
    path: Path<Named>,
    db: Data<Db>,
) -> Result<HttpResponse, Problem> {
    caller.may(Act::ReadCatalogue)?;
    let model = find(&db, &path).await?;
    let name = model.name.clone();
    match ModelView::of(models::entry(&db, model).await?) {
        Some(view) => Ok(ok(view)),
        None => Err(gate::not_imported(&name)),
    }
}
