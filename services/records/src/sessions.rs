//! Sessions of the dashboard: opened once by a link or a sign-in at an issuer, alive while they are seen, over at their
//! end.

use crate::{At, Db, RecordsError, Stamp, on, read::Reading, run::Run as _};
use domain::{
    access::{Caller, Role},
    digest::Sha256,
};
use serde_json::{Value, json};
use sqlx::types::Json;
use std::collections::BTreeSet;
use time::OffsetDateTime;

const FORGET: &str = "DELETE FROM sessions WHERE forget_at < $1";
/// `link_sha256` is what has opened the session, whatever that was.
const OPEN: &str = "INSERT INTO sessions (sha256, link_sha256, tenant, member, roles, opened_at, seen_at, ends_at, \
    forget_at) VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8) ON CONFLICT (link_sha256) DO NOTHING RETURNING sha256";
const SEE: &str = "UPDATE sessions SET seen_at = $2 WHERE sha256 = $1 AND closed_at IS NULL AND ends_at > $2 \
    AND seen_at > $3 RETURNING tenant, member, roles";
const ALIVE: &str =
    "SELECT sha256 FROM sessions WHERE sha256 = $1 AND closed_at IS NULL AND ends_at > $2 AND seen_at > $3";
const CLOSE: &str = "UPDATE sessions SET closed_at = $2 WHERE sha256 = $1 AND closed_at IS NULL";

pub(crate) const STATEMENTS: &[&str] = &[FORGET, OPEN, SEE, ALIVE, CLOSE];

/// A session to open.
#[derive(Debug, Clone, Copy)]
pub struct NewSession<'a> {
    /// The digest of the cookie's secret.
    pub sha256: Sha256,
    /// The digest of what opens it, which opens no other.
    pub opener_sha256: Sha256,
    /// What that is.
    pub by: OpenedBy<'a>,
    /// Who signs in.
    pub caller: &'a Caller,
    /// When it is over however often it is seen.
    pub ends_at: OffsetDateTime,
    /// When what opens it is no good any more in any case. Until then it is remembered that it was used.
    pub opener_ends_at: OffsetDateTime,
}

/// What a session is opened by.
#[derive(Debug, Clone, Copy)]
pub enum OpenedBy<'a> {
    /// A link of the operator's.
    Link,
    /// A sign-in at this issuer.
    Issuer(&'a str),
}

impl OpenedBy<'_> {
    /// As the audit log has it.
    fn told(self) -> Value {
        match self {
            OpenedBy::Link => json!({ "way": "link" }),
            OpenedBy::Issuer(issuer) => json!({ "way": "issuer", "issuer": issuer }),
        }
    }
}

/// Opens a session. False: what opens it has opened one before.
pub async fn open(db: &Db, stamp: Stamp<'_>, new: NewSession<'_>) -> Result<bool, RecordsError> {
    let mut tx = db.begin().await?;
    on!(tx: &mut tx, |c| sqlx::query(FORGET).bind(At(stamp.at)).run(c))?;
    let opened: Option<String> = on!(tx: &mut tx, |c| sqlx::query_scalar(OPEN)
        .bind(new.sha256.to_string())
        .bind(new.opener_sha256.to_string())
        .bind(new.caller.tenant.as_str())
        .bind(new.caller.member.as_str())
        .bind(Json(&new.caller.roles))
        .bind(At(stamp.at))
        .bind(At(new.ends_at))
        .bind(At(new.ends_at.max(new.opener_ends_at)))
        .fetch_optional(c))?;
    let Some(session) = opened else {
        return Ok(false);
    };
    let detail = json!({ "roles": new.caller.roles, "by": new.by.told() });
    stamp.audit(
        &mut tx,
        &new.caller.tenant,
        "session.opened",
        session,
        None,
        detail,
    );
    tx.commit().await?;
    Ok(true)
}

/// Notes that `caller`, of whom what opens sessions has told, got none, for the reason of this code.
pub async fn refused(
    db: &Db,
    stamp: Stamp<'_>,
    caller: &Caller,
    by: OpenedBy<'_>,
    code: &str,
) -> Result<(), RecordsError> {
    let mut tx = db.begin().await?;
    let detail = json!({ "roles": caller.roles, "by": by.told(), "code": code });
    stamp.audit(
        &mut tx,
        &caller.tenant,
        "session.refused",
        caller.member.to_string(),
        None,
        detail,
    );
    tx.commit().await?;
    Ok(())
}

/// Whose session it is, if it is alive: neither closed nor over, and seen since `idle_since`. It counts as seen then.
pub async fn see(
    db: &Db,
    session: &Sha256,
    now: OffsetDateTime,
    idle_since: OffsetDateTime,
) -> Result<Option<Caller>, RecordsError> {
    let row: Option<Row> = on!(db, |c| sqlx::query_as(SEE)
        .bind(session.to_string())
        .bind(At(now))
        .bind(At(idle_since))
        .fetch_optional(c))?;
    row.map(|row| row.read(&session.to_string())).transpose()
}

/// Whether a session is alive, as [`see`] judges. It does not count as seen.
pub async fn is_alive(
    db: &Db,
    session: &Sha256,
    now: OffsetDateTime,
    idle_since: OffsetDateTime,
) -> Result<bool, RecordsError> {
    let found: Option<String> = on!(db, |c| sqlx::query_scalar(ALIVE)
        .bind(session.to_string())
        .bind(At(now))
        .bind(At(idle_since))
        .fetch_optional(c))?;
    Ok(found.is_some())
}

/// Closes a session; one that is closed stays so.
pub async fn close(db: &Db, stamp: Stamp<'_>, session: &Sha256, caller: &Caller) -> Result<(), RecordsError> {
    let mut tx = db.begin().await?;
    let closed = on!(tx: &mut tx, |c| sqlx::query(CLOSE)
        .bind(session.to_string())
        .bind(At(stamp.at))
        .run(c))?;
    if closed > 0 {
        let subject = session.to_string();
        stamp.audit(
            &mut tx,
            &caller.tenant,
            "session.closed",
            subject,
            None,
            json!({}),
        );
    }
    tx.commit().await?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Row {
    tenant: String,
    member: String,
    roles: Json<BTreeSet<Role>>,
}

impl Row {
    fn read(self, id: &str) -> Result<Caller, RecordsError> {
        let row = Reading {
            table: "sessions",
            id,
        };
        Ok(Caller {
            tenant: row.parsed(&self.tenant)?,
            member: row.parsed(&self.member)?,
            roles: self.roles.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::databases::on_each;
    use domain::{clock::HandClock, id::IdMaker};
    use std::sync::Arc;
    use time::Duration;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn caller() -> Caller {
        Caller {
            tenant: "zhipu".parse().unwrap(),
            member: "li".parse().unwrap(),
            roles: BTreeSet::from([Role::Reviewer]),
        }
    }

    async fn opened(db: &Db, cookie: &[u8], link: &[u8], at: OffsetDateTime) -> bool {
        let ids = IdMaker::new(Arc::new(HandClock::at(at)));
        let caller = caller();
        let new = NewSession {
            sha256: Sha256::of(cookie),
            opener_sha256: Sha256::of(link),
            by: OpenedBy::Link,
            caller: &caller,
            ends_at: at + Duration::hours(2),
            opener_ends_at: at + Duration::hours(3),
        };
        open(db, Stamp::of(&ids, at, &caller), new).await.unwrap()
    }

    #[tokio::test]
    async fn a_link_opens_one_session_which_idles_out_and_ends() {
        on_each(async |db| {
            assert!(opened(db, b"one", b"link", NOW).await);
            assert!(!opened(db, b"two", b"link", NOW).await);
            let session = Sha256::of(b"one");
            let at = async |minutes: i64| {
                let now = NOW + Duration::minutes(minutes);
                see(db, &session, now, now - Duration::minutes(30)).await.unwrap()
            };
            let alive = async |minutes: i64| {
                let now = NOW + Duration::minutes(minutes);
                is_alive(db, &session, now, now - Duration::minutes(30))
                    .await
                    .unwrap()
            };
            // To ask whether it is alive is not to see it.
            assert!(alive(29).await && !alive(30).await);
            assert_eq!(at(29).await, Some(caller()));
            assert!(alive(58).await);
            assert_eq!(at(58).await, Some(caller()));
            // It was seen a moment ago, and idles out all the same once nobody looks for as long.
            assert_eq!(at(88).await, None);
            assert!(opened(db, b"three", b"other", NOW).await);
            let third = Sha256::of(b"three");
            for minutes in [20, 40, 60, 80, 100] {
                let now = NOW + Duration::minutes(minutes);
                assert!(
                    see(db, &third, now, now - Duration::minutes(30))
                        .await
                        .unwrap()
                        .is_some()
                );
            }
            let end = NOW + Duration::hours(2);
            assert_eq!(
                see(db, &third, end, end - Duration::minutes(30)).await.unwrap(),
                None
            );
            // The session is over and its link is not: it opens no second one.
            assert!(!opened(db, b"four", b"link", NOW + Duration::minutes(179)).await);
            assert!(opened(db, b"five", b"fifth", NOW + Duration::hours(4)).await);
        })
        .await;
    }

    #[tokio::test]
    async fn a_closed_session_opens_nothing_any_more() {
        on_each(async |db| {
            assert!(opened(db, b"one", b"link", NOW).await);
            let (session, caller) = (Sha256::of(b"one"), caller());
            let ids = IdMaker::new(Arc::new(HandClock::at(NOW)));
            for _ in 0..2 {
                close(db, Stamp::of(&ids, NOW, &caller), &session, &caller)
                    .await
                    .unwrap();
            }
            let idle_since = NOW - Duration::minutes(1);
            assert_eq!(see(db, &session, NOW, idle_since).await.unwrap(), None);
            assert!(!is_alive(db, &session, NOW, idle_since).await.unwrap());
        })
        .await;
    }
}
