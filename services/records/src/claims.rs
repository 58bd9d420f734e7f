//! Requests that may be sent again: who holds a key, what it has made, and what that was answered.
//!
//! What a request makes is written beside its key in the transaction that makes it. So neither a crash nor two hubs can
//! make it twice: whoever lost the key in the meantime makes nothing.

use crate::{At, Db, RecordsError, Tx, on, read::Reading, run::Run as _};
use domain::{digest::Sha256, id::ClaimId, names::TenantName};
use sqlx::types::Json;
use time::OffsetDateTime;

const RESERVE: &str = "INSERT INTO claims (tenant, key_sha256, claim, held_until, forget_at) \
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant, key_sha256) DO UPDATE SET claim = excluded.claim, \
    held_until = excluded.held_until, forget_at = excluded.forget_at, request_sha256 = NULL, subject = NULL, \
    status = NULL, headers = NULL, body = NULL \
    WHERE claims.forget_at <= $6 OR (claims.subject IS NULL AND claims.held_until <= $6) RETURNING claim";
const READ: &str = "SELECT held_until, request_sha256, subject, status, headers, body FROM claims \
    WHERE tenant = $1 AND key_sha256 = $2 AND forget_at > $3";
const MADE: &str = "UPDATE claims SET request_sha256 = $4, subject = $5 \
    WHERE tenant = $1 AND key_sha256 = $2 AND claim = $3 AND subject IS NULL";
const MADE_ANEW: &str = "INSERT INTO claims (tenant, key_sha256, claim, held_until, forget_at, request_sha256, subject) \
    VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant, key_sha256) DO UPDATE SET claim = excluded.claim, \
    held_until = excluded.held_until, forget_at = excluded.forget_at, request_sha256 = excluded.request_sha256, \
    subject = excluded.subject, status = NULL, headers = NULL, body = NULL";
const KEEP: &str = "UPDATE claims SET status = $4, headers = $5, body = $6 \
    WHERE tenant = $1 AND key_sha256 = $2 AND claim = $3 AND subject IS NOT NULL";
const RELEASE: &str =
    "DELETE FROM claims WHERE tenant = $1 AND key_sha256 = $2 AND claim = $3 AND subject IS NULL";
const END_HOLD: &str = "UPDATE claims SET held_until = $4 \
    WHERE tenant = $1 AND key_sha256 = $2 AND claim = $3 AND held_until > $4";
const FORGET: &str = "DELETE FROM claims WHERE forget_at <= $1";

pub(crate) const STATEMENTS: &[&str] = &[RESERVE, READ, MADE, MADE_ANEW, KEEP, RELEASE, END_HOLD, FORGET];

/// A request's hold on a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The digest of the key.
    pub key: Sha256,
    /// Which request it is.
    pub id: ClaimId,
    /// The digest of what is asked, and by whom.
    pub request: Sha256,
    /// Until when its answer may come after what it makes.
    pub held_until: OffsetDateTime,
    /// Until when what it makes is remembered.
    pub forget_at: OffsetDateTime,
    /// Whose key it is.
    pub kind: ClaimKind,
}

/// Whose key it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimKind {
    /// The caller's: the key was [reserved](reserve), and is lost to whoever reserves it after the hold's end.
    Reserved,
    /// Made of the request itself: whoever makes something last is remembered.
    OfRequest,
}

/// What is known of a key.
#[derive(Debug, PartialEq, Eq)]
pub enum Reserved {
    /// It is free, and held from now on.
    Free,
    /// Another request holds it that has made nothing yet.
    Busy,
    /// A request has made something.
    Made(Made),
}

/// What a request has made.
#[derive(Debug, PartialEq, Eq)]
pub struct Made {
    /// The digest of what was asked, and by whom.
    pub request: Sha256,
    /// The id of what was made.
    pub subject: String,
    /// What was answered.
    pub answer: Answered,
}

/// What a request that has made something was answered.
#[derive(Debug, PartialEq, Eq)]
pub enum Answered {
    /// Nothing yet: its hold stands, and its answer may come.
    NotYet,
    /// This.
    Kept(Kept),
    /// It was not kept, or is lost.
    Unknown,
}

/// A response that was kept.
#[derive(Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its status.
    pub status: u16,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: String,
}

/// Reserves `key` of `tenant` for the request `id` until `held_until`, unless another has it.
pub async fn reserve(
    db: &Db,
    tenant: &TenantName,
    (key, id): (Sha256, ClaimId),
    now: OffsetDateTime,
    (held_until, forget_at): (OffsetDateTime, OffsetDateTime),
) -> Result<Reserved, RecordsError> {
    let free: Option<String> = on!(db, |c| sqlx::query_scalar(RESERVE)
        .bind(tenant.as_str())
        .bind(key.to_string())
        .bind(id.to_string())
        .bind(At(held_until))
        .bind(At(forget_at))
        .bind(At(now))
        .fetch_optional(c))?;
    if free.is_some() {
        return Ok(Reserved::Free);
    }
    // What was there may be gone by now; then the caller comes again.
    Ok(made(db, tenant, key, now)
        .await?
        .map_or(Reserved::Busy, Reserved::Made))
}

/// What a request with this key has made, if anything.
pub async fn made(
    db: &Db,
    tenant: &TenantName,
    key: Sha256,
    now: OffsetDateTime,
) -> Result<Option<Made>, RecordsError> {
    let row: Option<Row> = on!(db, |c| sqlx::query_as(READ)
        .bind(tenant.as_str())
        .bind(key.to_string())
        .bind(At(now))
        .fetch_optional(c))?;
    row.map_or(Ok(None), |row| row.read(&key.to_string(), now))
}

/// Writes within `tx` that the request has made `subject`. Error: [`RecordsError::ClaimLost`], if another has its key.
pub(crate) async fn note(
    tx: &mut Tx,
    tenant: &TenantName,
    claim: &Claim,
    subject: &str,
) -> Result<(), RecordsError> {
    let (key, id) = (claim.key.to_string(), claim.id.to_string());
    if claim.kind == ClaimKind::OfRequest {
        on!(tx: tx, |c| sqlx::query(MADE_ANEW)
            .bind(tenant.as_str())
            .bind(&key)
            .bind(&id)
            .bind(At(claim.held_until))
            .bind(At(claim.forget_at))
            .bind(claim.request.to_string())
            .bind(subject)
            .run(c))?;
        return Ok(());
    }
    let noted = on!(tx: tx, |c| sqlx::query(MADE)
        .bind(tenant.as_str())
        .bind(&key)
        .bind(&id)
        .bind(claim.request.to_string())
        .bind(subject)
        .run(c))?;
    match noted {
        0 => Err(RecordsError::ClaimLost),
        _ => Ok(()),
    }
}

/// Keeps what the request was answered, if it has made something; tells whether it has.
pub async fn keep(
    db: &Db,
    tenant: &TenantName,
    (key, id): (Sha256, ClaimId),
    answer: &Kept,
) -> Result<bool, RecordsError> {
    let kept = on!(db, |c| sqlx::query(KEEP)
        .bind(tenant.as_str())
        .bind(key.to_string())
        .bind(id.to_string())
        .bind(i32::from(answer.status))
        .bind(Json(&answer.headers))
        .bind(&answer.body)
        .run(c))?;
    Ok(kept > 0)
}

/// Ends a request's hold: its key is free again if it has made nothing, and else its answer will not come any more.
pub async fn release(
    db: &Db,
    tenant: &TenantName,
    (key, id): (Sha256, ClaimId),
    now: OffsetDateTime,
) -> Result<(), RecordsError> {
    let (key, id) = (key.to_string(), id.to_string());
    let freed = on!(db, |c| sqlx::query(RELEASE)
        .bind(tenant.as_str())
        .bind(&key)
        .bind(&id)
        .run(c))?;
    if freed == 0 {
        on!(db, |c| sqlx::query(END_HOLD)
            .bind(tenant.as_str())
            .bind(&key)
            .bind(&id)
            .bind(At(now))
            .run(c))?;
    }
    Ok(())
}

/// Forgets all keys whose time is over. Tells how many.
pub async fn forget(db: &Db, now: OffsetDateTime) -> Result<u64, RecordsError> {
    Ok(on!(db, |c| sqlx::query(FORGET).bind(At(now)).run(c))?)
}

#[derive(sqlx::FromRow)]
struct Row {
    held_until: At,
    request_sha256: Option<String>,
    subject: Option<String>,
    status: Option<i32>,
    headers: Option<Json<Vec<(String, String)>>>,
    body: Option<String>,
}

impl Row {
    /// Nothing, if it has made nothing yet.
    fn read(self, id: &str, now: OffsetDateTime) -> Result<Option<Made>, RecordsError> {
        let row = Reading { table: "claims", id };
        let Some(subject) = self.subject else {
            return Ok(None);
        };
        let request = row.required(self.request_sha256, "request_sha256")?;
        let answer = match (self.status, self.headers, self.body) {
            (Some(status), Some(headers), Some(body)) => Answered::Kept(Kept {
                status: row.whole(status.into())?,
                headers: headers.0,
                body,
            }),
            _ if self.held_until.0 > now => Answered::NotYet,
            _ => Answered::Unknown,
        };
        Ok(Some(Made {
            request: row.parsed(&request)?,
            subject,
            answer,
        }))
    }
}

#[cfg(test)]
mod tests;
