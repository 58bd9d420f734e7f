//! The files of a repository: how they lie, and their bytes.

use super::{
    info::Revised,
    purposed::Purposed,
    repository::{Held, NO_FILE, Repository},
};
use crate::{
    api::models::Named, app::ok, byte_range::Part, caller::Authenticated, gate, going_along, problem::Problem,
};
use actix_web::{
    HttpRequest, HttpResponse,
    body::SizedStream,
    http::{
        Method, StatusCode,
        header::{ACCEPT_RANGES, CACHE_CONTROL, CONTENT_RANGE, CONTENT_TYPE, ETAG},
    },
    web::{Data, Path},
};
use domain::{
    access::Act, batch::Metadata, clock::SharedClock, gate::Allowed, id::IdMaker, policy::CurrentPolicies,
};
use exchange::blobs::{self, Blobs, ByteStream};
use records::{Db, Stamp, models};
use serde::Deserialize;
use serde_json::{Value, json};

/// The file, or the folder, that a path names.
#[derive(Deserialize)]
pub(super) struct Placed {
    path: String,
}

pub(super) async fn tree(
    caller: Authenticated,
    named: Path<Named>,
    revised: Path<Revised>,
    db: Data<Db>,
    policies: Data<CurrentPolicies>,
) -> Result<HttpResponse, Problem> {
    caller.may(Act::ReadCatalogue)?;
    let repository = Repository::open(&db, &policies.get(), &named, &revised.revision).await?;
    Ok(ok(repository.files.iter().map(leaf).collect::<Vec<_>>()))
}

/// What lies in one folder and below.
pub(super) async fn tree_below(
    caller: Authenticated,
    named: Path<Named>,
    revised: Path<Revised>,
    placed: Path<Placed>,
    db: Data<Db>,
    policies: Data<CurrentPolicies>,
) -> Result<HttpResponse, Problem> {
    caller.may(Act::ReadCatalogue)?;
    let repository = Repository::open(&db, &policies.get(), &named, &revised.revision).await?;
    let folder = format!("{}/", placed.path.trim_end_matches('/'));
    let below = repository
        .files
        .iter()
        .filter(|file| file.path.starts_with(&folder));
    let leaves: Vec<Value> = below.map(leaf).collect();
    match leaves.is_empty() {
        true => Err(Problem::new(
            StatusCode::NOT_FOUND,
            NO_FILE,
            format!("there is no folder {}", placed.path),
        )),
        false => Ok(ok(leaves)),
    }
}

/// A file in a tree. Clients are told the digest as they are told that of a large file, which is by SHA-256.
fn leaf(file: &Held) -> Value {
    json!({
        "type": "file", "path": file.path, "size": file.bytes, "oid": file.sha256.to_string()[..40],
        "lfs": { "oid": file.sha256, "size": file.bytes, "pointerSize": 0 },
    })
}

/// `/hf/{owner}/{name}/resolve/{revision}/{path}`: one file, by a decision of the gate.
#[expect(
    clippy::too_many_arguments,
    reason = "a handler names each piece that it uses"
)]
pub(super) async fn resolve(
    caller: Authenticated,
    request: HttpRequest,
    paths: (Path<Named>, Path<Revised>, Path<Placed>),
    purposed: Purposed,
    db: Data<Db>,
    blobs: Data<dyn Blobs>,
    policies: Data<CurrentPolicies>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::ReadCatalogue)?;
    let (named, revised, placed) = paths;
    let repository = Repository::open(&db, &policies.get(), &named, &revised.revision).await?;
    let file = repository.file(&placed.path)?;
    let now = clock.now();
    let wanted = gate::Wanted {
        model: &repository.model.name,
        revision: Some(&repository.revision.sha256),
        purpose: purposed.0,
        metadata: &Metadata::new(),
    };
    let allowed = gate::ask(&db, &policies, &ids, now, caller, wanted).await?;
    let etag = format!("\"{}\"", file.sha256);
    let Some(part) = Part::asked(&request, file.bytes, &etag) else {
        return Ok(HttpResponse::RangeNotSatisfiable()
            .insert_header((CONTENT_RANGE, format!("bytes */{}", file.bytes)))
            .finish());
    };
    if request.method() == Method::HEAD {
        let nothing: ByteStream = Box::pin(futures_util::stream::empty());
        return Ok(respond(&repository, &allowed, &etag, &part, nothing));
    }
    let content = content(&**blobs, file, &part).await?;
    models::record_download(&db, Stamp::of(&ids, now, caller), &allowed, 1).await?;
    Ok(respond(&repository, &allowed, &etag, &part, content))
}

/// The bytes of a part of a file. A whole blob is hashed on its way, since these clients do not hash what they get.
async fn content(blobs: &dyn Blobs, file: &Held, part: &Part) -> Result<ByteStream, Problem> {
    if let Some(text) = &file.text {
        return Ok(blobs::one_piece(part.of(text.clone())));
    }
    match part.whole() {
        true => {
            let bytes = blobs.get(file.sha256).await.map_err(Problem::internal)?;
            Ok(blobs::verified(bytes, file.sha256))
        }
        false => {
            let rest = blobs.get_from(file.sha256, part.first()).await;
            Ok(part.beginning(rest.map_err(Problem::internal)?))
        }
    }
}

fn respond(
    repository: &Repository,
    allowed: &Allowed,
    etag: &str,
    part: &Part,
    content: ByteStream,
) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    if let Some(range) = part.content_range() {
        response
            .status(StatusCode::PARTIAL_CONTENT)
            .insert_header((CONTENT_RANGE, range));
    }
    response
        .insert_header((CONTENT_TYPE, "application/octet-stream"))
        .insert_header((ACCEPT_RANGES, "bytes"))
        .insert_header((CACHE_CONTROL, "private, no-store"))
        .insert_header((ETAG, etag))
        .insert_header(("x-repo-commit", repository.commit()));
    going_along::say_notices(&mut response, allowed);
    response.body(SizedStream::new(part.bytes(), content))
}
