//! The one place through which the state of an acceptance changes.

use super::row::StateColumns;
use crate::{
    At, RecordsError, Stamp, Tx,
    audit::rows::{Fact, with_row},
    epochs, on,
    run::Run as _,
    terms,
};
use domain::{
    acceptance::{Acceptance, State},
    territory::Territory,
    webhook::{AcceptanceChange, AcceptanceEvent, EventKind},
};
use serde_json::{Value, json};
use sqlx::types::Json;

const INSERT: &str = "INSERT INTO acceptances (id, tenant, requested_by, requested_at, license, terms_sha256, \
    purposes, signer_name, signer_title, registration_number, evidence, valid_until, territory) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
const WRITE: &str = "UPDATE acceptances SET submitted_at = COALESCE(submitted_at, $2), valid_until = $3, \
    active_since = $4, approved_at = $5, approved_by_tenant = $6, approved_by_member = $7, rejected_at = $8, \
    rejected_by_tenant = $9, rejected_by_member = $10, rejected_reason = $11, suspended_at = $12, \
    suspended_by_tenant = $13, suspended_by_member = $14, suspended_reason = $15, expired_at = $16, \
    revoked_at = $17, revoked_by_tenant = $18, revoked_by_member = $19, revoked_reason = $20, \
    superseded_at = $21, superseded_by = $22 WHERE id = $1";

pub(super) const STATEMENTS: &[&str] = &[INSERT, WRITE];

/// What became of an acceptance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The acceptance after it.
    pub acceptance: Acceptance,
    /// The tenant's epoch after it, if something that was allowed is not any more: the queue is to be told.
    pub epoch: Option<u64>,
}

/// A change, as it is written down.
pub(super) struct Change {
    /// The acceptance before it; nothing if it is new.
    pub before: Option<Acceptance>,
    /// The acceptance after it.
    pub after: Acceptance,
    /// What the audit log calls it.
    pub kind: &'static str,
    /// What the audit log adds.
    pub detail: Value,
    /// What webhooks tell of it.
    pub event: Option<AcceptanceChange>,
}

impl Change {
    /// A change that webhooks tell of; the audit log calls it by the same name.
    pub(super) fn told(
        before: Acceptance,
        after: Acceptance,
        change: AcceptanceChange,
        detail: Value,
    ) -> Self {
        Self {
            before: Some(before),
            after,
            kind: change.event_type().as_str(),
            detail,
            event: Some(change),
        }
    }
}

/// Writes a change down, raises the tenant's epoch if something that was allowed is not any more, lets what has become
/// active take the place of the acceptances of older terms among `others` of the tenant, and tells of it all.
pub(super) async fn settle(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    change: Change,
    others: Vec<Acceptance>,
) -> Result<Changed, RecordsError> {
    let Change {
        before,
        after,
        kind,
        mut detail,
        event,
    } = change;
    if before.is_none() {
        insert(tx, &after).await?;
    }
    write(tx, stamp, &after).await?;
    let (stood, stands) = (before.as_ref().is_some_and(is_active), is_active(&after));
    let epoch = match stood && !stands {
        true => Some(epochs::raise(tx, &after.tenant).await?),
        false => None,
    };
    if let Some(epoch) = epoch {
        detail["epoch"] = epoch.into();
    }
    audit(tx, stamp, &after, kind, detail).await?;
    if let Some(change) = event {
        tell(tx, stamp, &after, change).await?;
    }
    if stands && !stood {
        supersede(tx, stamp, &after, others).await?;
    }
    Ok(Changed {
        acceptance: after,
        epoch,
    })
}

fn is_active(acceptance: &Acceptance) -> bool {
    matches!(acceptance.state, State::Active(_))
}

/// Acceptances of texts that are in force nowhere any more make way for `newer`. Nothing stops being allowed by that:
/// what was begun under them goes on under `newer`.
async fn supersede(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    newer: &Acceptance,
    others: Vec<Acceptance>,
) -> Result<(), RecordsError> {
    let in_force = terms::in_force(tx, &newer.license).await?;
    for older in others {
        if in_force.contains(&older.terms_sha256) {
            continue;
        }
        let Ok(after) = older.supersede(newer, stamp.at) else {
            continue;
        };
        write(tx, stamp, &after).await?;
        let change = AcceptanceChange::Superseded { by: newer.id };
        let detail = json!({ "by": newer.id, "terms_sha256": newer.terms_sha256 });
        audit(tx, stamp, &after, change.event_type().as_str(), detail).await?;
        tell(tx, stamp, &after, change).await?;
    }
    Ok(())
}

async fn insert(tx: &mut Tx, acceptance: &Acceptance) -> Result<(), RecordsError> {
    on!(tx: tx, |c| sqlx::query(INSERT)
        .bind(acceptance.id.to_string())
        .bind(acceptance.tenant.as_str())
        .bind(acceptance.requested_by.as_str())
        .bind(At(acceptance.requested_at))
        .bind(acceptance.license.as_str())
        .bind(acceptance.terms_sha256.to_string())
        .bind(Json(&acceptance.purposes))
        .bind(&acceptance.signer.name)
        .bind(&acceptance.signer.title)
        .bind(&acceptance.registration_number)
        .bind(&acceptance.evidence)
        .bind(acceptance.valid_until.map(At))
        .bind(acceptance.territory.map(Territory::as_str))
        .run(c))?;
    Ok(())
}

async fn write(tx: &mut Tx, stamp: Stamp<'_>, acceptance: &Acceptance) -> Result<(), RecordsError> {
    let columns = StateColumns::of(&acceptance.state);
    let (approved, rejected) = (columns.approved, columns.rejected);
    let (suspended, revoked) = (columns.suspended, columns.revoked);
    let submitted_at = (acceptance.state != State::Requested).then_some(At(stamp.at));
    on!(tx: tx, |c| sqlx::query(WRITE)
        .bind(acceptance.id.to_string())
        .bind(submitted_at)
        .bind(acceptance.valid_until.map(At))
        .bind(columns.active_since)
        .bind(approved.at)
        .bind(approved.tenant)
        .bind(approved.member)
        .bind(rejected.at)
        .bind(rejected.tenant)
        .bind(rejected.member)
        .bind(rejected.reason)
        .bind(suspended.at)
        .bind(suspended.tenant)
        .bind(suspended.member)
        .bind(suspended.reason)
        .bind(columns.expired_at)
        .bind(revoked.at)
        .bind(revoked.tenant)
        .bind(revoked.member)
        .bind(revoked.reason)
        .bind(columns.superseded_at)
        .bind(columns.superseded_by)
        .run(c))?;
    Ok(())
}

/// Appends to the audit log that `kind` happened to `acceptance`.
pub(super) async fn audit(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    acceptance: &Acceptance,
    kind: &'static str,
    detail: Value,
) -> Result<(), RecordsError> {
    let subject = acceptance.id.to_string();
    let detail = with_row(tx, detail, Fact::Acceptance, &subject).await?;
    stamp.audit(tx, &acceptance.tenant, kind, subject, None, detail);
    Ok(())
}

/// Has the tenant's webhook endpoints told of `change`.
pub(super) async fn tell(
    tx: &mut Tx,
    stamp: Stamp<'_>,
    acceptance: &Acceptance,
    change: AcceptanceChange,
) -> Result<(), RecordsError> {
    let kind = EventKind::Acceptance(AcceptanceEvent::of(acceptance, change));
    stamp.tell(tx, &acceptance.tenant, kind).await
}
