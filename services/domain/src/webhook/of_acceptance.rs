//! Events about acceptances.

use super::EventType;
use crate::{acceptance::Acceptance, digest::Sha256, id::AcceptanceId, names::LicenseName, purpose::Purpose};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// What has become of an acceptance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AcceptanceChange {
    /// A reviewer approved it.
    Approved,
    /// A reviewer rejected it.
    Rejected,
    /// A reviewer suspended it.
    Suspended,
    /// A reviewer let it stand again.
    Resumed,
    /// A reviewer took it back.
    Revoked,
    /// An acceptance of newer terms took its place.
    Superseded {
        /// The acceptance in its place.
        by: AcceptanceId,
    },
    /// It will run out.
    Expiring {
        /// In how many days, rounded up.
        days_left: u32,
    },
    /// It has run out.
    Expired,
}

impl AcceptanceChange {
    /// Its type.
    pub fn event_type(&self) -> EventType {
        match self {
            AcceptanceChange::Approved => EventType::AcceptanceApproved,
            AcceptanceChange::Rejected => EventType::AcceptanceRejected,
            AcceptanceChange::Suspended => EventType::AcceptanceSuspended,
            AcceptanceChange::Resumed => EventType::AcceptanceResumed,
            AcceptanceChange::Revoked => EventType::AcceptanceRevoked,
            AcceptanceChange::Superseded { .. } => EventType::AcceptanceSuperseded,
            AcceptanceChange::Expiring { .. } => EventType::AcceptanceExpiring,
            AcceptanceChange::Expired => EventType::AcceptanceExpired,
        }
    }
}

/// An acceptance as an event tells of it: no names of people and no reasons, which are read with a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptanceEvent {
    /// What happened.
    pub change: AcceptanceChange,
    /// To which acceptance.
    pub acceptance: AcceptanceId,
    license: LicenseName,
    terms_sha256: Sha256,
    purposes: BTreeSet<Purpose>,
    valid_until: Option<OffsetDateTime>,
}

impl AcceptanceEvent {
    /// Tells that `change` happened to `acceptance`.
    pub fn of(acceptance: &Acceptance, change: AcceptanceChange) -> Self {
        Self {
            change,
            acceptance: acceptance.id,
            license: acceptance.license.clone(),
            terms_sha256: acceptance.terms_sha256,
            purposes: acceptance.purposes.clone(),
            valid_until: acceptance.valid_until,
        }
    }

    /// The facts that a payload carries.
    pub(super) fn data(&self) -> Map<String, Value> {
        let until = self.valid_until.and_then(|until| until.format(&Rfc3339).ok());
        let facts = [
            ("acceptance", json!(self.acceptance)),
            ("license", json!(self.license)),
            ("terms_sha256", json!(self.terms_sha256)),
            ("purposes", json!(self.purposes)),
            ("valid_until", json!(until)),
        ];
        let mut data: Map<String, Value> = facts
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        match self.change {
            AcceptanceChange::Superseded { by } => drop(data.insert("superseded_by".into(), json!(by))),
            AcceptanceChange::Expiring { days_left } => {
                drop(data.insert("days_left".into(), days_left.into()));
            }
            _ => {}
        }
        data
    }
}
