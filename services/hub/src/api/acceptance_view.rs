//! An acceptance in JSON.

use domain::{
    acceptance::{Acceptance, Judge, Judgement, Signer, State},
    digest::Sha256,
    id::AcceptanceId,
    names::{LicenseName, MemberName, TenantName},
    purpose::Purpose,
};
use serde::Serialize;
use std::collections::BTreeSet;
use time::OffsetDateTime;

/// See the module's text.
#[derive(Serialize)]
pub(super) struct AcceptanceView {
    id: AcceptanceId,
    tenant: TenantName,
    requested_by: MemberName,
    #[serde(with = "time::serde::rfc3339")]
    requested_at: OffsetDateTime,
    license: LicenseName,
    terms_sha256: Sha256,
    purposes: BTreeSet<Purpose>,
    signer: Signer,
    registration_number: Option<String>,
    evidence: Option<String>,
    state: &'static str,
    #[serde(with = "time::serde::rfc3339::option")]
    active_since: Option<OffsetDateTime>,
    approval: Option<JudgementView>,
    rejection: Option<JudgementView>,
    revocation: Option<JudgementView>,
}

/// Who judged when, and why where a reason is needed.
#[derive(Serialize)]
struct JudgementView {
    by: Judge,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl JudgementView {
    fn of(judgement: Judgement, reason: Option<String>) -> Self {
        Self {
            by: judgement.by,
            at: judgement.at,
            reason,
        }
    }
}

impl AcceptanceView {
    pub(super) fn of(acceptance: Acceptance) -> Self {
        let state = acceptance.state.as_str();
        let bare = |judgement| JudgementView::of(judgement, None);
        let (active_since, approval, rejection, revocation) = match acceptance.state {
            State::UnderReview => (None, None, None, None),
            State::Active { since, approved } => (Some(since), approved.map(bare), None, None),
            State::Rejected { judged, reason } => {
                (None, None, Some(JudgementView::of(judged, Some(reason))), None)
            }
            State::Revoked {
                since,
                approved,
                judged,
                reason,
            } => (
                Some(since),
                approved.map(bare),
                None,
                Some(JudgementView::of(judged, Some(reason))),
            ),
        };
        Self {
            id: acceptance.id,
            tenant: acceptance.tenant,
            requested_by: acceptance.requested_by,
            requested_at: acceptance.requested_at,
            license: acceptance.license,
            terms_sha256: acceptance.terms_sha256,
            purposes: acceptance.purposes,
            signer: acceptance.signer,
            registration_number: acceptance.registration_number,
            evidence: acceptance.evidence,
            state,
            active_since,
            approval,
            rejection,
            revocation,
        }
    }

    pub(super) fn id(&self) -> String {
        self.id.to_string()
    }
}
