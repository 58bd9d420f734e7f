//! What reviewers and the tenant say to each other about an acceptance.

use super::{changing::audit, lock, reading};
use crate::{At, Db, RecordsError, Stamp, on, run::Run as _};
use domain::{
    acceptance::{Comment, Judge},
    digest::Sha256,
    id::{AcceptanceId, CommentId},
    names::TenantName,
};
use serde_json::json;

const INSERT: &str = "INSERT INTO acceptance_comments (id, acceptance, by_tenant, by_member, at, text) \
    VALUES ($1, $2, $3, $4, $5, $6)";
const COUNT: &str = "SELECT COUNT(*) FROM acceptance_comments WHERE acceptance = $1";
const LIST: &str = "SELECT c.* FROM acceptance_comments c JOIN acceptances a ON a.id = c.acceptance \
    WHERE c.acceptance = $1 AND a.tenant = COALESCE($2, a.tenant) AND c.id > COALESCE($3, '') \
    ORDER BY c.id LIMIT $4";

pub(super) const STATEMENTS: &[&str] = &[INSERT, COUNT, LIST];

/// There are as many comments as there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany;

/// Adds a comment to an acceptance, which has at most `most` of them: one of `tenant`, or of any. The audit log tells
/// its digest. `None`: there is no such acceptance.
pub async fn add(
    db: &Db,
    stamp: Stamp<'_>,
    tenant: Option<&TenantName>,
    id: AcceptanceId,
    new: Comment,
    most: u32,
) -> Result<Option<Result<Comment, TooMany>>, RecordsError> {
    let mut tx = db.begin().await?;
    let mine = |held: &TenantName| tenant.is_none_or(|tenant| held == tenant);
    let Some((held, _)) = lock(&mut tx, id).await?.filter(|(held, _)| mine(&held.tenant)) else {
        return Ok(None);
    };
    let count: i64 = on!(tx: &mut tx, |c| sqlx::query_scalar(COUNT).bind(id.to_string()).fetch_one(c))?;
    if count >= i64::from(most) {
        return Ok(Some(Err(TooMany)));
    }
    on!(tx: &mut tx, |c| sqlx::query(INSERT)
        .bind(new.id.to_string())
        .bind(id.to_string())
        .bind(new.by.tenant.as_str())
        .bind(new.by.member.as_str())
        .bind(At(new.at))
        .bind(&new.text)
        .run(c))?;
    let digest = Sha256::of(new.text.as_bytes());
    let detail = json!({ "by": new.by, "comment": new.id, "text_sha256": digest });
    audit(&mut tx, stamp, &held, "acceptance.commented", detail).await?;
    stamp.made(&mut tx, &new.by.tenant, new.id).await?;
    tx.commit().await?;
    Ok(Some(Ok(new)))
}

/// Up to `limit` comments on an acceptance, oldest first, younger than `after`: one of `tenant`, or of any. No
/// acceptance, no comments.
pub async fn list(
    db: &Db,
    tenant: Option<&TenantName>,
    id: AcceptanceId,
    after: Option<CommentId>,
    limit: u32,
) -> Result<Vec<Comment>, RecordsError> {
    let rows: Vec<Row> = on!(db, |c| sqlx::query_as(LIST)
        .bind(id.to_string())
        .bind(tenant.map(|tenant| tenant.as_str()))
        .bind(after.map(|id| id.to_string()))
        .bind(i64::from(limit))
        .fetch_all(c))?;
    rows.into_iter().map(Row::read).collect()
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    by_tenant: String,
    by_member: String,
    at: At,
    text: String,
}

impl Row {
    fn read(self) -> Result<Comment, RecordsError> {
        let row = reading("acceptance_comments", &self.id);
        let by = Judge {
            tenant: row.parsed(&self.by_tenant)?,
            member: row.parsed(&self.by_member)?,
        };
        Ok(Comment {
            id: row.parsed(&self.id)?,
            by,
            at: self.at.0,
            text: self.text,
        })
    }
}
