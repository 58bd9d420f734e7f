//! Between an acceptance's row and its state.

use super::Entry;
use crate::{At, RecordsError, read::Reading};
use domain::{
    acceptance::{Acceptance, Judge, Judgement, Signer, Standing, State},
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
    territory: Option<String>,
    evidence: Option<String>,
    submitted_at: Option<At>,
    valid_until: Option<At>,
    active_since: Option<At>,
    approved_at: Option<At>,
    approved_by_tenant: Option<String>,
    approved_by_member: Option<String>,
    rejected_at: Option<At>,
    rejected_by_tenant: Option<String>,
    rejected_by_member: Option<String>,
    rejected_reason: Option<String>,
    suspended_at: Option<At>,
    suspended_by_tenant: Option<String>,
    suspended_by_member: Option<String>,
    suspended_reason: Option<String>,
    expired_at: Option<At>,
    revoked_at: Option<At>,
    revoked_by_tenant: Option<String>,
    revoked_by_member: Option<String>,
    revoked_reason: Option<String>,
    superseded_at: Option<At>,
    superseded_by: Option<String>,
}

/// A row with counts of what hangs on it.
#[derive(sqlx::FromRow)]
pub(super) struct EntryRow {
    #[sqlx(flatten)]
    acceptance: AcceptanceRow,
    evidence_files: i64,
    comments: i64,
    newest_terms_sha256: String,
}

impl EntryRow {
    pub(super) fn read(self) -> Result<Entry, RecordsError> {
        let row = super::reading("acceptances", &self.acceptance.id);
        let (evidence_files, comments) = (row.whole(self.evidence_files)?, row.whole(self.comments)?);
        let newest_terms_sha256 = row.parsed(&self.newest_terms_sha256)?;
        Ok(Entry {
            newest_terms_sha256,
            acceptance: self.acceptance.read()?,
            evidence_files,
            comments,
        })
    }
}

impl AcceptanceRow {
    pub(crate) fn read(self) -> Result<Acceptance, RecordsError> {
        let row = super::reading("acceptances", &self.id);
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
            territory: self.territory.map(|code| row.parsed(&code)).transpose()?,
            evidence: self.evidence,
            valid_until: self.valid_until.map(|until| until.0),
            state,
        })
    }

    fn state(&self, row: Reading<'_>) -> Result<State, RecordsError> {
        let by = (&self.rejected_by_tenant, &self.rejected_by_member);
        let rejected = judgement(row, self.rejected_at, by)?;
        let approved = judgement(
            row,
            self.approved_at,
            (&self.approved_by_tenant, &self.approved_by_member),
        )?;
        let stopped = [
            self.suspended_at,
            self.expired_at,
            self.revoked_at,
            self.superseded_at,
        ];
        let stops = stopped.iter().flatten().count();
        match (self.submitted_at, self.active_since, rejected) {
            (None, None, None) if stops == 0 && approved.is_none() => Ok(State::Requested),
            (Some(_), None, None) if stops == 0 && approved.is_none() => Ok(State::UnderReview),
            (Some(_), None, Some(judged)) if stops == 0 && approved.is_none() => Ok(State::Rejected {
                judged,
                reason: row.required(self.rejected_reason.clone(), "a reason")?,
            }),
            (Some(_), Some(since), None) if stops <= 1 => {
                let since = since.0;
                self.standing_state(row, Standing { since, approved })
            }
            _ => Err(row.nonsense("its times contradict each other")),
        }
    }

    /// The state of one that stands or stood.
    fn standing_state(&self, row: Reading<'_>, standing: Standing) -> Result<State, RecordsError> {
        let by = (&self.suspended_by_tenant, &self.suspended_by_member);
        if let Some(judged) = judgement(row, self.suspended_at, by)? {
            let reason = row.required(self.suspended_reason.clone(), "a reason")?;
            return Ok(State::Suspended {
                standing,
                judged,
                reason,
            });
        }
        let by = (&self.revoked_by_tenant, &self.revoked_by_member);
        if let Some(judged) = judgement(row, self.revoked_at, by)? {
            let reason = row.required(self.revoked_reason.clone(), "a reason")?;
            return Ok(State::Revoked {
                standing,
                judged,
                reason,
            });
        }
        match (self.expired_at, self.superseded_at, &self.superseded_by) {
            (None, None, None) => Ok(State::Active(standing)),
            (Some(at), None, None) if self.valid_until.is_some_and(|until| until <= at) => {
                Ok(State::Expired { standing, at: at.0 })
            }
            (Some(_), None, None) => Err(row.nonsense("it expired before its end")),
            (None, Some(at), Some(by)) => Ok(State::Superseded {
                standing,
                by: row.parsed(by)?,
                at: at.0,
            }),
            _ => Err(row.nonsense("it is superseded in part")),
        }
    }
}

fn judgement(
    row: Reading<'_>,
    at: Option<At>,
    by: (&Option<String>, &Option<String>),
) -> Result<Option<Judgement>, RecordsError> {
    match (at, by) {
        (None, (None, None)) => Ok(None),
        (Some(at), (Some(tenant), Some(member))) => {
            let by = Judge {
                tenant: row.parsed(tenant)?,
                member: row.parsed(member)?,
            };
            Ok(Some(Judgement { by, at: at.0 }))
        }
        _ => Err(row.nonsense("a judgement is there in part")),
    }
}

/// Who judged when, and why, as four columns.
#[derive(Default)]
pub(super) struct JudgementColumns<'a> {
    pub at: Option<At>,
    pub tenant: Option<&'a str>,
    pub member: Option<&'a str>,
    pub reason: Option<&'a str>,
}

impl<'a> JudgementColumns<'a> {
    fn of(judgement: &'a Judgement, reason: Option<&'a str>) -> Self {
        Self {
            at: Some(At(judgement.at)),
            tenant: Some(judgement.by.tenant.as_str()),
            member: Some(judgement.by.member.as_str()),
            reason,
        }
    }
}

/// A state as columns.
#[derive(Default)]
pub(super) struct StateColumns<'a> {
    pub active_since: Option<At>,
    pub approved: JudgementColumns<'a>,
    pub rejected: JudgementColumns<'a>,
    pub suspended: JudgementColumns<'a>,
    pub expired_at: Option<At>,
    pub revoked: JudgementColumns<'a>,
    pub superseded_at: Option<At>,
    pub superseded_by: Option<String>,
}

impl<'a> StateColumns<'a> {
    pub(super) fn of(state: &'a State) -> Self {
        let mut columns = Self::default();
        if let Some(standing) = state.standing() {
            columns.active_since = Some(At(standing.since));
            let approved = standing.approved.as_ref();
            columns.approved =
                approved.map_or_else(Default::default, |judged| JudgementColumns::of(judged, None));
        }
        match state {
            State::Requested | State::UnderReview | State::Active(_) => {}
            State::Rejected { judged, reason } => {
                columns.rejected = JudgementColumns::of(judged, Some(reason));
            }
            State::Suspended { judged, reason, .. } => {
                columns.suspended = JudgementColumns::of(judged, Some(reason));
            }
            State::Revoked { judged, reason, .. } => {
                columns.revoked = JudgementColumns::of(judged, Some(reason));
            }
            State::Expired { at, .. } => columns.expired_at = Some(At(*at)),
            State::Superseded { by, at, .. } => {
                columns.superseded_at = Some(At(*at));
                columns.superseded_by = Some(by.to_string());
            }
        }
        columns
    }
}
