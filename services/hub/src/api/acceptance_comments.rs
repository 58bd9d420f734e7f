//! `/v1/acceptances/{acceptance}/comments`: what reviewers and the tenant say to each other.

use super::{
    acceptance_problems::no_acceptance,
    acceptances::scope,
    desk::Desk,
    paging::{Listed, Paging},
};
use crate::{
    acceptance_settings::AcceptanceSettings, app::ok, caller::Authenticated, idempotency::Once,
    json_object::Object, problem::Problem,
};
use actix_web::{
    HttpResponse,
    web::{self, Data, Json, Path, Query},
};
use domain::{
    acceptance::{Comment, Judge, check_comment},
    access::Act,
    id::{AcceptanceId, CommentId},
};
use records::claims::Claim;
use records::{
    Db, Stamp,
    acceptances::{self, comments},
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// The paths of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/v1/acceptances/{acceptance}/comments", web::post().to(add))
        .route("/v1/acceptances/{acceptance}/comments", web::get().to(list));
}

/// A comment in JSON.
#[derive(Serialize)]
struct CommentView {
    id: CommentId,
    by: Judge,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    text: String,
}

impl From<Comment> for CommentView {
    fn from(comment: Comment) -> Self {
        Self {
            id: comment.id,
            by: comment.by,
            at: comment.at,
            text: comment.text,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewComment {
    text: String,
}

async fn add(
    caller: Authenticated,
    path: Path<AcceptanceId>,
    Json(Object(body)): Json<Object<NewComment>>,
    desk: Desk,
    settings: Data<AcceptanceSettings>,
    once: Once,
) -> Result<HttpResponse, Problem> {
    let comment = write(&caller, *path, body.text, &desk, &settings, once.claim()).await?;
    Ok(HttpResponse::Created().json(CommentView::from(comment)))
}

/// Adds a comment of `caller` to an acceptance that it may read.
pub(crate) async fn write(
    caller: &Authenticated,
    acceptance: AcceptanceId,
    text: String,
    desk: &Desk,
    settings: &AcceptanceSettings,
    claim: Option<Claim>,
) -> Result<Comment, Problem> {
    let scope = scope(caller)?;
    let author = caller.may(Act::CommentAcceptance)?;
    check_comment(&text)
        .map_err(|error| Problem::bad_request("comment_invalid", error.to_string()).with("field", "text"))?;
    let comment = Comment {
        id: desk.ids.make(),
        by: Judge::from(author),
        at: desk.clock.now(),
        text,
    };
    let (stamp, most) = (
        Stamp::of_hub(&desk.ids, comment.at).under(claim),
        settings.most_comments,
    );
    let added = comments::add(&desk.db, stamp, scope, acceptance, comment, most).await?;
    added.ok_or_else(no_acceptance)?.map_err(|_| {
        let detail = format!("an acceptance has at most {most} comments; write to each other elsewhere");
        Problem::conflict("too_many_comments", detail).with("limit", most)
    })
}

async fn list(
    caller: Authenticated,
    path: Path<AcceptanceId>,
    query: Query<Paging<CommentId>>,
    db: Data<Db>,
) -> Result<HttpResponse, Problem> {
    let scope = scope(&caller)?;
    let (after, limit) = query.into_inner().checked()?;
    acceptances::entry(&db, scope, *path)
        .await?
        .ok_or_else(no_acceptance)?;
    let comments = comments::list(&db, scope, *path, after, limit).await?;
    let views = comments.into_iter().map(CommentView::from).collect();
    Ok(ok(Listed::new(views, limit, |comment: &CommentView| {
        comment.id.to_string()
    })))
}
