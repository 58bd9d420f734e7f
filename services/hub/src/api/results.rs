//! `/v1/batches/{batch}/results`: what became of every row, in the form that the client wants.

use super::{
    batches::no_batch,
    paging::{Listed, Paging},
    row_view::{CountsView, ResultView},
};
use crate::{
    app::ok,
    caller::Authenticated,
    problem::Problem,
    results::{
        Results,
        form::{Form, Word},
    },
};
use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{
        StatusCode,
        header::{
            ACCEPT, Accept, CACHE_CONTROL, ContentDisposition, DispositionParam, DispositionType,
            Header as _, HeaderValue, VARY,
        },
    },
    web::{self, Data, Path, Query},
};
use domain::{
    access::Act,
    batch::StoredBatch,
    id::BatchId,
    rows::{RowCounts, RowId},
};
use records::{
    Db, batches,
    rows::{self, Place},
};
use serde::{Deserialize, Serialize};

/// The paths of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config.route("/v1/batches/{batch}/results", web::get().to(get));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    format: Option<Word>,
    #[serde(default)]
    bom: bool,
    after: Option<RowId>,
    limit: Option<u32>,
}

/// A page of rows, with what all of them came to.
#[derive(Serialize)]
struct Told {
    batch: BatchId,
    state: &'static str,
    #[serde(flatten)]
    counts: CountsView,
    #[serde(flatten)]
    page: Listed<ResultView>,
}

async fn get(
    caller: Authenticated,
    path: Path<BatchId>,
    query: Query<Wanted>,
    request: HttpRequest,
    db: Data<Db>,
) -> Result<HttpResponse, Problem> {
    let caller = caller.may(Act::ReadBatch)?;
    let wanted = query.into_inner();
    let form = form(&request, &wanted)?;
    let batch = batches::get(&db, &caller.tenant, *path)
        .await?
        .ok_or_else(no_batch)?;
    let questions = batches::questions(&db, &caller.tenant, *path).await?;
    let place = place(&db, &batch, wanted.after).await?;
    let counts = rows::counts(&db, &batch).await?;
    let results = Results {
        db: Db::clone(&db),
        batch,
        questions,
    };
    match form {
        Form::Json => page(&results, counts, place, wanted.limit).await,
        streamed => {
            let mut response = headed(&results.batch, streamed);
            Ok(response.streaming(results.stream(place, streamed)))
        }
    }
}

/// The form that the query names, or else the header. Problems: 406 `not_acceptable`, 400 `query_malformed` where the query
/// says what its form has not.
fn form(request: &HttpRequest, wanted: &Wanted) -> Result<Form, Problem> {
    let form = match wanted.format {
        Some(word) => word.into(),
        None if request.headers().contains_key(ACCEPT) => accepted(request)?,
        None => Form::Json,
    };
    let wrong = |detail: &str| Err(Problem::bad_request("query_malformed", detail));
    match form {
        Form::Csv { .. } if wanted.limit.is_none() => Ok(Form::Csv { with_bom: wanted.bom }),
        _ if wanted.bom => wrong("only CSV may begin with a byte order mark"),
        Form::Lines { .. } if wanted.limit.is_none() => Ok(form),
        Form::Json => Ok(form),
        _ => wrong("limit is for pages of JSON; JSON lines and CSV come whole, or after a row"),
    }
}

fn accepted(request: &HttpRequest) -> Result<Form, Problem> {
    let accept = Accept::parse(request).ok();
    accept.as_ref().and_then(Form::accepted).ok_or_else(|| {
        let detail = "results come as application/json, application/jsonl (application/x-ndjson) or text/csv";
        Problem::new(StatusCode::NOT_ACCEPTABLE, "not_acceptable", detail)
    })
}

async fn place(db: &Db, batch: &StoredBatch, after: Option<RowId>) -> Result<Place, Problem> {
    let Some(after) = after else {
        return Ok(Place::START);
    };
    let found = rows::place_of(db, &batch.tenant, batch.id, after).await?;
    found.ok_or_else(|| {
        Problem::bad_request(
            "row_unknown",
            format!("the batch has no row {after} to begin after"),
        )
        .with("field", "after")
    })
}

async fn page(
    results: &Results,
    counts: RowCounts,
    place: Place,
    limit: Option<u32>,
) -> Result<HttpResponse, Problem> {
    let (_, limit) = Paging::<RowId>::new(None, limit).checked()?;
    let (rows, _) = results.after(place, limit).await?;
    Ok(ok(Told {
        batch: results.batch.id,
        state: results.batch.state.as_str(),
        counts: CountsView::of(counts),
        page: Listed::new(rows, limit, ResultView::id),
    }))
}

/// The head of a response that is streamed.
fn headed(batch: &StoredBatch, form: Form) -> HttpResponseBuilder {
    let disposition = ContentDisposition {
        disposition: DispositionType::Attachment,
        parameters: vec![DispositionParam::Filename(format!(
            "{}.{}",
            batch.id,
            form.extension()
        ))],
    };
    let mut response = HttpResponse::Ok();
    response
        .content_type(form.media_type())
        .insert_header(disposition)
        .insert_header((CACHE_CONTROL, "private, no-store"))
        .insert_header((VARY, "accept"));
    for notice in batch.license.notices() {
        if let Ok(notice) = HeaderValue::from_str(notice) {
            response.append_header(("x-attribution", notice));
        }
    }
    response
}
