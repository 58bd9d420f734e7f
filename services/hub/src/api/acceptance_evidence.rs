//! `/v1/acceptances/{acceptance}/evidence`: files that show that signer and registration are real.
//!
//! They come from outside and are read by reviewers.

use super::{acceptance_problems::no_acceptance, acceptances::scope};
use crate::{
    acceptance_settings::AcceptanceSettings,
    app::ok,
    caller::Authenticated,
    handing_out::HandedOut,
    idempotency::Once,
    multipart::{checked_name, media_type},
    problem::Problem,
    uploads,
};
use actix_web::{
    HttpRequest, HttpResponse,
    web::{self, Data, Path, Payload, Query},
};
use domain::{
    acceptance::{Evidence, EvidenceRefusal, Judge},
    access::Act,
    clock::SharedClock,
    digest::Sha256,
    id::{AcceptanceId, IdMaker},
};
use exchange::blobs::Blobs;
use records::{
    Db, Stamp,
    acceptances::{self, evidence},
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// The paths of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/v1/acceptances/{acceptance}/evidence", web::post().to(add))
        .route("/v1/acceptances/{acceptance}/evidence", web::get().to(list))
        .route(
            "/v1/acceptances/{acceptance}/evidence/{sha256}",
            web::get().to(get),
        );
}

/// A file of evidence in JSON.
#[derive(Serialize)]
struct EvidenceView {
    sha256: Sha256,
    name: Option<String>,
    media_type: String,
    bytes: u64,
    by: Judge,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
}

impl From<Evidence> for EvidenceView {
    fn from(evidence: Evidence) -> Self {
        Self {
            sha256: evidence.sha256,
            name: evidence.name,
            media_type: evidence.media_type,
            bytes: evidence.bytes,
            by: evidence.by,
            at: evidence.at,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: Option<String>,
}

#[expect(
    clippy::too_many_arguments,
    reason = "a handler names each piece that it uses"
)]
async fn add(
    caller: Authenticated,
    path: Path<AcceptanceId>,
    query: Query<Named>,
    request: HttpRequest,
    payload: Payload,
    once: Once,
    db: Data<Db>,
    blobs: Data<dyn Blobs>,
    settings: Data<AcceptanceSettings>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::AcceptTerms)?;
    let (media_type, most) = (media_type(&request), settings.most_evidence_files);
    // Before the body is read: an acceptance that takes nothing costs nobody an upload.
    let entry = acceptances::entry(&db, Some(&caller.tenant), *path).await?;
    let entry = entry.ok_or_else(no_acceptance)?;
    // One more is let through: it may be one that is there already.
    entry
        .acceptance
        .takes_evidence(clock.now(), entry.evidence_files, most.saturating_add(1))
        .map_err(not_taken)?;
    if !settings.takes(&media_type) {
        return Err(uploads::wrong_type(&media_type, &settings.evidence_media_types));
    }
    let name = checked_name(query.into_inner().name)?;
    let stored = uploads::store(blobs.get_ref(), settings.most_evidence_bytes, payload).await?;
    let at = clock.now();
    let new = Evidence {
        sha256: stored.sha256,
        name,
        media_type,
        bytes: stored.bytes,
        by: Judge::from(caller),
        at,
    };
    let stamp = Stamp::of(&ids, at, caller).under(once.claim());
    let added = evidence::add(&db, stamp, &caller.tenant, *path, new, most).await?;
    let evidence = added.ok_or_else(no_acceptance)?.map_err(not_taken)?;
    Ok(HttpResponse::Created().json(EvidenceView::from(evidence)))
}

fn not_taken(refusal: EvidenceRefusal) -> Problem {
    let detail = refusal.to_string();
    match refusal {
        EvidenceRefusal::Settled(_) => Problem::conflict("acceptance_state", detail),
        EvidenceRefusal::TooMany { most } => {
            Problem::conflict("too_many_files", format!("{detail}; put them together")).with("limit", most)
        }
    }
}

async fn list(
    caller: Authenticated,
    path: Path<AcceptanceId>,
    db: Data<Db>,
) -> Result<HttpResponse, Problem> {
    let scope = scope(&caller)?;
    acceptances::entry(&db, scope, *path)
        .await?
        .ok_or_else(no_acceptance)?;
    let files = evidence::list(&db, scope, *path).await?;
    let data: Vec<EvidenceView> = files.into_iter().map(EvidenceView::from).collect();
    Ok(ok(serde_json::json!({ "data": data, "next": null })))
}

async fn get(
    caller: Authenticated,
    path: Path<(AcceptanceId, Sha256)>,
    db: Data<Db>,
    blobs: Data<dyn Blobs>,
) -> Result<HttpResponse, Problem> {
    let scope = scope(&caller)?;
    let (acceptance, sha256) = path.into_inner();
    let found = evidence::get(&db, scope, acceptance, sha256).await?;
    let evidence = found.ok_or_else(|| Problem::not_found("file of evidence"))?;
    let handed = HandedOut {
        name: evidence.name.unwrap_or_else(|| sha256.to_string()),
        media_type: evidence.media_type,
        bytes: evidence.bytes,
    };
    handed.respond(blobs.get_ref(), sha256).await
}
