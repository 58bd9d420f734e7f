//! Who asks, and whether the gate lets it have a model's files.

use super::purposed::Purposed;
use crate::{
    api::models::{Named, find},
    app::ok,
    caller::Authenticated,
    gate,
    problem::Problem,
};
use actix_web::{
    HttpResponse,
    web::{Data, Path},
};
use domain::{access::Act, clock::SharedClock, id::IdMaker, policy::CurrentPolicies};
use records::Db;
use serde_json::json;

/// `/hf/api/whoami-v2`.
pub(super) async fn whoami(caller: Authenticated) -> HttpResponse {
    let caller = caller.itself();
    ok(json!({
        "type": "user", "id": caller.member, "name": caller.member, "fullname": caller.member,
        "isPro": false, "canPay": false,
        "orgs": [{ "type": "org", "id": caller.tenant, "name": caller.tenant, "fullname": caller.tenant }],
        "auth": { "type": "access_token", "accessToken": { "displayName": "glmhub", "role": "read" } },
    }))
}

/// `/hf/api/models/{owner}/{name}/auth-check`: a decision about the newest revision.
pub(super) async fn may_download(
    caller: Authenticated,
    named: Path<Named>,
    purposed: Purposed,
    db: Data<Db>,
    policies: Data<CurrentPolicies>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
) -> Result<HttpResponse, Problem> {
    let purpose = purposed.of(&caller);
    let caller = caller.may(Act::ReadCatalogue)?;
    let model = find(&db, &named).await?;
    let wanted = gate::Wanted::model(&model.name, None, purpose);
    gate::ask(&db, &policies, &ids, clock.now(), caller, wanted).await?;
    Ok(ok(json!({})))
}
