//! Between an acceptance's row and its state.

use crate::{At, RecordsError, read::Reading};
use domain::{
    acceptance::{Acceptance, Judge, Judgement, Signer, State},
    purpose::Purpose,
};
use sqlx::types::Json;
use std::collections::BTreeSet;

#[derive(sqlx::FromRow)]
pub(crate) struct AcceptanceRow {
    id: String,
    tenant: String,
    requested_by: String,
    requested_at: At,
    license: String,
    terms_sha256: String,
    purposes: Json<BTreeSet<Purpose>>,
    signer_name: String,
    signer_title: String,
    registration_number: Option<String>,
    evidence: Option<String>,
    active_since: Option<At>,
    approved_at: Option<At>,
    approved_by_tenant: Option<String>,
    approved_by_member: Option<String>,
    rejected_at: Option<At>,
    rejected_by_tenant: Option<String>,
    rejected_by_member: Option<String>,
    rejected_reason: Option<String>,
    revoked_at: Option<At>,
    revoked_by_tenant: Option<String>,
    revoked_by_member: Option<String>,
    revoked_reason: Option<String>,
}

impl AcceptanceRow {
    pub(crate) fn read(self) -> Result<Acceptance, RecordsError> {
        let row = Reading {
            table: "acceptances",
            id: &self.id,
        };
        let state = self.state(row)?;
        Ok(Acceptance {
            id: row.parsed(&self.id)?,
            tenant: row.parsed(&self.tenant)?,
            requested_by: row.parsed(&self.requested_by)?,
            requested_at: self.requested_at.0,
            license: row.parsed(&self.license)?,
            terms_sha256: row.parsed(&self.terms_sha256)?,
            purposes: self.purposes.0,
            signer: Signer {
                name: self.signer_name,
                title: self.signer_title,
            },
            registration_number: self.registration_number,
            evidence: self.evidence,
            state,
        })
    }

    fn state(&self, row: Reading<'_>) -> Result<State, RecordsError> {
        let approved = judgement(
            row,
            self.approved_at,
            &self.approved_by_tenant,
            &self.approved_by_member,
        )?;
        let rejected = judgement(
            row,
            self.rejected_at,
            &self.rejected_by_tenant,
            &self.rejected_by_member,
        )?;
        let revoked = judgement(
            row,
            self.revoked_at,
            &self.revoked_by_tenant,
            &self.revoked_by_member,
        )?;
        let reason = |text: &Option<String>| row.required(text.clone(), "a reason");
        match (self.active_since, rejected, revoked) {
            (None, None, None) => Ok(State::UnderReview),
            (Some(since), None, None) => Ok(State::Active {
                since: since.0,
                approved,
            }),
            (None, Some(judged), None) => Ok(State::Rejected {
                judged,
                reason: reason(&self.rejected_reason)?,
            }),
            (Some(since), None, Some(judged)) => Ok(State::Revoked {
                since: since.0,
                approved,
                judged,
                reason: reason(&self.revoked_reason)?,
            }),
            _ => Err(row.nonsense("its times contradict each other")),
        }
    }
}

fn judgement(
    row: Reading<'_>,
    at: Option<At>,
    tenant: &Option<String>,
    member: &Option<String>,
) -> Result<Option<Judgement>, RecordsError> {
    match (at, tenant, member) {
        (None, None, None) => Ok(None),
        (Some(at), Some(tenant), Some(member)) => {
            let by = Judge {
                tenant: row.parsed(tenant)?,
                member: row.parsed(member)?,
            };
            Ok(Some(Judgement { by, at: at.0 }))
        }
        _ => Err(row.nonsense("a judgement is there in part")),
    }
}

/// Who judged when, as three columns.
#[derive(Default)]
pub(super) struct JudgementColumns<'a> {
    pub at: Option<At>,
    pub tenant: Option<&'a str>,
    pub member: Option<&'a str>,
}

impl<'a> From<&'a Judgement> for JudgementColumns<'a> {
    fn from(judgement: &'a Judgement) -> Self {
        let (tenant, member) = (judgement.by.tenant.as_str(), judgement.by.member.as_str());
        Self {
            at: Some(At(judgement.at)),
            tenant: Some(tenant),
            member: Some(member),
        }
    }
}

/// A state as columns.
#[derive(Default)]
pub(super) struct StateColumns<'a> {
    pub active_since: Option<At>,
    pub approved: JudgementColumns<'a>,
    pub rejected: JudgementColumns<'a>,
    pub rejected_reason: Option<&'a str>,
    pub revoked: JudgementColumns<'a>,
    pub revoked_reason: Option<&'a str>,
}

impl<'a> StateColumns<'a> {
    pub(super) fn of(state: &'a State) -> Self {
        let judged =
            |judgement: &'a Option<Judgement>| judgement.as_ref().map(Into::into).unwrap_or_default();
        match state {
            State::UnderReview => Self::default(),
            State::Active { since, approved } => Self {
                active_since: Some(At(*since)),
                approved: judged(approved),
                ..Self::default()
            },
            State::Rejected { judged, reason } => Self {
                rejected: judged.into(),
                rejected_reason: Some(reason),
                ..Self::default()
            },
            State::Revoked {
                since,
                approved,
                judged: revoked,
                reason,
            } => Self {
                active_since: Some(At(*since)),
                approved: judged(approved),
                revoked: revoked.into(),
                revoked_reason: Some(reason),
                ..Self::default()
            },
        }
    }
}
