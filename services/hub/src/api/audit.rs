//! `/v1/audit`: the audit log with its proofs, and the public keys that verify them.

use super::paging::{Listed, Paging};
use crate::{app::ok, caller::Authenticated, problem::Problem};
use actix_web::{
    HttpResponse,
    web::{self, Data, Path, Query},
};
use domain::{
    access::Act,
    audit::{AuditEntry, tree::Question},
    digest::Sha256,
    id::{AuditId, DecisionId},
    names::TenantName,
};
use exchange::signing::SigningKey;
use records::{
    Db,
    audit::reading::{self, Checkpoint, Placed, Wanted},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use time::OffsetDateTime;

/// The paths of this file.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/v1/audit/entries", web::get().to(list))
        .route("/v1/audit/entries/{entry}", web::get().to(get))
        .route("/v1/audit/checkpoint", web::get().to(checkpoint))
        .route("/v1/audit/consistency", web::get().to(consistency))
        .route("/.well-known/jwks.json", web::get().to(keys));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    after: Option<AuditId>,
    limit: Option<u32>,
    tenant: Option<TenantName>,
    kind: Option<String>,
    subject: Option<String>,
    decision: Option<DecisionId>,
    #[serde(default, with = "time::serde::rfc3339::option")]
    since: Option<OffsetDateTime>,
}

/// An entry in JSON: as it is hashed, and where it stands in the tree.
#[derive(Serialize)]
struct EntryView {
    place: Option<u64>,
    entry: AuditEntry,
}

impl EntryView {
    fn of(placed: Placed) -> Self {
        Self {
            place: placed.place,
            entry: placed.entry,
        }
    }
}

async fn list(caller: Authenticated, filter: Query<Filter>, db: Data<Db>) -> Result<HttpResponse, Problem> {
    caller.may(Act::ReadAudit)?;
    let filter = filter.into_inner();
    let (after, limit) = Paging::new(filter.after, filter.limit).checked()?;
    let wanted = Wanted {
        tenant: filter.tenant.map(|tenant| tenant.to_string()),
        kind: filter.kind,
        subject: filter.subject,
        decision: filter.decision.map(|decision| decision.to_string()),
        since: filter.since.unwrap_or(OffsetDateTime::UNIX_EPOCH),
    };
    let after = after.map(|after| after.to_string());
    let found = reading::page(&db, &wanted, after.as_deref(), limit).await?;
    let views = found.into_iter().map(EntryView::of).collect();
    Ok(ok(Listed::new(views, limit, |view: &EntryView| {
        view.entry.id.clone()
    })))
}

/// The entry with the newest checkpoint and the proof that it is under it, once it is sealed.
async fn get(caller: Authenticated, path: Path<AuditId>, db: Data<Db>) -> Result<HttpResponse, Problem> {
    caller.may(Act::ReadAudit)?;
    let found = reading::get(&db, &path.to_string()).await?;
    let found = found.ok_or_else(|| Problem::not_found("entry"))?;
    // A checkpoint that is read after the entry is about it, if the entry had a place.
    let under = reading::newest_checkpoint(&db).await?;
    let inclusion = match (found.place, under) {
        (Some(place), Some(Checkpoint { size, note })) => {
            let proof = reading::proof(&db, Question::Inclusion { size, place }).await?;
            json!({ "size": size, "proof": proof, "checkpoint": note })
        }
        _ => serde_json::Value::Null,
    };
    let view = EntryView::of(found);
    Ok(ok(
        json!({ "place": view.place, "entry": view.entry, "inclusion": inclusion }),
    ))
}

async fn checkpoint(_caller: Authenticated, db: Data<Db>) -> Result<HttpResponse, Problem> {
    let newest = reading::newest_checkpoint(&db).await?;
    let newest = newest.ok_or_else(|| Problem::not_found("checkpoint yet: nothing was sealed"))?;
    Ok(HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .body(newest.note))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Span {
    from: u64,
    to: u64,
}

async fn consistency(
    _caller: Authenticated,
    span: Query<Span>,
    db: Data<Db>,
) -> Result<HttpResponse, Problem> {
    let Span { from, to } = span.into_inner();
    let sealed = reading::newest_checkpoint(&db)
        .await?
        .map_or(0, |newest| newest.size);
    if from == 0 || from > to || to > sealed {
        return Err(Problem::bad_request(
            "sizes_out_of_range",
            format!("from and to are sizes of the tree, 1 <= from <= to <= {sealed}"),
        ));
    }
    let proof: Vec<Sha256> = reading::proof(&db, Question::Consistency { size: to, from }).await?;
    Ok(ok(json!({ "from": from, "to": to, "proof": proof })))
}

/// The public keys: everybody may verify.
async fn keys(key: Data<SigningKey>) -> HttpResponse {
    ok(key.public().jwks())
}
