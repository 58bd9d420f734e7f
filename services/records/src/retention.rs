//! How long tenants keep documents and answers after their batches are over, and whose time is up. Files of OpenAI's form
//! are looked up by [`of_file`](crate::deleting::of_file).

use crate::{
    At, Db, RecordsError, Stamp, on,
    read::{Reading, number},
    run::Run as _,
};
use domain::{
    deletion::{Deleted, Retention},
    id::BatchId,
    names::TenantName,
};
use std::{fmt::Display, str::FromStr};
use time::OffsetDateTime;

const GET: &str = "SELECT documents_days, answers_days FROM retention WHERE tenant = $1";
const SET: &str = "INSERT INTO retention (tenant, documents_days, answers_days, member, changed_at) \
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant) DO UPDATE SET documents_days = excluded.documents_days, \
    answers_days = excluded.answers_days, member = excluded.member, changed_at = excluded.changed_at";
const NEXT_TENANT: &str = "SELECT MIN(tenant) FROM (SELECT MIN(tenant) AS tenant FROM batches WHERE tenant > $1 \
    UNION ALL SELECT MIN(tenant) FROM openai_files WHERE tenant > $1) AS next";
// What was never submitted has no end: it is as old as it is open.
const DUE_DOCUMENTS: &str = "SELECT id FROM batches WHERE tenant = $1 AND documents_gone_at IS NULL \
    AND COALESCE(completed_at, cancelled_at, expired_at, CASE WHEN submitted_at IS NULL THEN opened_at END) <= $2 \
    ORDER BY COALESCE(completed_at, cancelled_at, expired_at, CASE WHEN submitted_at IS NULL THEN opened_at END) LIMIT $3";
// Answers to requests of a batch that is under way wait for the file that tells them.
const DUE_ANSWERS: &str = "SELECT id FROM batches WHERE tenant = $1 AND answers_gone_at IS NULL \
    AND COALESCE(completed_at, cancelled_at, expired_at, CASE WHEN submitted_at IS NULL THEN opened_at END) <= $2 \
    AND NOT EXISTS (SELECT 1 FROM jobs j JOIN openai_rows r ON r.job = j.id JOIN openai_batches o ON o.id = r.batch \
    WHERE j.batch = batches.id AND j.document_place = 0 AND j.page_number = 1 AND j.question = 0 \
    AND o.completed_at IS NULL AND o.expired_at IS NULL AND o.cancelled_at IS NULL) \
    ORDER BY COALESCE(completed_at, cancelled_at, expired_at, CASE WHEN submitted_at IS NULL THEN opened_at END) LIMIT $3";

pub(crate) const STATEMENTS: &[&str] = &[GET, SET, NEXT_TENANT, DUE_DOCUMENTS, DUE_ANSWERS];

/// What `tenant` has said. `None`: nothing, and the settings of the hub hold.
pub async fn get(db: &Db, tenant: &TenantName) -> Result<Option<Retention>, RecordsError> {
    let row: Option<(Option<i64>, Option<i64>)> = on!(db, |c| sqlx::query_as(GET)
        .bind(tenant.as_str())
        .fetch_optional(c))?;
    let reading = Reading {
        table: "retention",
        id: tenant.as_str(),
    };
    let days = |days: Option<i64>| days.map(|days| reading.whole(days)).transpose();
    row.map(|(documents, answers)| {
        Ok(Retention {
            documents_days: days(documents)?,
            answers_days: days(answers)?,
        })
    })
    .transpose()
}

/// From now on `tenant` keeps documents and answers as `retention` says.
pub async fn set(
    db: &Db,
    stamp: Stamp<'_>,
    tenant: &TenantName,
    retention: &Retention,
) -> Result<(), RecordsError> {
    let mut tx = db.begin().await?;
    let days = |days: Option<u32>| days.map(number);
    on!(tx: &mut tx, |c| sqlx::query(SET)
        .bind(tenant.as_str())
        .bind(days(retention.documents_days))
        .bind(days(retention.answers_days))
        .bind(stamp.member.map_or("", |member| member.as_str()))
        .bind(At(stamp.at))
        .run(c))?;
    let detail = serde_json::json!(retention);
    stamp.audit(
        &mut tx,
        tenant,
        "retention.changed",
        tenant.to_string(),
        None,
        detail,
    );
    Ok(tx.commit().await?)
}

/// The tenant that comes after `after` of those that have batches or files; the first, if nothing is said.
pub async fn next_tenant(db: &Db, after: Option<&TenantName>) -> Result<Option<TenantName>, RecordsError> {
    let next: Option<String> = on!(db, |c| sqlx::query_scalar(NEXT_TENANT)
        .bind(after.map(TenantName::as_str).unwrap_or_default())
        .fetch_one(c))?;
    let reading = Reading {
        table: "batches",
        id: "of a tenant",
    };
    reading.parsed_if(next.as_deref())
}

/// Up to `limit` batches of `tenant` that were over at `before` and of which documents, or answers, are still kept; the
/// oldest first.
pub async fn due(
    db: &Db,
    tenant: &TenantName,
    deleted: Deleted,
    before: OffsetDateTime,
    limit: u32,
) -> Result<Vec<BatchId>, RecordsError> {
    let sql = match deleted.documents() {
        true => DUE_DOCUMENTS,
        false => DUE_ANSWERS,
    };
    ids_due(db, "batches", sql, tenant, before, limit).await
}

/// The ids of up to `limit` rows of `table` that `sql` selects: of `tenant`, and as old as `before`.
pub(crate) async fn ids_due<I: FromStr<Err: Display>>(
    db: &Db,
    table: &'static str,
    sql: &'static str,
    tenant: &TenantName,
    before: OffsetDateTime,
    limit: u32,
) -> Result<Vec<I>, RecordsError> {
    let ids: Vec<String> = on!(db, |c| sqlx::query_scalar(sql)
        .bind(tenant.as_str())
        .bind(At(before))
        .bind(i64::from(limit))
        .fetch_all(c))?;
    let read = |id: &String| Reading { table, id }.parsed(id);
    ids.iter().map(read).collect()
}
