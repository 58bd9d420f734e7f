//! `/hf/api/models`: the models whose files are here.

use super::{
    info::{author, gated, tags},
    purposed::Purposed,
    repository::commit,
};
use crate::{
    caller::Authenticated,
    catalogue::{self, Narrowed},
    problem::Problem,
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::header::LINK,
    web::{Data, Query},
};
use domain::{access::Act, names::ModelName, policy::CurrentPolicies};
use records::{Db, models::Wanted};
use serde::Deserialize;
use serde_json::{Value, json};

/// How many are told at once, if nothing is said, and at most.
const MOST: usize = 100;

/// What the list is narrowed by. Clients send more, about which nothing is known here.
#[derive(Deserialize)]
pub(super) struct Listing {
    author: Option<String>,
    search: Option<String>,
    limit: Option<usize>,
    cursor: Option<ModelName>,
}

/// One portion. Models without files here are left out, so it may be shorter than it could be.
pub(super) async fn list(
    caller: Authenticated,
    request: HttpRequest,
    query: Query<Listing>,
    purposed: Purposed,
    db: Data<Db>,
    policies: Data<CurrentPolicies>,
) -> Result<HttpResponse, Problem> {
    caller.may(Act::ReadCatalogue)?;
    let purpose = purposed.of(&caller);
    let policies = policies.get();
    let query = query.into_inner();
    let limit = query.limit.unwrap_or(MOST).clamp(1, MOST);
    let wanted = Wanted {
        text: query.search.clone(),
        ..Wanted::default()
    };
    let licenses = policies.licenses();
    let all = Narrowed::default();
    let portion = catalogue::browse(&db, licenses, &wanted, all, query.cursor.clone(), limit).await?;
    let mut told = Vec::new();
    for entry in portion.entries {
        let name = &entry.model.name;
        let is_wanted = query
            .author
            .as_deref()
            .is_none_or(|wanted| author(name.as_str()) == wanted);
        let Some(revision) = entry.revision.as_ref().filter(|_| is_wanted) else {
            continue;
        };
        let terms = catalogue::terms(&db, licenses, name).await?;
        told.push(json!({
            "_id": name, "id": name, "modelId": name, "author": author(name.as_str()),
            "sha": commit(revision), "private": false, "tags": tags(&entry.model),
            "gated": gated(terms.purposes.get(&purpose)),
        }));
    }
    let mut response = HttpResponse::Ok();
    if let Some(next) = portion.next {
        response.insert_header((
            LINK,
            format!("<{}>; rel=\"next\"", page(&request, &query, limit, &next)?),
        ));
    }
    Ok(response.json(Value::Array(told)))
}

/// Where the next portion is.
fn page(request: &HttpRequest, query: &Listing, limit: usize, next: &ModelName) -> Result<String, Problem> {
    let connection = request.connection_info();
    let here = format!(
        "{}://{}{}",
        connection.scheme(),
        connection.host(),
        request.path()
    );
    let mut page = url::Url::parse(&here).map_err(Problem::internal)?;
    let mut pairs = page.query_pairs_mut();
    for (name, value) in [("author", &query.author), ("search", &query.search)] {
        if let Some(value) = value {
            pairs.append_pair(name, value);
        }
    }
    pairs.append_pair("limit", &limit.to_string());
    pairs.append_pair("cursor", next.as_str());
    drop(pairs);
    Ok(page.into())
}
