//! `/v1/jobs/{job}/provenance` and `/v1/jobs/{job}/proof`: where an answer came from, and what proves it.

use crate::{
    app::ok,
    archive,
    caller::Authenticated,
    problem::Problem,
    proving::{self, ProvingError},
};
use actix_web::{
    HttpResponse,
    http::header::{CACHE_CONTROL, ContentDisposition, DispositionParam, DispositionType},
    web::{self, Data, Path},
};
use domain::{access::Act, id::JobId};
use exchange::{blobs::Blobs, signing::SigningKey};
use records::Db;

/// The paths of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/v1/jobs/{job}/provenance", web::get().to(provenance))
        .route("/v1/jobs/{job}/proof", web::get().to(proof));
}

async fn provenance(
    caller: Authenticated,
    path: Path<JobId>,
    db: Data<Db>,
    key: Data<SigningKey>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::ReadBatch)?;
    let envelope = proving::provenance(&db, &key, &caller.tenant, *path).await?;
    Ok(ok(envelope))
}

async fn proof(
    caller: Authenticated,
    path: Path<JobId>,
    db: Data<Db>,
    key: Data<SigningKey>,
    blobs: Data<dyn Blobs>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::ReadBatch)?;
    let members = proving::bundle(&db, &key, &caller.tenant, *path).await?;
    let disposition = ContentDisposition {
        disposition: DispositionType::Attachment,
        parameters: vec![DispositionParam::Filename(format!("{path}-proof.zip"))],
    };
    Ok(HttpResponse::Ok()
        .content_type("application/zip")
        .insert_header(disposition)
        .insert_header((CACHE_CONTROL, "private, no-store"))
        .streaming(archive::stream(members, blobs.into_inner())))
}

impl From<ProvingError> for Problem {
    fn from(error: ProvingError) -> Self {
        let told = error.to_string();
        match error {
            ProvingError::NoJob => Problem::not_found("job"),
            ProvingError::NoAnswer => Problem::conflict("job_unanswered", told),
            ProvingError::GrantNotKept => Problem::conflict("grant_not_kept", told),
            ProvingError::NotSealed => Problem::unavailable("audit_unsealed", told, 1),
            ProvingError::Records(error) => error.into(),
            other => Problem::internal(other),
        }
    }
}
