//! `PUT /v1/batches/{batch}/documents/{document_name}`: a document under a name, as `curl -T` sends it.

use super::{
    batches::{no_batch, refused},
    documents::{DocumentView, body, not_taken},
    places::Places,
};
use crate::{
    caller::Authenticated, multipart::media_type, problem::Problem, removed_files::are_back,
    work_settings::WorkSettings,
};
use actix_web::{
    HttpRequest, HttpResponse,
    web::{self, Data, Path, Payload, Query},
};
use domain::{
    access::Act,
    clock::SharedClock,
    document::usual_media_type,
    id::{BatchId, IdMaker},
};
use exchange::blobs::Blobs;
use percent_encoding::percent_decode_str;
use records::{Db, Stamp, batches, documents};
use serde::Deserialize;

/// The paths of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config.route(
        "/v1/batches/{batch}/documents/{document_name}",
        web::put().to(put),
    );
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    questions: Option<Places>,
}

#[expect(
    clippy::too_many_arguments,
    reason = "a handler names each piece that it uses"
)]
async fn put(
    caller: Authenticated,
    path: Path<(BatchId, String)>,
    query: Query<Asked>,
    request: HttpRequest,
    payload: Payload,
    db: Data<Db>,
    blobs: Data<dyn Blobs>,
    ids: Data<IdMaker>,
    clock: Data<SharedClock>,
    settings: Data<WorkSettings>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::SubmitBatch)?;
    let (batch, _) = path.into_inner();
    // Before the body is read: a batch that takes nothing costs nobody an upload.
    let known = batches::get(&db, &caller.tenant, batch).await?;
    let known = known.ok_or_else(no_batch)?;
    known.state.takes_documents().map_err(refused)?;
    let questions = query.into_inner().questions.map(Places::checked).transpose()?;
    let name = name(request.uri().path())?;
    let mut media_type = media_type(&request);
    if media_type.is_empty() {
        media_type = usual_media_type(&name).to_owned();
    }
    let mut new = body(
        blobs.get_ref(),
        &settings,
        &request,
        payload,
        &media_type,
        Some(name),
    )
    .await?;
    new.questions = questions;
    let stamp = Stamp::of(&ids, clock.now(), caller);
    let most = settings.most_documents;
    let mut put = documents::put(&db, stamp, &caller.tenant, batch, &new, most).await;
    if are_back(&db, blobs.get_ref(), &put).await? {
        put = documents::put(&db, stamp, &caller.tenant, batch, &new, most).await;
    }
    let put = put?.ok_or_else(no_batch)?.map_err(not_taken)?;
    let mut response = match put.is_new {
        true => HttpResponse::Created(),
        false => HttpResponse::Ok(),
    };
    Ok(response.json(DocumentView::of(put.document)))
}

/// The name that ends a path. What is no UTF-8 is not guessed at: two names would be one. Problem: 400
/// `document_name_malformed`.
fn name(path: &str) -> Result<String, Problem> {
    let last = path.rsplit('/').next().unwrap_or_default();
    let decoded = percent_decode_str(last).decode_utf8();
    let name = decoded.map_err(|_| {
        let detail = "the document's name at the end of the path is percent-encoded UTF-8";
        Problem::bad_request("document_name_malformed", detail)
    })?;
    Ok(name.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_end_of_the_path_in_utf8() {
        let read = |path: &str| name(path).map_err(|problem| problem.code().to_owned());
        for (path, wanted) in [
            ("/v1/batches/b/documents/a.pdf", "a.pdf"),
            ("/%E5%90%88%E5%90%8C%20(1).pdf", "合同 (1).pdf"),
            ("/a+b%2Bc%25.pdf", "a+b+c%.pdf"),
            ("/folder%2Fa.pdf", "folder/a.pdf"),
            ("/合同.pdf", "合同.pdf"),
        ] {
            assert_eq!(read(path).as_deref(), Ok(wanted));
        }
        // The same name in GBK.
        assert_eq!(read("/%BA%CF%CD%AC.pdf"), Err("document_name_malformed".into()));
    }
}
