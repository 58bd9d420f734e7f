//! The files of a repository: how they lie, and their bytes.

use super::{
    info::Revised,
    purposed::Purposed,
    repository::{Held, NO_FILE, Repository},
};
use crate::{
    api::models::Named, app::ok, byte_range::Part, caller::Authenticated, gate, going_along,
    handing_out::elsewhere, problem::Problem,
};
use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    body::SizedStream,
    http::{
        Method, StatusCode,
        header::{ACCEPT_RANGES, CACHE_CONTROL, CONTENT_RANGE, CONTENT_TYPE, ETAG},
    },
    web::{Data, Path},
};
use domain::{access::Act, clock::SharedClock, gate::Allowed, id::IdMaker, policy::CurrentPolicies};
use exchange::blobs::{self, Blobs, ByteStream, Linked};
use records::{Db, Stamp, models};
use serde::Deserialize;
use serde_json::{Value, json};

/// What files are told to be.
const MEDIA_TYPE: &str = "application/octet-stream";

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
    let purpose = purposed.of(&caller);
    let caller = caller.may(Act::ReadCatalogue)?;
    let (named, revised, placed) = paths;
    let repository = Repository::open(&db, &policies.get(), &named, &revised.revision).await?;
    let file = repository.file(&placed.path)?;
    let now = clock.now();
    let wanted = gate::Wanted::model(&repository.model.name, Some(&repository.revision.sha256), purpose);
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
    let given = given(&**blobs, file, &part).await?;
    models::record_download(&db, Stamp::of(&ids, now, caller), &allowed, 1).await?;
    Ok(match given {
        Given::Here(content) => respond(&repository, &allowed, &etag, &part, content),
        Given::Elsewhere(lead) => led(lead, &repository, &allowed, &etag, file),
    })
}

/// How somebody gets a part of a file.
enum Given {
    Here(ByteStream),
    /// From the store itself, which understands the request's range.
    Elsewhere(HttpResponseBuilder),
}

/// A part of a file: a link to it, or its bytes. A whole blob is found whole by the store, since these clients do not hash
/// what they get.
async fn given(blobs: &dyn Blobs, file: &Held, part: &Part) -> Result<Given, Problem> {
    if let Some(text) = &file.text {
        return Ok(Given::Here(blobs::one_piece(part.of(text.clone()))));
    }
    let linked = Linked {
        media_type: MEDIA_TYPE.into(),
        disposition: "attachment".into(),
    };
    if let Some(lead) = elsewhere(blobs, file.sha256, &linked).await? {
        return Ok(Given::Elsewhere(lead));
    }
    let content = match part.whole() {
        true => blobs.get_whole(file.sha256).await,
        false => {
            let content = blobs.get_part(file.sha256, part.range()).await;
            content.map(|content| part.beginning(content))
        }
    };
    Ok(Given::Here(content.map_err(Problem::internal)?))
}

/// What these clients look for where they are led elsewhere.
fn led(
    mut lead: HttpResponseBuilder,
    repository: &Repository,
    allowed: &Allowed,
    etag: &str,
    file: &Held,
) -> HttpResponse {
    lead.insert_header(("x-repo-commit", repository.commit()))
        .insert_header(("x-linked-etag", etag))
        .insert_header(("x-linked-size", file.bytes));
    going_along::say_notices(&mut lead, allowed);
    lead.finish()
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
        .insert_header((CONTENT_TYPE, MEDIA_TYPE))
        .insert_header((ACCEPT_RANGES, "bytes"))
        .insert_header((CACHE_CONTROL, "private, no-store"))
        .insert_header((ETAG, etag))
        .insert_header(("x-repo-commit", repository.commit()));
    going_along::say_notices(&mut response, allowed);
    response.body(SizedStream::new(part.bytes(), content))
}
