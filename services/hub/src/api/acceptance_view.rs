//! An acceptance in JSON.

use domain::{
    acceptance::{Judge, Judgement, Phase, Signer, State},
    digest::Sha256,
    id::AcceptanceId,
    names::{LicenseName, MemberName, TenantName},
    purpose::Purpose,
    terms,
    territory::Territory,
};
use records::acceptances::Entry;
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
    /// How the license's newest text differs from the accepted one; nothing if it is the accepted one.
    diff: Option<String>,
    purposes: BTreeSet<Purpose>,
    signer: Signer,
    registration_number: Option<String>,
    territory: Option<Territory>,
    evidence: Option<String>,
    evidence_files: u32,
    comments: u32,
    #[serde(with = "time::serde::rfc3339::option")]
    valid_until: Option<OffsetDateTime>,
    state: Phase,
    #[serde(with = "time::serde::rfc3339::option")]
    active_since: Option<OffsetDateTime>,
    approval: Option<JudgementView>,
    rejection: Option<JudgementView>,
    suspension: Option<JudgementView>,
    revocation: Option<JudgementView>,
    supersession: Option<SupersessionView>,
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

/// What took its place, and when.
#[derive(Serialize)]
struct SupersessionView {
    by: AcceptanceId,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
}

impl JudgementView {
    fn of(judgement: &Judgement, reason: Option<&String>) -> Self {
        Self {
            by: judgement.by.clone(),
            at: judgement.at,
            reason: reason.cloned(),
        }
    }
}

impl AcceptanceView {
    /// The view of `entry` at the moment `now`.
    pub(super) fn of(entry: Entry, now: OffsetDateTime) -> Self {
        let (acceptance, newest) = (entry.acceptance, entry.newest_terms_sha256);
        let state = acceptance.phase(now);
        let standing = acceptance.state.standing();
        let (mut rejection, mut suspension, mut revocation, mut supersession) = (None, None, None, None);
        match &acceptance.state {
            State::Requested | State::UnderReview | State::Active(_) | State::Expired { .. } => {}
            State::Rejected { judged, reason } => rejection = Some(JudgementView::of(judged, Some(reason))),
            State::Suspended { judged, reason, .. } => {
                suspension = Some(JudgementView::of(judged, Some(reason)));
            }
            State::Revoked { judged, reason, .. } => {
                revocation = Some(JudgementView::of(judged, Some(reason)));
            }
            State::Superseded { by, at, .. } => supersession = Some(SupersessionView { by: *by, at: *at }),
        }
        let differs = newest != acceptance.terms_sha256;
        Self {
            diff: differs.then(|| terms::diff_path(&acceptance.license, &acceptance.terms_sha256, &newest)),
            active_since: standing.map(|standing| standing.since),
            approval: standing
                .and_then(|standing| standing.approved.as_ref())
                .map(|judged| JudgementView::of(judged, None)),
            id: acceptance.id,
            tenant: acceptance.tenant,
            requested_by: acceptance.requested_by,
            requested_at: acceptance.requested_at,
            license: acceptance.license,
            terms_sha256: acceptance.terms_sha256,
            purposes: acceptance.purposes,
            signer: acceptance.signer,
            registration_number: acceptance.registration_number,
            territory: acceptance.territory,
            evidence: acceptance.evidence,
            evidence_files: entry.evidence_files,
            comments: entry.comments,
            valid_until: acceptance.valid_until,
            state,
            rejection,
            suspension,
            revocation,
            supersession,
        }
    }

    pub(super) fn id(&self) -> String {
        self.id.to_string()
    }
}
