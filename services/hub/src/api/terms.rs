//! `/v1/licenses/{license}/terms`: the exact texts of a license, how they differ, and publishing one.

use super::acceptance_problems::no_license;
use crate::{
    acceptance_settings::AcceptanceSettings,
    app::ok,
    caller::Authenticated,
    multipart::media_type,
    problem::Problem,
    terms_diff::{self, Version},
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE},
    },
    web::{self, Data, Path, Payload, Query},
};
use domain::{
    access::Act,
    clock::SharedClock,
    digest::Sha256,
    id::IdMaker,
    names::{LicenseName, ModelName},
    policy::CurrentPolicies,
    terms as rules,
};
use records::{Db, Stamp, terms};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// The paths of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/v1/licenses/{license}/terms", web::get().to(list))
        .route("/v1/licenses/{license}/terms", web::put().to(publish))
        .route("/v1/licenses/{license}/terms/{sha256}", web::get().to(text))
        .route("/v1/licenses/{license}/terms/{sha256}/diff", web::get().to(diff));
}

/// A text without the text itself.
#[derive(Serialize)]
struct TermsVersion {
    sha256: Sha256,
    #[serde(with = "time::serde::rfc3339")]
    seen_at: OffsetDateTime,
    /// Whether it is the license's newest: what is accepted by the name of the license.
    newest: bool,
    /// The models that it has to be accepted for by name.
    models: Vec<ModelName>,
    /// How it differs from the text before it.
    diff: Option<String>,
}

async fn list(
    caller: Authenticated,
    path: Path<LicenseName>,
    db: Data<Db>,
    policies: Data<CurrentPolicies>,
) -> Result<HttpResponse, Problem> {
    caller.may(Act::ReadCatalogue)?;
    let license = path.into_inner();
    let known = terms::of_license(&db, &license).await?;
    if known.is_empty() && policies.get().licenses().get(&license).is_none() {
        return Err(Problem::not_found("license"));
    }
    let newest = known.first().map(|known| known.sha256);
    let of_models = terms::of_models(&db, &license).await?;
    // A model that came without a text is under the license's newest.
    let models = |text: Sha256| {
        let under = of_models.iter().filter(|(_, own)| own.or(newest) == Some(text));
        under.map(|(model, _)| model.clone()).collect()
    };
    let versions = known.iter().enumerate().map(|(place, version)| TermsVersion {
        sha256: version.sha256,
        seen_at: version.seen_at,
        newest: place == 0,
        models: models(version.sha256),
        diff: known
            .get(place + 1)
            .map(|before| rules::diff_path(&license, &before.sha256, &version.sha256)),
    });
    let data: Vec<TermsVersion> = versions.collect();
    Ok(ok(serde_json::json!({ "data": data, "next": null })))
}

#[expect(
    clippy::too_many_arguments,
    reason = "a handler names each piece that it uses"
)]
async fn publish(
    caller: Authenticated,
    path: Path<LicenseName>,
    request: HttpRequest,
    payload: Payload,
    db: Data<Db>,
    policies: Data<CurrentPolicies>,
    settings: Data<AcceptanceSettings>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::PublishTerms)?;
    let license = path.into_inner();
    if policies.get().licenses().get(&license).is_none() {
        return Err(no_license(&license));
    }
    let found = media_type(&request);
    if found != "text/plain" {
        let detail = format!("{found:?} was sent; send the exact text as text/plain, in UTF-8");
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(Problem::new(status, "content_type_wrong", detail));
    }
    let text = body(payload, settings.most_terms_bytes).await?;
    let stamp = Stamp::of(&ids, clock.now(), caller);
    let published = terms::publish(&db, stamp, &caller.tenant, &license, &text).await?;
    let status = match published.new {
        true => StatusCode::CREATED,
        false => StatusCode::OK,
    };
    let body = serde_json::json!({ "license": license, "sha256": published.sha256 });
    Ok(HttpResponse::build(status).json(body))
}

async fn body(payload: Payload, most: usize) -> Result<String, Problem> {
    let bytes = payload.to_bytes_limited(most).await.map_err(|_| {
        let detail = format!("a text of terms has at most {most} bytes");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail).with("limit", most)
    })?;
    let bytes = bytes.map_err(|error| {
        let detail = format!("the upload broke off and nothing was kept: {error}");
        Problem::bad_request("upload_broken", detail)
    })?;
    rules::read(bytes.to_vec()).map_err(|error| {
        let detail = format!("{error}; send the exact text of the terms, in UTF-8");
        Problem::bad_request("terms_invalid", detail)
    })
}

/// The bytes as they came: their digest is the one in the path.
async fn text(
    caller: Authenticated,
    path: Path<(LicenseName, Sha256)>,
    db: Data<Db>,
) -> Result<HttpResponse, Problem> {
    caller.may(Act::ReadCatalogue)?;
    let (license, sha256) = path.into_inner();
    let Version { text, .. } = version(&db, &license, sha256).await?;
    Ok(immutable().body(text))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Against {
    against: Sha256,
}

/// What the text of the path changed in the text `against`.
async fn diff(
    caller: Authenticated,
    path: Path<(LicenseName, Sha256)>,
    query: Query<Against>,
    request: HttpRequest,
    db: Data<Db>,
) -> Result<HttpResponse, Problem> {
    caller.may(Act::ReadCatalogue)?;
    let (license, sha256) = path.into_inner();
    let (new, old) = (
        version(&db, &license, sha256).await?,
        version(&db, &license, query.against).await?,
    );
    let accepted = request
        .headers()
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok());
    if accepted.is_some_and(|accepted| accepted.contains("application/json")) {
        let (from, to) = (old.sha256, new.sha256);
        let hunks = aside(move || terms_diff::hunks(&old, &new)).await?;
        let body = serde_json::json!({ "license": license, "from": from, "to": to, "hunks": hunks });
        return Ok(ok(body));
    }
    let body = aside(move || terms_diff::unified(&old, &new)).await?;
    Ok(immutable().body(body))
}

/// Does work that takes long beside the threads that serve.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    web::block(work).await.map_err(Problem::internal)
}

async fn version(db: &Db, license: &LicenseName, sha256: Sha256) -> Result<Version, Problem> {
    let text = terms::text(db, license, &sha256).await?;
    let text = text.ok_or_else(|| Problem::not_found("text of terms"))?;
    Ok(Version { sha256, text })
}

/// 200 with a text that never changes.
fn immutable() -> actix_web::HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response
        .insert_header((CONTENT_TYPE, "text/plain; charset=utf-8"))
        .insert_header((CACHE_CONTROL, "private, max-age=31536000, immutable"))
        .insert_header(("vary", "accept"));
    response
}
