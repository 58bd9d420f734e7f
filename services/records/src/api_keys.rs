//! API keys. Of a secret only its digest is kept.

use crate::{
    At, Db, RecordsError, Stamp, on,
    read::{Reading, below, number},
    run::Run as _,
};
use domain::{
    access::{Caller, Role},
    api_key::{ApiKey, KeyPhase, Wish},
    id::ApiKeyId,
    limits::Limits,
    names::{MemberName, TenantName},
    purpose::Purpose,
};
use serde_json::json;
use sqlx::types::Json;
use std::collections::BTreeSet;
use time::{Duration, OffsetDateTime};

/// How old what is known of a key's last use may become.
const USED: Duration = Duration::minutes(1);

const COUNT: &str = "SELECT COUNT(*) FROM api_keys WHERE tenant = $1 AND revoked_at IS NULL AND ends_at > $2";
const INSERT: &str = "INSERT INTO api_keys (id, tenant, member, name, roles, purpose, sha256, created_at, ends_at, \
    limits) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
const FIND: &str = "SELECT id, tenant, member, name, roles, purpose, sha256, created_at, ends_at, old_sha256, \
    old_ends_at, rotated_at, used_at, revoked_at, limits FROM api_keys WHERE id = $1";
const GET: &str = "SELECT id, tenant, member, name, roles, purpose, sha256, created_at, ends_at, old_sha256, \
    old_ends_at, rotated_at, used_at, revoked_at, limits FROM api_keys WHERE id = $1 AND tenant = $2";
const LIST: &str = "SELECT id, tenant, member, name, roles, purpose, sha256, created_at, ends_at, old_sha256, \
    old_ends_at, rotated_at, used_at, revoked_at, limits FROM api_keys WHERE tenant = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
const ROTATE: &str = "UPDATE api_keys SET old_sha256 = sha256, old_ends_at = $5, sha256 = $4, rotated_at = $6 \
    WHERE id = $1 AND tenant = $2 AND member = $3 AND revoked_at IS NULL AND ends_at > $6";
const REVOKE: &str =
    "UPDATE api_keys SET revoked_at = $3 WHERE id = $1 AND tenant = $2 AND revoked_at IS NULL";
const USE: &str = "UPDATE api_keys SET used_at = $2 WHERE id = $1";

pub(crate) const STATEMENTS: &[&str] = &[COUNT, INSERT, FIND, GET, LIST, ROTATE, REVOKE, USE];

/// A key as it is shown: without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// Which one.
    pub id: ApiKeyId,
    /// The member that it stands for, and the roles that it has of it.
    pub caller: Caller,
    /// What it is called.
    pub name: String,
    /// What requests are for that cannot say it.
    pub purpose: Option<Purpose>,
    /// How much may be asked for with it, where that differs from what holds for all.
    pub limits: Limits,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// From when it is good for nothing.
    pub ends_at: OffsetDateTime,
    /// When its secret was changed last, and until when the one before is good.
    pub rotated: Option<(OffsetDateTime, OffsetDateTime)>,
    /// When it was last used, within a minute.
    pub used_at: Option<OffsetDateTime>,
    /// When it was revoked.
    pub revoked_at: Option<OffsetDateTime>,
}

impl StoredKey {
    /// What is true of it at `now`.
    pub fn phase(&self, now: OffsetDateTime) -> KeyPhase {
        match self.revoked_at {
            Some(_) => KeyPhase::Revoked,
            None if self.ends_at <= now => KeyPhase::Expired,
            None => KeyPhase::Active,
        }
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    tenant: String,
    member: String,
    name: String,
    roles: Json<BTreeSet<Role>>,
    purpose: Option<String>,
    sha256: String,
    created_at: At,
    ends_at: At,
    old_sha256: Option<String>,
    old_ends_at: Option<At>,
    rotated_at: Option<At>,
    used_at: Option<At>,
    revoked_at: Option<At>,
    limits: Option<Json<Limits>>,
}

impl Row {
    fn read(self) -> Result<StoredKey, RecordsError> {
        let row = Reading {
            table: "api_keys",
            id: &self.id,
        };
        let purpose = self.purpose.as_deref().map(|word| row.parsed(word));
        Ok(StoredKey {
            id: row.parsed(&self.id)?,
            caller: Caller {
                tenant: row.parsed(&self.tenant)?,
                member: row.parsed(&self.member)?,
                roles: self.roles.0,
            },
            purpose: purpose.transpose()?,
            limits: self.limits.map(|limits| limits.0).unwrap_or_default(),
            created_at: self.created_at.0,
            ends_at: self.ends_at.0,
            rotated: self
                .rotated_at
                .zip(self.old_ends_at)
                .map(|(at, until)| (at.0, until.0)),
            used_at: self.used_at.map(|at| at.0),
            revoked_at: self.revoked_at.map(|at| at.0),
            name: self.name,
        })
    }

    fn is_opened_by(&self, key: &ApiKey, now: OffsetDateTime) -> bool {
        let shown = key.sha256().to_string();
        let old = self
            .old_sha256
            .as_ref()
            .filter(|_| self.old_ends_at.is_some_and(|until| until.0 > now));
        self.sha256 == shown || old.is_some_and(|old| *old == shown)
    }
}

/// Stores a key of `caller`, unless its tenant has `most` that are good already. Gives whether it was stored.
pub async fn create(
    db: &Db,
    stamp: Stamp<'_>,
    caller: &Caller,
    key: &ApiKey,
    wish: &Wish,
    most: u32,
) -> Result<bool, RecordsError> {
    let mut tx = db.begin().await?;
    let count: i64 = on!(tx: &mut tx, |c| sqlx::query_scalar(COUNT)
        .bind(caller.tenant.as_str())
        .bind(At(stamp.at))
        .fetch_one(c))?;
    if count >= number(most) {
        return Ok(false);
    }
    on!(tx: &mut tx, |c| sqlx::query(INSERT)
        .bind(key.id().to_string())
        .bind(caller.tenant.as_str())
        .bind(caller.member.as_str())
        .bind(wish.name.trim())
        .bind(Json(&wish.roles))
        .bind(wish.purpose.map(Purpose::as_str))
        .bind(key.sha256().to_string())
        .bind(At(stamp.at))
        .bind(At(wish.ends_at))
        .bind(Json(wish.limits))
        .run(c))?;
    let detail = json!({ "roles": wish.roles, "purpose": wish.purpose, "limits": wish.limits });
    stamp.audit(
        &mut tx,
        &caller.tenant,
        "api_key.created",
        key.id().to_string(),
        None,
        detail,
    );
    stamp.made(&mut tx, &caller.tenant, key.id()).await?;
    tx.commit().await?;
    Ok(true)
}

/// The key that somebody comes with, if its secret is right; whether it is still good is for the caller to judge.
pub async fn shown(db: &Db, key: &ApiKey, now: OffsetDateTime) -> Result<Option<StoredKey>, RecordsError> {
    let id = key.id().to_string();
    let row: Option<Row> = on!(db, |c| sqlx::query_as(FIND).bind(&id).fetch_optional(c))?;
    let Some(row) = row.filter(|row| row.is_opened_by(key, now)) else {
        return Ok(None);
    };
    let stored = row.read()?;
    if stored.used_at.is_none_or(|used| used + USED <= now) {
        on!(db, |c| sqlx::query(USE).bind(&id).bind(At(now)).run(c))?;
    }
    Ok(Some(stored))
}

/// A key of `tenant`.
pub async fn get(db: &Db, tenant: &TenantName, id: ApiKeyId) -> Result<Option<StoredKey>, RecordsError> {
    let row: Option<Row> = on!(db, |c| sqlx::query_as(GET)
        .bind(id.to_string())
        .bind(tenant.as_str())
        .fetch_optional(c))?;
    row.map(Row::read).transpose()
}

/// Up to `limit` keys of `tenant`, newest first, older than `after`.
pub async fn list(
    db: &Db,
    tenant: &TenantName,
    after: Option<ApiKeyId>,
    limit: u32,
) -> Result<Vec<StoredKey>, RecordsError> {
    let before = below(after);
    let rows: Vec<Row> = on!(db, |c| sqlx::query_as(LIST)
        .bind(tenant.as_str())
        .bind(&before)
        .bind(i64::from(limit))
        .fetch_all(c))?;
    rows.into_iter().map(Row::read).collect()
}

/// Gives the key of a member another secret; the one before is good until `old_ends_at`. False: the member has no such
/// key that is good.
pub async fn rotate(
    db: &Db,
    stamp: Stamp<'_>,
    (tenant, member): (&TenantName, &MemberName),
    key: &ApiKey,
    old_ends_at: OffsetDateTime,
) -> Result<bool, RecordsError> {
    let mut tx = db.begin().await?;
    let id = key.id().to_string();
    let rotated = on!(tx: &mut tx, |c| sqlx::query(ROTATE)
        .bind(&id)
        .bind(tenant.as_str())
        .bind(member.as_str())
        .bind(key.sha256().to_string())
        .bind(At(old_ends_at))
        .bind(At(stamp.at))
        .run(c))?;
    if rotated == 0 {
        return Ok(false);
    }
    stamp.audit(&mut tx, tenant, "api_key.rotated", id, None, json!({}));
    tx.commit().await?;
    Ok(true)
}

/// Revokes a key of `tenant`. False: it has no such key, or it is revoked already.
pub async fn revoke(
    db: &Db,
    stamp: Stamp<'_>,
    tenant: &TenantName,
    id: ApiKeyId,
) -> Result<bool, RecordsError> {
    let mut tx = db.begin().await?;
    let id = id.to_string();
    let revoked = on!(tx: &mut tx, |c| sqlx::query(REVOKE)
        .bind(&id)
        .bind(tenant.as_str())
        .bind(At(stamp.at))
        .run(c))?;
    if revoked == 0 {
        return Ok(false);
    }
    stamp.audit(&mut tx, tenant, "api_key.revoked", id, None, json!({}));
    tx.commit().await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::databases::on_each;
    use domain::{clock::HandClock, id::IdMaker};
    use std::sync::Arc;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn li() -> Caller {
        Caller {
            tenant: "acme".parse().unwrap(),
            member: "li".parse().unwrap(),
            roles: [Role::Submitter].into(),
        }
    }

    fn ids() -> IdMaker {
        IdMaker::new(Arc::new(HandClock::at(NOW)))
    }

    async fn made(db: &Db, byte: u8, most: u32) -> Option<ApiKey> {
        let (ids, caller) = (ids(), li());
        let key = ApiKey::of(ids.make(), [byte; 32]);
        let wish = Wish {
            name: "scan station".into(),
            roles: caller.roles.clone(),
            purpose: Some(Purpose::Evaluation),
            limits: Limits::default(),
            ends_at: NOW + Duration::days(1),
        };
        let stamp = Stamp::of(&ids, NOW, &caller);
        let made = create(db, stamp, &caller, &key, &wish, most).await.unwrap();
        made.then_some(key)
    }

    #[tokio::test]
    async fn a_key_is_known_by_its_secret_alone() {
        on_each(async |db| {
            let key = made(db, 1, 2).await.unwrap();
            let found = shown(db, &key, NOW).await.unwrap().unwrap();
            assert_eq!((&found.caller, found.purpose), (&li(), Some(Purpose::Evaluation)));
            assert_eq!(found.used_at, None);
            let guessed = ApiKey::of(key.id(), [2; 32]);
            assert_eq!(shown(db, &guessed, NOW).await.unwrap(), None);
            let used = |found: Option<StoredKey>| found.unwrap().used_at;
            let at = |seconds| NOW + Duration::seconds(seconds);
            assert_eq!(used(shown(db, &key, at(59)).await.unwrap()), Some(NOW));
            assert_eq!(used(shown(db, &key, at(60)).await.unwrap()), Some(NOW));
            assert_eq!(used(shown(db, &key, at(61)).await.unwrap()), Some(at(60)));
            // The most that a tenant has: revoked keys do not count.
            assert!(made(db, 3, 1).await.is_none());
            let (ids, caller) = (ids(), li());
            let stamp = Stamp::of(&ids, NOW, &caller);
            assert!(revoke(db, stamp, &caller.tenant, key.id()).await.unwrap());
            assert!(!revoke(db, stamp, &caller.tenant, key.id()).await.unwrap());
            assert!(made(db, 3, 1).await.is_some());
        })
        .await;
    }

    #[tokio::test]
    async fn a_rotated_key_has_two_secrets_for_a_while() {
        on_each(async |db| {
            let old = made(db, 1, 1).await.unwrap();
            let new = ApiKey::of(old.id(), [2; 32]);
            let (ids, caller) = (ids(), li());
            let stamp = Stamp::of(&ids, NOW, &caller);
            let until = NOW + Duration::hours(1);
            let other = "wang".parse().unwrap();
            let of = |member| (&caller.tenant, member);
            assert!(!rotate(db, stamp, of(&other), &new, until).await.unwrap());
            assert!(rotate(db, stamp, of(&caller.member), &new, until).await.unwrap());
            let good = async |key: &ApiKey, at| shown(db, key, at).await.unwrap().is_some();
            assert!(good(&old, until - Duration::seconds(1)).await);
            assert!(!good(&old, until).await);
            assert!(good(&new, NOW).await && good(&new, until).await);
            let ended = Stamp::of(&ids, NOW + Duration::days(1), &caller);
            assert!(!rotate(db, ended, of(&caller.member), &old, until).await.unwrap());
        })
        .await;
    }

    #[tokio::test]
    async fn another_tenant_neither_sees_nor_revokes_a_key() {
        on_each(async |db| {
            let key = made(db, 1, 1).await.unwrap();
            let (ids, caller) = (ids(), li());
            let other = "other".parse().unwrap();
            assert_eq!(get(db, &other, key.id()).await.unwrap(), None);
            assert_eq!(list(db, &other, None, 10).await.unwrap(), []);
            let stamp = Stamp::of(&ids, NOW, &caller);
            assert!(!revoke(db, stamp, &other, key.id()).await.unwrap());
            let own = list(db, &caller.tenant, None, 10).await.unwrap();
            assert_eq!(own.len(), 1);
            assert_eq!(list(db, &caller.tenant, Some(key.id()), 10).await.unwrap(), []);
        })
        .await;
    }
}
