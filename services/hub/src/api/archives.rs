//! `/v1/models/{owner}/{name}/revisions/{sha256}/archive`: a model's files, never without what must go along.
//!
//! A file by itself could not carry the terms that its license obliges to pass on, so files are given out as archives
//! only, also where one file is all that is wanted.

use super::models::{Named, find};
use crate::{
    archive::{self, Content, Member},
    caller::Authenticated,
    gate,
    going_along::{self, NOTICE, Text},
    problem::Problem,
};
use actix_web::{
    HttpResponse,
    http::header::{CACHE_CONTROL, ContentDisposition, DispositionParam, DispositionType},
    web::{self, Data, Path, Query},
};
use domain::{
    access::Act, bundle, clock::SharedClock, digest::Sha256, gate::Allowed, id::IdMaker, model::Artifact,
    policy::CurrentPolicies, purpose::Purpose,
};
use exchange::blobs::Blobs;
use records::{Db, Stamp, models};
use serde::Deserialize;

/// The paths of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route(
            "/v1/models/{model}/revisions/{sha256}/archive",
            web::get().to(get),
        )
        .route(
            "/v1/models/{owner}/{name}/revisions/{sha256}/archive",
            web::get().to(get),
        );
}

#[derive(Deserialize)]
struct Revised {
    sha256: Sha256,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    purpose: Purpose,
    path: Option<String>,
}

#[expect(
    clippy::too_many_arguments,
    reason = "a handler names each piece that it uses"
)]
async fn get(
    caller: Authenticated,
    named: Path<Named>,
    revised: Path<Revised>,
    query: Query<Wanted>,
    db: Data<Db>,
    blobs: Data<dyn Blobs>,
    policies: Data<CurrentPolicies>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::ReadCatalogue)?;
    let model = find(&db, &named).await?;
    let found = models::revision(&db, &model.name, &revised.sha256).await?;
    let revision = found.ok_or_else(|| Problem::not_found("revision"))?;
    let Wanted { purpose, path } = query.into_inner();
    let artifacts = chosen(
        models::revision_artifacts(&db, &revision.sha256).await?,
        path.as_deref(),
    )?;
    let now = clock.now();
    let wanted = gate::Wanted::model(&model.name, Some(&revision.sha256), purpose);
    let allowed = gate::ask(&db, &policies, &ids, now, caller, wanted).await?;
    let texts = going_along::texts(&db, &policies.get(), &revision).await?;
    let members = members(&allowed, texts, &artifacts);
    models::record_download(&db, Stamp::of(&ids, now, caller), &allowed, artifacts.len()).await?;
    Ok(headed(&allowed).streaming(archive::stream(members, blobs.into_inner())))
}

/// The artifacts at `path` or below it; all, if no path is named.
fn chosen(artifacts: Vec<Artifact>, path: Option<&str>) -> Result<Vec<Artifact>, Problem> {
    let Some(path) = path else { return Ok(artifacts) };
    let below = format!("{}/", path.trim_end_matches('/'));
    let chosen: Vec<Artifact> = artifacts
        .into_iter()
        .filter(|artifact| artifact.path == path || artifact.path.starts_with(&below))
        .collect();
    match chosen.is_empty() {
        true => Err(Problem::not_found("file in this revision")),
        false => Ok(chosen),
    }
}

/// Notice and terms first, so that they are there whatever is cut off.
fn members(allowed: &Allowed, texts: Vec<Text>, artifacts: &[Artifact]) -> Vec<Member> {
    let texts = texts.into_iter().map(|text| Member {
        content: Content::Text(match text.path == NOTICE {
            true => format!("{}\n{}", bundle::given_out(allowed), text.text),
            false => text.text,
        }),
        path: text.path,
    });
    let files = artifacts.iter().map(|artifact| Member {
        path: format!("model/{}", artifact.path),
        content: Content::Blob(artifact.sha256),
    });
    texts.chain(files).collect()
}

/// The response's head: what must be shown, and the decision behind it.
fn headed(allowed: &Allowed) -> actix_web::HttpResponseBuilder {
    let name = format!(
        "{}-{}.zip",
        allowed.model().name(),
        &allowed.revision_sha256().to_string()[..12]
    );
    let disposition = ContentDisposition {
        disposition: DispositionType::Attachment,
        parameters: vec![DispositionParam::Filename(name)],
    };
    let mut response = HttpResponse::Ok();
    response
        .content_type("application/zip")
        .insert_header(disposition)
        .insert_header((CACHE_CONTROL, "private, no-store"));
    going_along::say_notices(&mut response, allowed);
    response
}
