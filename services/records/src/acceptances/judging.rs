//! The reviewer's part: judging, suspending, resuming and revoking.

use super::{
    changing::{Change, Changed, settle},
    lock,
};
use crate::{Db, RecordsError, Stamp};
use domain::{
    acceptance::{Acceptance, Judge, NotPossible},
    id::AcceptanceId,
    webhook::AcceptanceChange,
};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A reviewer's verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Approve {
        /// A remark for the audit log.
        remark: Option<String>,
        /// Until when it shall stand.
        valid_until: Option<OffsetDateTime>,
    },
    /// No, and why.
    Reject(String),
}

/// Judges an acceptance that is under review. `None`: there is no such acceptance.
pub async fn review(
    db: &Db,
    stamp: Stamp<'_>,
    by: Judge,
    id: AcceptanceId,
    verdict: Verdict,
) -> Result<Option<Result<Changed, NotPossible>>, RecordsError> {
    match verdict {
        Verdict::Approve { remark, valid_until } => {
            let until = valid_until.and_then(|until| until.format(&Rfc3339).ok());
            let detail = json!({ "by": by, "reason": remark, "valid_until": until });
            let change = AcceptanceChange::Approved;
            act(db, stamp, id, change, detail, |held| {
                held.approve(by, stamp.at, remark.as_deref(), valid_until)
            })
            .await
        }
        Verdict::Reject(reason) => {
            let detail = json!({ "by": by, "reason": reason });
            let change = AcceptanceChange::Rejected;
            act(db, stamp, id, change, detail, |held| {
                held.reject(by, stamp.at, reason)
            })
            .await
        }
    }
}

/// Suspends an active acceptance and raises the epoch of its tenant. `None`: there is no such acceptance.
pub async fn suspend(
    db: &Db,
    stamp: Stamp<'_>,
    by: Judge,
    id: AcceptanceId,
    reason: String,
) -> Result<Option<Result<Changed, NotPossible>>, RecordsError> {
    let detail = json!({ "by": by, "reason": reason });
    let change = AcceptanceChange::Suspended;
    act(db, stamp, id, change, detail, |held| {
        held.suspend(by, stamp.at, reason)
    })
    .await
}

/// Lets a suspended acceptance stand again. `None`: there is no such acceptance.
pub async fn resume(
    db: &Db,
    stamp: Stamp<'_>,
    by: Judge,
    id: AcceptanceId,
    reason: String,
) -> Result<Option<Result<Changed, NotPossible>>, RecordsError> {
    let detail = json!({ "by": by, "reason": reason });
    let change = AcceptanceChange::Resumed;
    act(db, stamp, id, change, detail, |held| {
        held.resume(stamp.at, &reason)
    })
    .await
}

/// Takes an active or suspended acceptance back and raises the epoch of its tenant. `None`: there is no such
/// acceptance.
pub async fn revoke(
    db: &Db,
    stamp: Stamp<'_>,
    by: Judge,
    id: AcceptanceId,
    reason: String,
) -> Result<Option<Result<Changed, NotPossible>>, RecordsError> {
    let detail = json!({ "by": by, "reason": reason });
    let change = AcceptanceChange::Revoked;
    act(db, stamp, id, change, detail, |held| {
        held.revoke(by, stamp.at, reason)
    })
    .await
}

/// Does to an acceptance what `transition` says.
async fn act(
    db: &Db,
    stamp: Stamp<'_>,
    id: AcceptanceId,
    change: AcceptanceChange,
    detail: Value,
    transition: impl FnOnce(Acceptance) -> Result<Acceptance, NotPossible>,
) -> Result<Option<Result<Changed, NotPossible>>, RecordsError> {
    let mut tx = db.begin().await?;
    let Some((held, others)) = lock(&mut tx, id).await? else {
        return Ok(None);
    };
    let after = match transition(held.clone()) {
        Ok(after) => after,
        Err(refusal) => return Ok(Some(Err(refusal))),
    };
    let change = Change::told(held, after, change, detail);
    let changed = settle(&mut tx, stamp, change, others).await?;
    tx.commit().await?;
    Ok(Some(Ok(changed)))
}
